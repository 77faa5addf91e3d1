"""What holds an answer to a form: schemas, regular expressions, choices, grammars and forced tool calls, for xgrammar.

    check    a schema that has to be enforced as a whole (`strict`, and vLLM's own `structured_outputs`) is refused where the
             engine can't, with the keyword's path
    settle   what the engine gets: schemas that are fitted (schemas/fit.py), and nothing of which it can make no grammar

Both run before the engine has the request, so that no constraint fails in it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import BadRequest
from .schemas.fit import Circle, Fitted, fit
from .trial import Trial, Unusable

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.sampling_params import SamplingParams

FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
# As wide as any indentation; a model that loops in white space is out of it after so many characters.
MOST_WHITESPACE = 16


class _Promise(NamedTuple):
    """A schema that must be enforced as a whole: where it stands, and which field an error names."""

    path: str
    param: str
    schema: Any


class Constraints:
    """Of one engine whose structured outputs are xgrammar's."""

    def __init__(self, trial: Trial, *, bounds_whitespace: bool) -> None:
        self._trial = trial
        self._bounds_whitespace = bounds_whitespace

    async def check(self, body: Mapping[str, Any]) -> None:
        """Raises BadRequest for a promise that can't be kept."""
        promises = list(_promises(body))
        if promises:
            await asyncio.to_thread(self._check, promises)

    async def settle(self, params: SamplingParams, body: Mapping[str, Any]) -> None:
        """Change the constraint to what the engine can enforce of it. Raises BadRequest where that is nothing."""
        if params.structured_outputs is not None:
            await asyncio.to_thread(self._settle, params, constrained_by(body))

    def _check(self, promises: list[_Promise]) -> None:
        for path, param, schema in promises:
            fitted = self._fit(schema, param)
            if fitted.lost:
                keyword = fitted.lost[0].rpartition(".")[2]
                raise BadRequest(f"{path}{fitted.lost[0]}: {keyword!r} can't be enforced by this engine", param=param)

    def _settle(self, params: SamplingParams, param: str | None) -> None:
        constraint = cast("Any", params.structured_outputs)
        try:
            if constraint.json is not None:
                schema = json.loads(constraint.json) if isinstance(constraint.json, str) else constraint.json
                schema = self._fit(schema, param).schema
                self._trial.check_schema(schema)
                constraint.json = {} if schema is True else schema
            elif constraint.structural_tag is not None:
                tag = json.loads(constraint.structural_tag)
                self._settle_tag(tag, param)
                constraint.structural_tag = json.dumps(tag)
            self._trial.check(params)
        except (Unusable, json.JSONDecodeError) as error:
            raise BadRequest(f"{param}: {error}", param=param) from error

    def _settle_tag(self, tag: Any, param: str | None) -> None:
        """The schemas anywhere in a structural tag, each with its bound on white space."""
        if isinstance(tag, list):
            for each in cast("list[Any]", tag):
                self._settle_tag(each, param)
        if not isinstance(tag, dict):
            return
        node = cast("dict[str, Any]", tag)
        for name, value in node.items():
            if name in ("json_schema", "schema"):
                node[name] = self._fit(value, param).schema
                self._trial.check_schema(node[name])
            else:
                self._settle_tag(value, param)
        if self._bounds_whitespace and node.get("type") == "json_schema" and node.get("max_whitespace_cnt") is None:
            node["max_whitespace_cnt"] = MOST_WHITESPACE

    def _fit(self, schema: Any, param: str | None) -> Fitted:
        try:
            return fit(schema, self._trial.is_pattern)
        except Circle as circle:
            raise BadRequest(f"{param}: the schema at {circle} refers to itself", param=param) from circle
        except ValueError as error:
            raise BadRequest(f"{param}: the schema is no good: {error}", param=param) from error
        except RecursionError as error:
            raise BadRequest(f"{param}: the schema is nested too deeply", param=param) from error
        except (TypeError, AttributeError, KeyError) as error:
            raise BadRequest(f"{param}: this is no JSON schema: {error}", param=param) from error


def force_schemas(openai: ChatCompletionRequest) -> None:
    """Have the arguments of a call that is forced follow the function's schema, as of one that is `strict`."""
    if openai.tools and is_forced(openai.tool_choice):
        openai.tools = [
            tool.model_copy(update={"function": tool.function.model_copy(update={"strict": True})})
            for tool in openai.tools
        ]


def refuse_odd_names(body: Mapping[str, Any]) -> None:
    """Names stand in the grammar of a call, and in what the model reads. Raises BadRequest."""
    for number, function in _functions(body):
        name = function.get("name")
        if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
            raise BadRequest(
                f"tools[{number}].function.name must be 1 to 64 characters of a-z, A-Z, 0-9, _ and -, not {name!r}",
                param=f"tools[{number}].function.name",
            )


def is_forced(choice: Any) -> bool:
    """Whether this `tool_choice` leaves the model nothing but a call."""
    return choice == "required" or not (choice is None or isinstance(choice, str))


def constrained_by(body: Mapping[str, Any]) -> str | None:
    """The field that holds the answer to a form; None where there is none."""
    forced = bool(body.get("tools")) and is_forced(body.get("tool_choice"))
    fields = ("tools", "structured_outputs", "response_format") if forced else ("structured_outputs", "response_format")
    return next((name for name in fields if body.get(name)), "tools" if body.get("tools") else None)


def _promises(body: Mapping[str, Any]) -> Iterator[_Promise]:
    """The schemas of the request that have to be enforced as a whole."""
    schema = _object(body.get("structured_outputs")).get("json")
    if isinstance(schema, dict):
        yield _Promise("structured_outputs.json", "structured_outputs", schema)
    described = _object(_object(body.get("response_format")).get("json_schema"))
    if described.get("strict") is True:
        yield _Promise("response_format.json_schema.schema", "response_format", described.get("schema"))
    if body.get("tool_choice") != "none":
        for number, function in _functions(body):
            if function.get("strict") is True:
                path = f"tools[{number}].function.parameters"
                yield _Promise(path, path, function.get("parameters", True))


def _functions(body: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, tool in enumerate(body.get("tools") or ()):
        yield number, _object(_object(tool).get("function"))


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
