"""What every request with a conversation has checked of it, whatever it is for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from gateway.errors import BadRequest, not_taken
from gateway.prompting.conversation import Conversation


class ConversationRequest(Protocol):
    """A request that tells a chat template what to make a prompt of."""

    @property
    def chat_template_kwargs(self) -> Mapping[str, Any] | None:
        """Variables of the template."""
        ...

    def conversation(self) -> Conversation:
        """Raises ValueError for past calls whose arguments are no JSON object."""
        ...


def check_arguments(request: ConversationRequest, allowed: Collection[str]) -> None:
    """Raises BadRequest for variables of the template that are not `allowed`."""
    for name in request.chat_template_kwargs or {}:
        if name not in allowed:
            raise not_taken(f"chat_template_kwargs.{name}", "is not among those that may be set here")


def conversation_of(request: ConversationRequest) -> Conversation:
    """The conversation. Raises BadRequest."""
    try:
        return request.conversation()
    except ValueError as error:
        raise BadRequest(
            "The arguments of a tool call in 'messages' must be a JSON object in a string.",
            param="messages",
            code="invalid_value",
        ) from error
