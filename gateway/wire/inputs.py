"""Texts or token ids, in the four forms in which OpenAI lets a client send them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from gateway.wire.decoding import TokenIdField

MAX_INPUTS: Final = 2048
"""OpenAI's limit of inputs in a request."""

TokenIds = Annotated[list[TokenIdField], Field(min_length=1)]

Inputs = str | list[str] | list[int] | list[list[int]]


def kind_of_inputs(value: object) -> str:
    """Which of the forms a `prompt` or `input` has, by its first element: the tag of its type."""
    if not isinstance(value, list):
        return "text"
    first: object = value[0] if value else ""  # pyright: ignore[reportUnknownVariableType]
    if isinstance(first, list):
        return "token_arrays"
    return "tokens" if isinstance(first, int) else "texts"


def as_list(given: Inputs) -> list[str] | list[list[int]]:
    """The inputs, each a text or a list of token ids; a single input as a list of one."""
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [[token for token in given if isinstance(token, int)]]
    return given  # pyright: ignore[reportReturnType]  # one of the two list forms, told apart by the discriminator
