"""Asks the gateway repeatedly, in a thread, whether it is ready."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class State(Enum):
    """The state that /readyz reported."""

    READY = "ready"
    UNREADY = "unready"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class ProbeResult:
    """One answer; the reason is the gateway's own text."""

    state: State
    reason: str = ""
    awaited: tuple[str, ...] = ()
    """Models that are being added, and do not count yet."""
    curable: bool = True
    """Whether another start of Triton could help: not where no model is served, or one that is required can't be."""


def ask(host: str, port: int, timeout: float = 5.0) -> ProbeResult:
    """One request to /readyz."""
    try:
        status, body = get(host, port, "/readyz", timeout)
    except (OSError, http.client.HTTPException) as error:
        return ProbeResult(State.UNREACHABLE, str(error) or type(error).__name__)
    if status == http.client.OK:
        return ProbeResult(State.READY, awaited=_awaited(body))
    return ProbeResult(State.UNREADY, _reason(body), curable=_is_curable(body))


def get(host: str, port: int, path: str, timeout: float = 5.0) -> tuple[int, bytes]:
    """A plain GET request. It goes directly to the host and ignores proxies that the environment names."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def served_models(host: str, port: int) -> list[str] | None:
    """The names at /v1/models, or None if the gateway requires a key."""
    status, body = get(host, port, "/v1/models")
    if status != http.client.OK:
        return None
    listing: dict[str, list[dict[str, Any]]] = json.loads(body)
    return [str(model["id"]) for model in listing["data"]]


def _awaited(body: bytes) -> tuple[str, ...]:
    """The models that are being added, according to /readyz."""
    return tuple(name for name, report in (_models(body) or {}).items() if report.get("state") == "loading")


def _is_curable(body: bytes) -> bool:
    models = _models(body)
    return models is None or any(report.get("state") == "not_ready" for report in models.values())


def _reason(body: bytes) -> str:
    """The models that have not answered, according to /readyz."""
    models = _models(body)
    if models is None:
        return body.decode(errors="replace")[:200] or "an empty answer"
    return (
        ", ".join(_words(name, report) for name, report in models.items() if not report.get("ready"))
        or "no model is served"
    )


def _models(body: bytes) -> dict[str, dict[str, Any]] | None:
    """None if the body is not the gateway's."""
    try:
        return {str(name): dict(report) for name, report in json.loads(body)["models"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _words(name: str, report: dict[str, Any]) -> str:
    age = report.get("last_success_s_ago")
    return (
        f"{name} has not answered for {age:.0f} s" if isinstance(age, float | int) else f"{name} has not answered yet"
    )


class Prober:
    """The latest answer, renewed every `interval` seconds."""

    def __init__(self, question: Callable[[], ProbeResult], interval: float = 1.0) -> None:
        """Sends no request; `start` does."""
        self._question = question
        self._interval = interval
        self._latest = ProbeResult(State.UNREACHABLE, "not asked yet")
        self._stop = threading.Event()

    @property
    def latest(self) -> ProbeResult:
        """The latest answer."""
        return self._latest

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, daemon=True, name="readiness").start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            self._latest = self._question()
            self._stop.wait(max(0.0, self._interval - (time.monotonic() - started)))
