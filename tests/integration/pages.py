"""The examples of a Markdown page: its fenced blocks, and what the text around them says of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SAVE = re.compile(r"Save as `([^`]+)`:$")
_ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """One fenced block. `section` is the heading above it; `file` is where a reader saves it, if the line above says so."""

    section: str
    language: str
    text: str
    file: str | None = None


def blocks(page: Path) -> list[Block]:
    """All of them, in their order."""
    return list(_blocks(page.read_text(encoding="utf-8").splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    section, above = "", ""
    rest = iter(lines)
    for line in rest:
        if line.startswith("```"):
            yield _block(section, line.removeprefix("```"), above, rest)
        elif line.startswith("#"):
            section = line.lstrip("#").strip()
        if line.strip():
            above = line


def _block(section: str, language: str, above: str, rest: Iterator[str]) -> Block:
    text = "".join(f"{line}\n" for line in iter(lambda: next(rest), "```"))
    save = _SAVE.search(above)
    return Block(section, language, text, save[1] if save else None)


def shows(shown: str, printed: str) -> bool:
    """Whether a page shows what a program has printed: `…` stands for anything, and where lines break does not matter."""
    pieces = shown.replace("\n", "").split(_ANYTHING)
    return re.fullmatch(".*".join(map(re.escape, pieces)), printed.replace("\n", "")) is not None
