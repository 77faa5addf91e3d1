"""Where the clients go (any environment may import this): told by variables, so that it can be another server too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

URL = "CONFORMANCE_BASE_URL"
_MODEL, _REASONER, _EMBEDDER = "CONFORMANCE_MODEL", "CONFORMANCE_REASONING_MODEL", "CONFORMANCE_EMBEDDING_MODEL"
_KEY = "CONFORMANCE_API_KEY"


@dataclass(frozen=True)
class Target:
    """A base URL, and the models there. What needs a model that is not named is skipped."""

    url: str
    model: str
    reasoner: str = ""
    embedder: str = ""
    key: str = "none"

    @classmethod
    def told(cls) -> Target | None:
        """The one that the environment names."""
        url = os.environ.get(URL)
        if not url:
            return None
        told = {name: os.environ.get(name, "") for name in (_MODEL, _REASONER, _EMBEDDER)}
        return cls(url, told[_MODEL], told[_REASONER], told[_EMBEDDER], os.environ.get(_KEY, "none"))

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment that names it."""
        values = (self.url, self.model, self.reasoner, self.embedder, self.key)
        return dict(zip((URL, _MODEL, _REASONER, _EMBEDDER, _KEY), values, strict=True))
