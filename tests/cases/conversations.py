"""Random conversations, to be tokenised in pieces and whole."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.fakes.tokenizer_kinds import SENTENCES

_CHARACTERS: Final = "aZé日🎉 \n\t0159.,!?'\"<>|/_-▁\u0301\u200d　ﬁ"
_ROLES: Final = ("user", "assistant", "tool")


def honest_text(random: Random) -> str:
    """Words, pieces of sentences and odd characters, nothing of which is a control token."""
    parts: list[str] = []
    for _ in range(random.randint(0, 6)):
        sentence = random.choice(SENTENCES)
        start = random.randrange(len(sentence))
        parts.append(sentence[start : start + random.randint(1, 40)])
        parts.append("".join(random.choices(_CHARACTERS, k=random.randint(0, 4))))
    return "".join(parts)


def conversation(random: Random, text: str | None = None) -> list[dict[str, str]]:
    """One of up to six messages; each has `text` somewhere, if there is one."""
    roles = [*(["system"] if random.random() < 0.5 else []), *random.choices(_ROLES, k=random.randint(1, 5))]
    return [
        {"role": role, "content": honest_text(random) + (text + honest_text(random) if text else "")} for role in roles
    ]
