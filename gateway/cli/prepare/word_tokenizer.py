r"""A `tokenizer.json` that finds words exactly as Python does: `re.findall(r"\b\w\w+\b", text.lower())`.

The `tokenizers` library is written in Rust. Its lower-casing uses another Unicode version and looks at one character at a
time, while Python ends a Greek word in a final sigma; its regular expressions have another `\w`. This module therefore
compares both for every character, and rewrites the characters on which they differ before lower-casing.
"""

import re
from collections.abc import Iterable, Iterator

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

SURROGATES = range(0xD800, 0xE000)  # not characters: UTF-8 text cannot contain them
CAPITAL_SIGMA, FINAL_SIGMA = "Σ", "ς"


def word_tokenizer(vocabulary: dict[str, int], unknown: str) -> Tokenizer:
    """One token per word of two or more characters, lower-cased; `unknown` for words that are not in the vocabulary.

    `unknown` must be in the vocabulary and contain a character that no word can contain, such as a bracket.
    """
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.normalizer = _python_lower(vocabulary)
    # Inverted: the pattern matches the kept parts, and the text between is dropped. It matches a whole run, so no boundary
    # is needed, and it is atomic, so that a run of a million letters causes no backtracking.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex(f"(?>{_one_of(word_characters())}{{2,}})"), behavior="removed", invert=True
    )
    return tokenizer


def characters() -> Iterator[str]:
    """Every Unicode code point that a text can contain."""
    return (chr(code) for code in range(0x110000) if code not in SURROGATES)


def word_characters() -> list[str]:
    r"""The characters that this Python's `\w` matches."""
    return re.findall(r"\w", "".join(characters()))


def _python_lower(vocabulary: Iterable[str]) -> normalizers.Normalizer:
    """`str.lower` as a normalizer, exact in all cases that decide which words of the vocabulary are found."""
    word = set(word_characters())
    stranger = _letter_outside(vocabulary)
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(_final_sigma()), FINAL_SIGMA)]
    within, between = _disagreements(word)
    # A letter that no known word contains keeps the word unknown; a blank separates words as the character itself would.
    if within:
        steps.append(normalizers.Replace(Regex(_one_of(within)), stranger))
    if between:
        steps.append(normalizers.Replace(Regex(_one_of(between)), " "))
    return normalizers.Sequence([*steps, normalizers.Lowercase()])


def _disagreements(word: set[str]) -> tuple[list[str], list[str]]:
    """The characters that the two libraries lower-case differently: those inside Python's words, and those between."""
    lowercase = normalizers.Lowercase()
    differing = [char for char in characters() if lowercase.normalize_str(char) != char.lower()]
    for char in differing:
        if len(char.lower()) != 1 or char.lower().isascii():
            raise ValueError(f"{char!r} cannot be rewritten as one letter: teach this module about it")
    within = [char for char in differing if char.lower() in word]
    return within, [char for char in differing if char.lower() not in word]


def _letter_outside(vocabulary: Iterable[str]) -> str:
    """A lower-case letter that no word of the vocabulary contains."""
    used = set("".join(vocabulary))
    return next(char for char in characters() if char.isalpha() and char.lower() == char and char not in used)


def _final_sigma() -> str:
    """A pattern for the Σ that Python lower-cases to ς.

    Python's rule: skipping case-ignorable characters, the character before Σ is cased, and the one after it is not.
    Python itself tells which characters are cased or case-ignorable. The engine cannot look back over a run of any
    length, so the pattern starts at the cased character and excludes everything before `\\K` from the replaced text. The two
    kinds of characters do not overlap, so the runs are possessive (`*+`) and no text causes backtracking.
    """
    cased = [char for char in characters() if (char + CAPITAL_SIGMA).lower().endswith(FINAL_SIGMA)]
    known = set(cased)
    ignored = [c for c in characters() if c not in known and ("A" + c + CAPITAL_SIGMA).lower().endswith(FINAL_SIGMA)]
    one, skip = _one_of(cased), _one_of(ignored) + "*+"
    return f"{one}{skip}\\K{CAPITAL_SIGMA}(?!{skip}{one})"


def _one_of(chars: list[str]) -> str:
    """A character class of exactly these characters, given in ascending order."""
    spans: list[list[int]] = []
    for code in map(ord, chars):
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in spans) + "]"
