"""One instance of one model: requests in, one response each out."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import tensors
from .batching import grouped, run_isolated
from .config import ModelConfig, parse
from .errors import AnswerError, ConfigError, ModelError, RequestError
from .module import TorchModule
from .naming import Places, check_result_count, input_places, output_places
from .tensors import Inputs, Request, Response

log = logging.getLogger(__name__)


class Instance:
    """Raises ConfigError at once if anything is wrong with the model or its configuration."""

    def __init__(self, config: Mapping[str, Any], folder: Path, kind: str, device_id: int) -> None:
        """`config` is Triton's JSON form of `config.pbtxt`, `folder` the model's version directory."""
        self._config = parse(config)
        self._module = TorchModule(folder / self._config.filename, self._config, kind, device_id)
        self._inputs = input_places([spec.name for spec in self._config.inputs], self._module.arguments)
        self._outputs = output_places([spec.name for spec in self._config.outputs], self._module.result_count)
        _warn_of_order(self._config, self._inputs, self._outputs)

    def execute(self, requests: Sequence[Request]) -> list[Response]:
        """One response per request, in order. A request that fails does not affect the others."""
        inputs: dict[int, Inputs] = {}
        answers: dict[int, Response | AnswerError] = {}
        for position, request in enumerate(requests):
            try:
                inputs[position] = tensors.read(request, self._config.inputs, batched=self._config.batched)
            except RequestError as error:
                answers[position] = error
        for positions in grouped({position: self._batch_key(position, inputs[position]) for position in inputs}):
            batch = [inputs[position] for position in positions]
            answers.update(zip(positions, run_isolated(batch, self._run), strict=True))
        return [_as_response(answers[position]) for position in range(len(requests))]

    def close(self) -> None:
        self._module.close()

    def _batch_key(self, position: int, inputs: Inputs) -> Hashable:
        """A key that is equal for requests that may run together. Without a batch dimension, no two keys are equal."""
        return inputs.row_shapes if self._config.batched else position

    def _run(self, batch: Sequence[Inputs]) -> list[Response]:
        """Answer requests of one batch key with one call of the model. Raises AnswerError for all of them."""
        results = self._module(self._arguments(batch))
        try:
            check_result_count(self._outputs, len(results))
        except ConfigError as error:  # only the length of a list is known this late
            raise ModelError(str(error)) from error
        chosen = [results[self._outputs.index[spec.name]] for spec in self._config.outputs]
        return [tensors.response(share, self._config.outputs) for share in self._shares(chosen, batch)]

    def _arguments(self, batch: Sequence[Inputs]) -> list[NDArray[Any]]:
        """The requests' rows stacked, in the order of forward()'s arguments.

        Always copies: Triton's own memory may be read-only, and a model may write into its inputs.
        """
        columns = zip(*(inputs.arrays for inputs in batch), strict=True)
        joined = [np.concatenate(column) if self._config.batched else column[0].copy() for column in columns]
        by_name = dict(zip((spec.name for spec in self._config.inputs), joined, strict=True))
        return [by_name[name] for name in sorted(by_name, key=self._inputs.index.__getitem__)]

    def _shares(self, results: Sequence[NDArray[Any]], batch: Sequence[Inputs]) -> list[list[NDArray[Any]]]:
        """Each request's rows of every result."""
        if not self._config.batched:
            return [list(results)]
        rows = [inputs.rows for inputs in batch]
        for result, spec in zip(results, self._config.outputs, strict=True):
            if result.ndim == 0 or result.shape[0] != sum(rows):
                raise ModelError(
                    f"the model gives {spec.name!r} the shape {list(result.shape)} for a batch of {sum(rows)}: "
                    "its first dimension must be the batch, or max_batch_size 0"
                )
        ends = np.cumsum(rows)[:-1]
        return [list(share) for share in zip(*(np.split(result, ends) for result in results), strict=True)]


def _as_response(answer: Response | AnswerError) -> Response:
    if not isinstance(answer, AnswerError):
        return answer
    log.warning("a request failed: %s", answer)
    return tensors.error_response(answer)


def _warn_of_order(config: ModelConfig, inputs: Places, outputs: Places) -> None:
    # A single tensor can't be in the wrong position.
    if inputs.by_order and len(config.inputs) > 1:
        log.warning(
            "The inputs %s are neither arguments of forward() nor named <name>__<index>: passed in this order.",
            list(inputs.index),
        )
    if outputs.by_order and len(config.outputs) > 1:
        log.warning("The outputs %s are not named <name>__<index>: taken in this order.", list(outputs.index))
