"""Served models: what the gateway has to know of a model to serve it, and how it learns that."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from gateway.apis.moderations.schema import CATEGORIES
from gateway.prompting.template import ChatTemplate
from gateway.prompting.tokenizer import Tokenizer, Tokenizers
from gateway.triton.client import TritonClient
from gateway.triton.discovery import DiscoveredModel
from gateway.triton.files import Describer, FileEntry, file_entries, travel
from gateway.triton.pooling import Op

log = logging.getLogger(__name__)

ASSETS = "assets"
"""Name of the model that serves the files of those which can't describe themselves."""

_PROMPT_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class ModelNotServable(Exception):
    """A model is there but lacks something; the text says what."""


@dataclass(frozen=True, slots=True)
class GeneratingModel:
    """A language model. `template` is None where the weights bring none: such a model completes but does not chat, unless
    its backend renders (`is_rendered_there`), which then has every chat. `tokenizer` is None where only the backend has one.
    `calls_tools`: the backend has a parser for the tool calls that the model writes. `base` is set for an adapter: the
    model that it was loaded into. `images`: how many a prompt may have."""

    name: str
    created: int
    context_length: int
    tokenizer: Tokenizer | None
    template: ChatTemplate | None
    calls_tools: bool = False
    takes_adapters: bool = False
    base: str | None = None
    is_rendered_there: bool = False
    images: int = 0

    @property
    def triton_name(self) -> str:
        """The model of Triton's that is asked."""
        return self.name if self.base is None else self.base

    @property
    def adapter(self) -> str | None:
        """The adapter that it is asked for."""
        return None if self.base is None else self.name


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    name: str
    created: int
    max_tokens: int
    max_batch_size: int
    tokenizer: Tokenizer


@dataclass(frozen=True, slots=True)
class Labels:
    """What the columns of a classifier's output mean: the label, OpenAI's category for it, and when it is flagged."""

    labels: tuple[str, ...]
    categories: Mapping[str, str]
    threshold: float


@dataclass(frozen=True, slots=True)
class ModerationModel:
    name: str
    created: int
    max_tokens: int
    max_batch_size: int
    tokenizer: Tokenizer
    labels: Labels


@dataclass(frozen=True, slots=True)
class PoolingModel:
    """A model on vLLM that gives vectors, classes or scores. `labels` name its classes, where its configuration does."""

    name: str
    created: int
    context_length: int
    tokenizer: Tokenizer
    tasks: frozenset[str]
    labels: tuple[str, ...] = ()

    def can(self, task: Op) -> bool:
        """Whether it has that op of the contract."""
        return task in self.tasks


ServedModel = GeneratingModel | EmbeddingModel | ModerationModel | PoolingModel


class ModelLoader:
    """Learns what is needed of a model: its description and files, which are kept by digest for all workers of a host."""

    def __init__(self, cache_dir: Path | None) -> None:
        """`cache_dir` is shared by the workers; None keeps nothing."""
        self._cache_dir = cache_dir
        self._tokenizers = Tokenizers()

    async def load(self, client: TritonClient, model: DiscoveredModel) -> ServedModel:
        """Raises GatewayError when Triton fails, ModelNotServable when the model lacks something."""
        about = Describer(client, model.name) if model.task == "generation" else Describer(client, ASSETS, model.name)
        description = await about.describe()
        if model.task == "generation":
            client.sessions.offer(model.name, offered="session" in travel(description))
        wanted = ("labels.json", *_PROMPT_FILES, *(() if _generates(description) else ("config.json",)))
        entries = [entry for name, entry in file_entries(description).items() if name in wanted]
        files = await self._read(about, entries)
        if "tokenizer.json" not in files and not (_generates(description) and _is_rendered_there(description)):
            raise ModelNotServable("it offers no tokenizer.json")
        try:
            # Parsing a tokeniser takes a tenth of a second and more: not on the event loop.
            return await asyncio.to_thread(_build, model, description, files, self._tokenizers)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelNotServable(f"its files can't be used: {error}") from error

    async def adapters(self, client: TritonClient, name: str) -> frozenset[str]:
        """The adapters that a generating model has loaded now. Raises GatewayError when Triton fails."""
        loras = (await Describer(client, name).describe()).get("loras")
        return frozenset(str(lora) for lora in cast("list[Any]", loras)) if isinstance(loras, list) else frozenset()

    async def _read(self, about: Describer, entries: list[FileEntry]) -> dict[str, bytes]:
        cached = {entry.name: content for entry in entries if (content := self._cached(entry)) is not None}
        missing = [entry for entry in entries if entry.name not in cached]
        if not missing:
            return cached
        fetched = await about.read(missing)
        for entry in missing:
            self._keep(entry, fetched[entry.name])
        return cached | fetched

    def _cached(self, entry: FileEntry) -> bytes | None:
        if self._cache_dir is None or not (path := self._cache_dir / entry.sha256).is_file():
            return None
        return path.read_bytes()

    def _keep(self, entry: FileEntry, content: bytes) -> None:
        if self._cache_dir is None:
            return
        unfinished = self._cache_dir / f"{entry.sha256}.{time.monotonic_ns()}"
        try:
            self._cache_dir.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(content)
            unfinished.rename(self._cache_dir / entry.sha256)
        except OSError as error:  # a full disk costs the other workers a transfer, and nobody a model
            log.warning("%s is not kept: %s", entry.name, error)


def _build(
    model: DiscoveredModel, description: dict[str, Any], files: dict[str, bytes], tokenizers: Tokenizers
) -> ServedModel:
    created = int(time.time())
    if model.task == "generation" and _generates(description):
        return GeneratingModel(
            model.name,
            created,
            int(description["context_length"]),
            tokenizers.get(files["tokenizer.json"]) if "tokenizer.json" in files else None,
            _template(files),
            calls_tools=description.get("tool_parser") is not None,
            takes_adapters=description.get("loras") is not None,
            is_rendered_there=_is_rendered_there(description),
            images=_images(description),
        )
    tokenizer = tokenizers.get(files["tokenizer.json"])
    if model.task == "generation":
        tasks = frozenset(str(task) for task in description["tasks"])
        labels = _class_names(files.get("config.json", b"{}"))
        return PoolingModel(model.name, created, int(description["context_length"]), tokenizer, tasks, labels)
    if model.task == "embedding":
        return EmbeddingModel(model.name, created, model.max_tokens, model.max_batch_size, tokenizer)
    labels = _labels(files["labels.json"])
    return ModerationModel(model.name, created, model.max_tokens, model.max_batch_size, tokenizer, labels)


def _generates(description: dict[str, Any]) -> bool:
    return "generate" in description.get("tasks", ("generate",))


def _is_rendered_there(description: dict[str, Any]) -> bool:
    return description.get("renderer") == "backend"


def _images(description: dict[str, Any]) -> int:
    """How many a prompt may have."""
    media = cast("dict[str, Any]", description.get("media") or {})
    return int(media.get("image", 0))


def _class_names(config_json: bytes) -> tuple[str, ...]:
    """`id2label` of a model's configuration, in the order of its ids; empty where they are not 0, 1, 2, …"""
    names: dict[str, Any] = orjson.loads(config_json).get("id2label") or {}
    if set(names) != {str(number) for number in range(len(names))}:
        return ()
    return tuple(str(names[str(number)]) for number in range(len(names)))


def _template(files: dict[str, bytes]) -> ChatTemplate | None:
    """The chat template: a file of its own in newer models, a member of the tokeniser's configuration in older ones."""
    config: dict[str, Any] = orjson.loads(files.get("tokenizer_config.json", b"{}"))
    source = files["chat_template.jinja"].decode() if "chat_template.jinja" in files else config.get("chat_template")
    if not isinstance(source, str):
        return None
    tokens = {name: _token_text(config.get(name)) for name in _SPECIAL_TOKENS}
    return ChatTemplate(source, {name: text for name, text in tokens.items() if text is not None})


def _token_text(token: Any) -> str | None:
    """A special token is written as a string, or as an object with its properties."""
    return cast("dict[str, Any]", token)["content"] if isinstance(token, dict) else token


def _labels(labels_json: bytes) -> Labels:
    content = orjson.loads(labels_json)
    labels = Labels(tuple(content["labels"]), dict(content["categories"]), float(content["threshold"]))
    unknown = set(labels.categories.values()) - set(CATEGORIES)
    if unknown or set(labels.categories) - set(labels.labels):
        raise ValueError(f"labels.json maps what is not a label, or to what is no category: {sorted(unknown)}")
    return labels
