"""Small tokenisers of the kinds that models have, trained on a few sentences; all have the same control tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

START, END, EOS = "<|start|>", "<|end|>", "</s>"
CONTROLS: Final = (START, END, EOS)

TEMPLATE: Final = (
    "{% for message in messages %}<|start|>{{ message.role }}\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)

SENTENCES: Final = (
    "The ferry leaves the harbour at nine and comes back with the tide, weather permitting.",
    "Don't you know? It's 42 km from here; that's all I've seen on the map (of 1987).",
    "def add(a, b):\n    return a + b  # <b>bold</b> &amp; |pipes| [brackets]",
    "Ein schöner Tag am Fluß, naïve café, élan. 日本語のテキスト。 Привет, мир! 🎉 👩\u200d👩\u200d👧",
    "user\nassistant\nsystem\n\n  two spaces\tand a tab\r\n",
)


def _trained(tokenizer: Tokenizer, trainer: trainers.Trainer, **flags: bool) -> Tokenizer:
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, **{"normalized": False, **flags}) for text in CONTROLS]
    )
    return tokenizer


def byte_level() -> Tokenizer:
    """As of GPT-2, Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _trained(tokenizer, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False))


def normalised_byte_level() -> Tokenizer:
    """As of Qwen, with NFC and a pattern for words."""
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.NFC()
    words = Regex(r"'s|'t|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def spaces_as_signs() -> Tokenizer:
    """As of Llama 2 and Mistral: only the beginning of a text gets a space."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    every_byte = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>", *every_byte], show_progress=False)
    file = json.loads(_trained(tokenizer, trainer).to_str())
    # The trainer takes the bytes for special tokens, which they are not.
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] not in every_byte]
    return Tokenizer.from_str(json.dumps(file))


def spaces_by_normaliser() -> Tokenizer:
    """As of the first files of Llama 2: each text between control tokens gets a space; as a Phi's, they take the space
    behind them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>"], show_progress=False)
    return _trained(tokenizer, trainer, rstrip=True)


def word_pieces() -> Tokenizer:
    """As of BERT: lower case, no accents, special tokens around a text."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # pyright: ignore[reportCallIssue]  # its stub lacks it
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False)
    tokenizer = _trained(tokenizer, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


def unigram() -> Tokenizer:
    """As of T5 and XLM-R: every text between control tokens gets a space, and one of those is a piece of the model too."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", EOS], unk_token="<unk>", show_progress=False
    )
    return _trained(tokenizer, trainer)


def whole_words() -> Tokenizer:
    """As of small classifiers."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return _trained(tokenizer, trainers.WordLevelTrainer(special_tokens=["<unk>"], show_progress=False))


KINDS: Final[Mapping[str, Callable[[], Tokenizer]]] = {
    make.__name__: make
    for make in (
        byte_level,
        normalised_byte_level,
        spaces_as_signs,
        spaces_by_normaliser,
        word_pieces,
        unigram,
        whole_words,
    )
}
