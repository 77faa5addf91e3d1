"""Maps the tensors of `config.pbtxt` to the arguments and results of forward().

The rules are those of NVIDIA's PyTorch backend. Inputs are mapped by name if all of them are names of arguments; otherwise
by the number in `<name>__<index>` if all have one; otherwise in the order of the configuration. Outputs follow the same
rules without the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import ConfigError


@dataclass(frozen=True)
class Places:
    """The position of each name among the arguments or the results.

    `by_order` is true if the names give no position, so that a mistake in their order can't be detected.
    """

    index: dict[str, int]
    by_order: bool


def input_places(names: Sequence[str], arguments: Sequence[str]) -> Places:
    """Raises ConfigError unless every argument gets exactly one input."""
    if len(names) != len(arguments):
        raise ConfigError(
            f"config.pbtxt lists {len(names)} inputs ({', '.join(names)}), but forward() of the model takes "
            f"{len(arguments)} ({', '.join(arguments)}): list one input for each."
        )
    if set(names) <= set(arguments):
        places = Places({name: arguments.index(name) for name in names}, by_order=False)
    else:
        places = _by_index_or_order(names)
    _check_filled("input", places, len(arguments))
    return places


def output_places(names: Sequence[str], results: int | None) -> Places:
    """The position of each output among the `results` results of forward(); None if their number is known only after a call.

    Not every result needs an output.
    """
    places = _by_index_or_order(names)
    _check_distinct("output", places)
    if results is not None:
        check_result_count(places, results)
    return places


def check_result_count(places: Places, results: int) -> None:
    """Raises ConfigError if the position of an output is beyond the model's last result."""
    for name, index in places.index.items():
        if index >= results:
            raise ConfigError(
                f"the output {name!r} of config.pbtxt is number {index} of the results (counted from 0), but forward() "
                f"gives {results}: rename or remove it."
            )


def _by_index_or_order(names: Sequence[str]) -> Places:
    numbers = {name: name.partition("__")[2] for name in names}
    if all(number.isascii() and number.isdigit() for number in numbers.values()):
        return Places({name: int(number) for name, number in numbers.items()}, by_order=False)
    return Places({name: index for index, name in enumerate(names)}, by_order=True)


def _check_distinct(kind: str, places: Places) -> None:
    if len(set(places.index.values())) < len(places.index):
        raise ConfigError(f"two {kind}s of config.pbtxt have the same number: {', '.join(places.index)}.")


def _check_filled(kind: str, places: Places, count: int) -> None:
    _check_distinct(kind, places)
    for name, index in places.index.items():
        if index >= count:
            raise ConfigError(
                f"the {kind} {name!r} of config.pbtxt is number {index} of the arguments (counted from 0), but "
                f"forward() takes {count}: rename it."
            )
