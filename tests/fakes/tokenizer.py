"""A toy tokeniser: one id per byte, so that everything round-trips and lengths are easy to tell."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

BOS = "<s>"
EOS = "</s>"
SPECIAL_TOKENS = {"bos_token": BOS, "eos_token": EOS}

CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def toy_tokenizer() -> Tokenizer:
    """Ids 0 and 1 are the special tokens, then the 256 bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([BOS, EOS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BOS, EOS])
    return tokenizer
