r"""A `tokenizer.json` that finds words exactly as Python does: `re.findall(r"\b\w\w+\b", text.lower())`.

The `tokenizers` library is Rust: its lower-casing knows another Unicode version, and looks at one character at a time,
where Python ends a Greek word in a final sigma; its regular expressions have another `\w`. So nothing is taken on
trust: both are asked about every character there is, and what they disagree on is rewritten before lower-casing.
"""

import re
from collections.abc import Iterable, Iterator

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

SURROGATES = range(0xD800, 0xE000)  # not characters: they cannot be in a text that came as UTF-8
CAPITAL_SIGMA, FINAL_SIGMA = "Σ", "ς"


def word_tokenizer(vocabulary: dict[str, int], unknown: str) -> Tokenizer:
    """One token a word of two or more characters, lower-cased; `unknown` for those that the vocabulary lacks.

    `unknown` must be in the vocabulary and hold a character that no word can, such as a bracket.
    """
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.normalizer = _python_lower(vocabulary)
    # Inverted: the pattern says what is kept, all between is dropped. A run is matched whole, so no boundary is needed;
    # atomic, so that a run of a million letters leaves nothing to go back to.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex(f"(?>{_one_of(word_characters())}{{2,}})"), behavior="removed", invert=True
    )
    return tokenizer


def characters() -> Iterator[str]:
    """Every Unicode code point that can be in a text."""
    return (chr(code) for code in range(0x110000) if code not in SURROGATES)


def word_characters() -> list[str]:
    r"""What this Python's `\w` matches."""
    return re.findall(r"\w", "".join(characters()))


def _python_lower(vocabulary: Iterable[str]) -> normalizers.Normalizer:
    """`str.lower` as a normalizer, exact wherever it decides which words of the vocabulary are found."""
    word = set(word_characters())
    stranger = _letter_outside(vocabulary)
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(_final_sigma()), FINAL_SIGMA)]
    within, between = _disagreements(word)
    # A letter of no known word keeps such a word unknown; a blank parts words as the character itself would.
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

    Python's rule: before it, past any characters that case ignores, stands a cased one; after it, past any such
    characters, none does. Which is which is read off Python itself. The engine cannot look back over a run of any
    length, so the pattern starts at the cased character and drops all before `\\K` from what it replaces. The two
    kinds do not overlap, so the runs are possessive (`*+`): no text makes the search go back and forth.
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
