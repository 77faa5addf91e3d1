"""A model's chat template: messages in, prompt out.

Templates are Jinja programs that come with the weights, written for the environment that transformers gives them
(https://huggingface.co/docs/transformers/chat_templating_writing): trimmed blocks, loop controls, `raise_exception`,
`strftime_now` and a `tojson` that escapes nothing. They run in Jinja's immutable sandbox. A request never brings one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NoReturn

from jinja2 import TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.errors import BadRequest
from gateway.exact_json import dumps_spaced
from gateway.ids import new_id
from gateway.prompting.controls import AddedToken, ControlTokens, Marks
from gateway.prompting.conversation import Conversation
from gateway.prompting.messages import for_template
from gateway.prompting.prompt import Prompt


class _Refused(TemplateError):
    """What `raise_exception` raises: the template's own words about the messages."""


_UNRENDERABLE: Final = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a template's own code raises over messages that it was not written for."""


def _raise_exception(message: str) -> NoReturn:
    raise _Refused(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)  # the local date is what templates ask for


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return dumps_spaced(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _environment() -> ImmutableSandboxedEnvironment:
    # Not HTML: a prompt must reach the model as it was written.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception  # pyright: ignore[reportArgumentType]
    environment.globals["strftime_now"] = _strftime_now  # pyright: ignore[reportArgumentType]
    return environment


class ChatTemplate:
    """A compiled template with the special tokens it may name. Compiled once per model; `render` takes microseconds."""

    def __init__(
        self, source: str, special_tokens: Mapping[str, str], added_tokens: Collection[AddedToken] = ()
    ) -> None:
        """`special_tokens` are `bos_token`, `eos_token`, … as strings; `added_tokens` are the tokeniser's. Raises ValueError
        when the source is no template."""
        environment = _environment()
        try:
            self._template = environment.from_string(source)
            self.variables = frozenset(meta.find_undeclared_variables(environment.parse(source)))
        except TemplateError as error:
            raise ValueError(f"not a chat template: {error}") from error
        self._special_tokens = dict(special_tokens)
        self._controls = ControlTokens(added_tokens, source)

    def render(self, conversation: Conversation, *, reads_controls: bool = False) -> Prompt:
        """The prompt for what the assistant says next. `variables` are the names that the template looks at.
        `reads_controls`: what looks like a control token in the conversation may become one.

        Raises BadRequest on `messages` that the template refuses (roles out of order, say), in the template's own words.
        """
        messages = for_template(conversation.messages)
        if reads_controls:
            return Prompt(self._written(conversation, messages), quoted=None)
        marks = Marks()
        quoted = replace(
            conversation,
            tools=self._controls.quote(conversation.tools, marks),
            arguments=self._controls.quote(conversation.arguments, marks),
        )
        return marks.prompt(self._written(quoted, self._controls.quote_messages(messages, marks)))

    def _written(self, conversation: Conversation, messages: list[dict[str, Any]]) -> str:
        return (self._continued if conversation.continues else self._render)(conversation, messages)

    def _continued(self, conversation: Conversation, messages: list[dict[str, Any]]) -> str:
        """The prompt up to the end of the last message: what templates put behind it is left out."""
        *earlier, last = messages
        mark = new_id()  # random, so no message can contain it
        prompt = self._render(conversation, [*earlier, {**last, "content": f"{last['content']}{mark} "}])
        continued, found, rest = prompt.rpartition(mark)
        if not found:
            raise BadRequest(
                "The chat template of this model leaves the last message out: it can't be continued.",
                param="continue_final_message",
                code="invalid_value",
            )
        # Where the template trims messages, the end of this one would have been trimmed too.
        return continued if rest.startswith(" ") else continued.rstrip()

    def _render(self, conversation: Conversation, messages: Any) -> str:
        variables = {
            **conversation.arguments,
            **self._special_tokens,
            "messages": messages,
            "tools": conversation.tools,
            "add_generation_prompt": conversation.asks_for_turn,
        }
        try:
            return self._template.render(variables)
        except _Refused as refused:
            raise BadRequest(str(refused), param="messages", code="invalid_value") from refused
        except _UNRENDERABLE as error:
            raise BadRequest(
                "The chat template of this model can't render these messages.", param="messages", code="invalid_value"
            ) from error
