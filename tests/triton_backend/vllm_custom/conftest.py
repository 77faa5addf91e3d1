"""The backend with the replay engine, on a fake of Triton: no test here needs vLLM, a GPU or a server."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes import triton_python_backend as triton
from tests.fakes.official_requests import official_request
from tests.fakes.tokenizer import CHAT_TEMPLATE, toy_tokenizer

BACKEND = Path(__file__).parents[3] / "triton_backend" / "vllm_custom"


def _load_model_py() -> Any:
    """model.py as Triton imports it; on the way it makes the package `vllm_custom` importable for every test."""
    spec = importlib.util.spec_from_file_location("vllm_custom_model", BACKEND / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    importlib.import_module("vllm_custom.launch")
    return module


with triton.installed():
    MODEL_PY = _load_model_py()


@pytest.fixture
def model_py() -> Any:
    return MODEL_PY


@pytest.fixture
def model_directory(tmp_path: Path) -> Path:
    """`<repository>/<model>` with the files of a toy model in `1/weights`."""
    weights = tmp_path / "toy" / "1" / "weights"
    weights.mkdir(parents=True)
    toy_tokenizer().save(str(weights / "tokenizer.json"))
    (weights / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    (weights / "config.json").write_text("{}")
    (weights / "secrets.txt").write_text("not for clients")
    return tmp_path / "toy"


@pytest.fixture
def adapter_directory(tmp_path: Path) -> Path:
    """A folder of adapters: two, a folder that is none, and a link that leads out."""
    folder = tmp_path / "adapters"
    for name in ("poet", "lawyer"):
        (folder / name).mkdir(parents=True)
        (folder / name / "adapter_config.json").write_text("{}")
    (folder / "empty").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "adapter_config.json").write_text("{}")
    (folder / "link").symlink_to(outside)
    return folder


def arguments(model_directory: Path, **changes: Any) -> dict[str, Any]:
    """What Triton hands to `initialize`."""
    config = {"name": "toy", "max_batch_size": 0, "model_transaction_policy": {"decoupled": True}}
    return {
        "model_config": json.dumps({**config, **changes}),
        "model_name": "toy",
        "model_version": "1",
        "model_repository": str(model_directory),
        "model_instance_kind": "CPU",
        "model_instance_device_id": "0",
    }


class Backend:
    """A started model: `ask` sends one request and gives the sender that collects the answer."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._count = 0

    def ask(
        self,
        op: str,
        *,
        sender: triton.ResponseSender | None = None,
        token_ids: Any = None,
        media: Sequence[bytes] = (),
        **keys: Any,
    ) -> triton.ResponseSender:
        self._count += 1
        envelope = {"v": 1, "op": op, "rid": f"r{self._count}", **keys}
        return self.send(triton.InferenceRequest(envelope, token_ids=token_ids, media=media, sender=sender))

    def generate(self, prompt: str = "hello", *, sender: Any = None, rid: str | None = None, **body: Any) -> Any:
        keys: dict[str, Any] = {"api": "chat", "prompt": prompt, "body": body}
        if rid is not None:
            keys["rid"] = rid
        return self.ask("generate", sender=sender, **keys)

    def send(self, *requests: triton.InferenceRequest) -> triton.ResponseSender:
        assert self.model.execute(list(requests)) is None
        return requests[-1].sender

    def lora(self, action: str, **keys: Any) -> Any:
        """The result of the op `lora`, or type, code and param of its error."""
        (record,) = self.ask("lora", action=action, **keys).finish()
        return record[3] if record[1] == "result" else tuple(record[3:6])

    def stats(self) -> dict[str, Any]:
        return self.ask("stats").finish()[0][3]

    def wait_until_idle(self) -> None:
        """Until the engine works on nothing; ends by the test's own time limit when that never comes."""
        while self.stats()["unfinished"]:
            pass

    def wait_until_done(self) -> None:
        """Until every request has had its last record posted. Asks no op: a test may be holding the sending thread."""
        while self.model.instance.unfinished:
            pass

    def stop(self) -> None:
        """End the instance, but not the process, as `finalize` would where torch is loaded."""
        self.model.instance.stop()


class InstanceModel:
    """An instance behind model.py's interface, for one that a test has made itself."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def execute(self, requests: Sequence[triton.InferenceRequest]) -> None:
        for request in requests:
            self.instance.handle(request)

    def is_ready(self) -> bool:
        return self.instance.is_ready()

    def finalize(self) -> None:
        self.instance.stop()


def thread_names() -> set[str]:
    """Of the threads that run now: each of the backend's has a name of its own."""
    return {thread.name for thread in threading.enumerate()}


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """An entry for each time that a stub has settled its garbage, which would be that of all tests here."""
    times: list[None] = []
    monkeypatch.setattr("vllm_custom.launch.garbage", SimpleNamespace(settle=lambda: times.append(None)))
    return times


@pytest.fixture
def official() -> Callable[..., triton.InferenceRequest]:
    """Makes requests as NVIDIA's clients do."""
    return official_request


@pytest.fixture
def serve(model_directory: Path) -> Iterator[Callable[..., Backend]]:
    """As `start`, for an instance that is given what it can be given: a clock, metrics, another engine."""
    from vllm_custom.configuration.config import load
    from vllm_custom.engine.adapters import Adapters
    from vllm_custom.instance import Instance
    from vllm_custom.recovery.recovering_engine import RecoveringEngine
    from vllm_custom.replay.replay_engine import ReplayEngine

    running: list[Any] = []

    def served(*script: dict[str, Any], engine: Any = ReplayEngine, **parts: Any) -> Backend:
        document = {"engine": "replay", "model": "${MODEL}/weights", "script": list(script)}
        (model_directory / "1" / "model.json").write_text(json.dumps(document))
        config = load("toy", model_directory / "1")
        recovering = RecoveringEngine(lambda: engine(config, Adapters.of(config)), config.settings)
        instance = Instance("toy", recovering, **parts)
        instance.start()
        running.append(instance)
        return Backend(InstanceModel(instance))

    yield served
    for instance in running:
        instance.stop()


@pytest.fixture
def start(model_directory: Path) -> Iterator[Callable[..., Backend]]:
    """Start the backend with a script; ended after the test."""
    running: list[Any] = []

    def started(*script: dict[str, Any], **config: Any) -> Backend:
        document = {"engine": "replay", "model": "${MODEL}/weights", "script": list(script), **config}
        (model_directory / "1" / "model.json").write_text(json.dumps(document))
        model = MODEL_PY.TritonPythonModel()
        model.initialize(arguments(model_directory))
        running.append(model)
        return Backend(model)

    yield started
    for model in running:
        model.finalize()
