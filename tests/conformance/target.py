"""Where the clients go (any environment may import this): told by variables, so that it can be another server too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

URL = "CONFORMANCE_BASE_URL"
_MODEL, _REASONER, _EMBEDDER = "CONFORMANCE_MODEL", "CONFORMANCE_REASONING_MODEL", "CONFORMANCE_EMBEDDING_MODEL"
_KEY, _TOKENIZER = "CONFORMANCE_API_KEY", "CONFORMANCE_TOKENIZER"


@dataclass(frozen=True)
class Target:
    """A base URL, the models there, and a folder with `model`'s tokenizer. What needs one that is not named is skipped."""

    url: str
    model: str
    reasoner: str = ""
    embedder: str = ""
    key: str = "none"
    tokenizer: str = ""

    @classmethod
    def told(cls) -> Target | None:
        """The one that the environment names."""
        url = os.environ.get(URL)
        if not url:
            return None
        told = {name: os.environ.get(name, "") for name in (_MODEL, _REASONER, _EMBEDDER)}
        key, tokenizer = os.environ.get(_KEY, "none"), os.environ.get(_TOKENIZER, "")
        return cls(url, told[_MODEL], told[_REASONER], told[_EMBEDDER], key, tokenizer)

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment that names it."""
        names = (URL, _MODEL, _REASONER, _EMBEDDER, _KEY, _TOKENIZER)
        values = (self.url, self.model, self.reasoner, self.embedder, self.key, self.tokenizer)
        return dict(zip(names, values, strict=True))
