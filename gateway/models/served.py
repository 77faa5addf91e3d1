"""What every served model has, whatever its kind; each kind is a file of its own beside this one.

declared   `task` and `fits`: which of Triton's models are of this kind
loaded     `files` and `load`: what is read of them, and what is made of that
listed     `max_model_len`, `base`, `abilities`
probed     `probe`: the smallest work that proves it well
asked      by methods of the kind: `prepare` of a generating model, `pool` of one that makes rows
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from gateway.prompting.template import ChatTemplate
from gateway.prompting.tokenizer import Tokenizer, Tokenizers
from gateway.triton.client import TritonClient
from gateway.triton.discovery import DiscoveredModel

PROBE_TEXT = "Hello"
"""What a probe asks about."""


def generates(description: Mapping[str, Any]) -> bool:
    """Whether a model that speaks our contract says of itself that it generates text."""
    return "generate" in description.get("tasks", ("generate",))


class ModelNotServable(Exception):
    """A model is there and can't be served. `cause` is written for clients; `detail` is for the operator, and may hold
    paths and other people's words."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause = cause


@contextmanager
def reading(file: str) -> Generator[None, None, None]:
    """Turns what goes wrong while a file of a model is read into ModelNotServable, which names the file."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelNotServable(f"its {file} can't be used", f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class ModelSource:
    """All that Triton has sent about a model: its configuration, its description and its files by name."""

    discovered: DiscoveredModel
    description: Mapping[str, Any]
    files: Mapping[str, bytes]
    tokenizers: Tokenizers
    created: int

    def tokenizer(self) -> Tokenizer:
        """The model's own. Raises ModelNotServable when it offers none, or a file that is none."""
        content = self.file("tokenizer.json")
        with reading("tokenizer.json"):
            return self.tokenizers.get(content)

    def file(self, name: str) -> bytes:
        """The content of a file that the model must have. Raises ModelNotServable when it offers none."""
        if name not in self.files:
            raise ModelNotServable(f"it offers no {name}")
        return self.files[name]


@dataclass(frozen=True, slots=True)
class ServedModel(ABC):
    """A model under the name that clients use. `created`: when this gateway learned of it, in seconds since 1970."""

    kind: ClassVar[str]
    """What it is called in lists."""
    task: ClassVar[str]
    """`openai_task` of its configuration, or `generation` for one that speaks our contract."""
    files: ClassVar[frozenset[str]]
    """The files that are read of it."""

    name: str
    created: int
    further_names: tuple[str, ...] = field(default=(), kw_only=True)
    """By which clients may also ask for it, where no other model has them: such as its name on the hub."""

    @classmethod
    def fits(cls, description: Mapping[str, Any]) -> bool:
        """Whether a model of this task with that description is of this kind."""
        return True

    @classmethod
    @abstractmethod
    def load(cls, source: ModelSource) -> Self:
        """Make the model. Raises ModelNotServable, or KeyError, TypeError, ValueError over files that can't be used."""

    @property
    @abstractmethod
    def max_model_len(self) -> int:
        """The most tokens that it takes; 0 where that is not known."""

    @property
    @abstractmethod
    def abilities(self) -> frozenset[str]:
        """What it can be asked for: `chat`, `complete`, or the ops of a model that makes rows."""

    @abstractmethod
    async def probe(self, client: TritonClient, *, timeout_s: float) -> None:
        """Ask it for as little as can be. Raises GatewayError when it does not answer."""

    @property
    def base(self) -> str | None:
        """Of an adapter, the model that it was loaded into."""
        return None

    def with_adapter(self, name: str, created: int) -> ServedModel | None:
        """The adapter of that name, which is loaded into this model, as a served model; None for kinds without any."""
        return None

    @property
    def known_tokenizer(self) -> Tokenizer | None:
        """Its tokeniser, where the gateway has it."""
        return None

    @property
    def known_template(self) -> ChatTemplate | None:
        """Its chat template, where it is the gateway that applies it."""
        return None
