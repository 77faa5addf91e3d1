"""The moderation model, through its tokenizer.json and model.pt, against the scikit-learn pipeline it was made from."""

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

SOURCE = "profanity_check"
# Where two ideas of Unicode part: casing that grows, shrinks or looks around, marks, digits of other scripts, characters
# that case ignores, joiners, letters younger than one of the two libraries.
ODD = [
    *"İ\u0131ßẞΣ\u03c3ςǅŉﬁ\u212a\u212bªº²½Ⅷ٣一龙ゃ",
    *"'\u2019.·_-:\u00ad\u200d\u0301\u0307\u0345\ufeff\0",
    "🎉",
    "👍🏽",
    "\ua7cb",
    "\ua7da",
    "\U00010d50",
]

pytestmark = pytest.mark.timeout(120)  # the fixtures prepare the model; one test goes through all of Unicode

Probabilities = Callable[[Sequence[str]], np.ndarray]


@pytest.fixture(scope="module")
def vectorizer(moderation: Path) -> object:
    import importlib.util

    spec = importlib.util.find_spec(SOURCE)
    assert spec is not None
    assert spec.origin is not None
    return joblib.load(Path(spec.origin).parent / "data" / "vectorizer.joblib")


@pytest.fixture(scope="module")
def original() -> Probabilities:
    """What alt-profanity-check itself says."""
    from profanity_check import predict_prob

    return predict_prob


@pytest.fixture(scope="module")
def tokenizer(moderation: Path) -> Tokenizer:
    return Tokenizer.from_file(str(moderation / "tokenizer.json"))


@pytest.fixture(scope="module")
def prepared(moderation: Path, tokenizer: Tokenizer) -> Probabilities:
    """What the files say, for a batch padded as the gateway pads it: id 0, mask 0."""
    module = torch.jit.load(str(moderation / "model.pt"))

    def probabilities(texts: Sequence[str]) -> np.ndarray:
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[index, : len(row)] = 1
        output = module(ids, mask)
        assert output.dtype == torch.float32
        assert tuple(output.shape) == (len(rows), 1)
        return output[:, 0].numpy()

    return probabilities


TEXTS = [
    "",
    " ",
    "a",
    "You are a nice person.",
    "you are a fucking idiot",
    "FUCK fuck FuCk",
    "the and of is",  # stop words alone
    "ass. a ss as_s ass_ 'ass'",
    "ΕΤΗΤΗΣ",  # the one known word that ends in a final sigma
    "ΕΤΗΤΗΣ'\u0391",  # where it is not final
    "ΕΤΗΤΗΣ. ΜΕΛ",
    "İDIOT idİot \u212aick \u212bss",
    "JOSÉ josé JOSE\u0301 Beyoncé POKÉMON 迷惑 見学 ውይይት",
    "Straße STRASSE ß ẞ",
    "f\u0301uck fuck\u0301 fu\u200dck fu\u00adck fuck\ufeff",
    "🎉fuck🎉 👍🏽 idiot",
    "idiot\0idiot",
    "shit " * 5000,
    "x" * 200_000,
    "Σ" * 100_000,
    "A" + "'" * 100_000 + "Σ",
]


def test_examples_equal_the_original(prepared: Probabilities, original: Probabilities) -> None:
    """Casing, marks, other scripts, emoji, nothing at all, very long and repeated: the same to a millionth."""
    for text in TEXTS:
        assert prepared([text]) == pytest.approx(original([text]), abs=1e-6), text[:40]


def test_a_padded_batch_equals_its_rows(prepared: Probabilities, original: Probabilities) -> None:
    """Texts of different lengths in one batch do not touch each other."""
    texts = [text for text in TEXTS if len(text) < 100]
    assert prepared(texts) == pytest.approx(original(texts), abs=1e-6)


def test_the_examples_tell_good_from_bad(prepared: Probabilities) -> None:
    """Not only equal: the model knows an insult."""
    polite, insult = prepared(["You are a nice person.", "you are a fucking idiot"])
    assert polite < 0.2
    assert insult > 0.9


@pytest.fixture(scope="module")
def texts(vectorizer: object) -> st.SearchStrategy[str]:
    """Known words in every casing, glued to each other and to anything."""
    words = st.sampled_from(sorted(vectorizer.vocabulary_))
    cased = st.one_of(words, words.map(str.upper), words.map(str.title), words.map(str.swapcase))
    glue = st.one_of(st.just(" "), st.sampled_from(ODD), st.text(max_size=3))
    return st.lists(st.one_of(cased, glue), max_size=20).map("".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_text_equals_the_original(
    data: st.DataObject, texts: st.SearchStrategy[str], prepared: Probabilities, original: Probabilities
) -> None:
    """Whatever the text, the probability is scikit-learn's to a millionth."""
    text = data.draw(texts)
    assert prepared([text]) == pytest.approx(original([text]), abs=1e-6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_text_has_the_same_words(
    data: st.DataObject, texts: st.SearchStrategy[str], tokenizer: Tokenizer, vectorizer: object
) -> None:
    """The known words are found where Python finds them: as many tokens, unknown ones at the same places."""
    text = data.draw(texts)
    words = re.findall(r"\b\w\w+\b", text.lower())
    expected = [vectorizer.vocabulary_.get(word, -1) + 1 for word in words]
    assert tokenizer.encode(text).ids == expected


def test_every_character_parts_words_as_python_does(tokenizer: Tokenizer, vectorizer: object) -> None:
    """Each Unicode character, between and after known words: in batches, because there are a million."""
    rng = random.Random(1)
    chars = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    rng.shuffle(chars)
    for start in range(0, len(chars), 4096):
        text = " ".join(f"ass{char}ass {char}ass" for char in chars[start : start + 4096])
        words = re.findall(r"\b\w\w+\b", text.lower())
        assert tokenizer.encode(text).ids == [vectorizer.vocabulary_.get(word, -1) + 1 for word in words]


def test_ids_outside_the_vocabulary_are_refused(moderation: Path) -> None:
    """On a GPU they would break the device for every later request."""
    module = torch.jit.load(str(moderation / "model.pt"))
    for bad in (-1, 15443):
        with pytest.raises(torch.jit.Error, match="outside the vocabulary"):
            module(torch.tensor([[1, bad]]), torch.ones(1, 2, dtype=torch.int64))


def test_labels_are_those_of_the_contract(moderation: Path) -> None:
    """One label, the OpenAI category it counts for, and where it begins to count."""
    labels = json.loads((moderation / "labels.json").read_text())
    assert labels == {"labels": ["profanity"], "categories": {"profanity": "harassment"}, "threshold": 0.5}
