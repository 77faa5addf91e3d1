"""What is known of a generation once an engine has accepted it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """`alternatives`: how many log probabilities a token were asked for; None without any, -1 for all that there are.

    `prompt_alternatives` is the same for the tokens of the prompt; `token_ids`: whether each delta carries its ids;
    `content_only`: log probabilities are wanted of the content's tokens, not of all.
    """

    choices: int
    prompt_tokens: int
    alternatives: int | None
    token_ids: bool
    prompt_alternatives: int | None = None
    content_only: bool = False
