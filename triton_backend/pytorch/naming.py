"""Which tensor of `config.pbtxt` is which argument of forward(), and which of its results.

The rules of NVIDIA's PyTorch backend. Inputs: by name, when all of them are names of arguments; else by the number in
`<name>__<index>`, when all have one; else in the order of the configuration. Outputs: the same without the first rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import ConfigError


@dataclass(frozen=True)
class Places:
    """Where each name stands among the arguments or the results.

    `by_order` is true where the names say nothing, so that a mistake in their order cannot be noticed.
    """

    index: dict[str, int]
    by_order: bool


def input_places(names: Sequence[str], arguments: Sequence[str]) -> Places:
    """Every argument gets exactly one input, or ConfigError."""
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
    """Each output's place among `results` results of forward(); None: how many is known only when it has run.

    Not every result needs an output.
    """
    places = _by_index_or_order(names)
    _check_distinct("output", places)
    if results is not None:
        check_result_count(places, results)
    return places


def check_result_count(places: Places, results: int) -> None:
    """ConfigError when an output stands behind the last of the model's results."""
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
