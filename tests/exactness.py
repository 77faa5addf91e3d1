"""Whether prompts that are tokenised in pieces have the ids of the whole, for many random conversations.

    python -m tests.exactness [--conversations 10000] [TOKENIZER.JSON …]

In seven small tokenisers of different kinds (tests/fakes/tokenizer_kinds.py), and in those of the files that are named.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import tokenizers

from gateway.prompting.conversation import Conversation
from gateway.prompting.segment_cache import SegmentCache
from gateway.prompting.template import ChatTemplate
from gateway.prompting.tokenizer import Tokenizer
from tests.cases.conversations import conversation
from tests.fakes.tokenizer_kinds import CONTROLS, KINDS, TEMPLATE


def main() -> int:
    arguments = _arguments()
    wrong = 0
    for name, whole in _tokenizers(arguments.files):
        differ = asyncio.run(_differing(whole, arguments.conversations))
        sys.stdout.write(f"{name}: {differ} of {arguments.conversations:,} differ\n")
        wrong += differ
    return 1 if wrong else 0


def _tokenizers(files: list[Path]) -> Iterator[tuple[str, tokenizers.Tokenizer]]:
    for name, make in KINDS.items():
        yield name, make()
    for file in files:
        whole = tokenizers.Tokenizer.from_file(str(file))
        whole.no_truncation()
        whole.no_padding()
        yield file.parent.name, whole


async def _differing(whole: tokenizers.Tokenizer, conversations: int) -> int:
    """In how many conversations the ids of the pieces are not those of the whole."""
    tokenizer = Tokenizer(whole.to_str().encode(), segments=SegmentCache(4_000_000))
    special = sorted(token.text for token in tokenizer.added_tokens if token.special)
    template = ChatTemplate(_with(special), {}, tokenizer.added_tokens)
    random, differ = Random(conversations), 0
    for _ in range(conversations):
        prompt = template.render(Conversation(conversation(random)))
        differ += (await tokenizer.encode_prompt(prompt)).tolist() != whole.encode(
            prompt.text, add_special_tokens=False
        ).ids
    return differ


def _with(special: list[str]) -> str:
    """The template, with control tokens that the tokeniser has."""
    template = TEMPLATE
    if not {*CONTROLS} <= {*special}:
        for name, token in zip(CONTROLS, special, strict=False):
            template = template.replace(name, token)
    return template


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--conversations", type=int, default=10_000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
