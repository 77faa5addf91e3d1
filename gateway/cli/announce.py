"""What `up` prints when everything is ready: where, which models, and a request to try."""

import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.cli import models
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.supervise import readiness
from gateway.cli.supervise.endpoint import Endpoint
from gateway.cli.supervise.programs import Addresses

_LISTING_S = 10.0
_ABILITIES_S = 20.0
_QUESTION: Final = [{"role": "user", "content": "What is the capital of France?"}]
_EXAMPLES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "chat": ("/v1/chat/completions", {"stream": True, "messages": _QUESTION}),
    "complete": ("/v1/completions", {"stream": True, "max_tokens": 20, "prompt": "The capital of France is"}),
    "embed": ("/v1/embeddings", {"input": "a fox"}),
    "moderate": ("/v1/moderations", {"input": "have a lovely day"}),
    "classify": ("/classify", {"input": "have a lovely day"}),
    "score": ("/v1/score", {"queries": "a fox", "documents": ["an animal", "a river"]}),
}
"""A request for each ability of a model, the one that shows most first."""


def announce(layout: Layout, addresses: Addresses, at: Endpoint, logs: Path, seconds: float) -> None:
    """Print what is served, and how to use it. `seconds`: how long the start took."""
    url, listed = addresses.url, _models(addresses)
    say("")
    say(f"Ready after {seconds:.0f} s: {url}/v1")
    say(f"Models: {', '.join(listed) if listed else 'ask /v1/models with one of your keys'}")
    if example := try_it(url, _abilities(layout, at), with_key=listed is None):
        say("Try:")
        say(f"  {example}")
    say(f"Metrics: {url}/metrics, Triton's http://127.0.0.1:{addresses.triton_metrics_port}/metrics. Logs: {logs}")
    say("Ctrl-C stops everything.")


def try_it(url: str, abilities: Mapping[str, Collection[str]], *, with_key: bool) -> str | None:
    """A curl command that shows what one of these models can, streaming where it generates; None where none of them can
    anything that is known here."""
    for ability, (path, body) in _EXAMPLES.items():
        for model, able in abilities.items():
            if ability in able:
                key = '-H "Authorization: Bearer $KEY" ' if with_key else ""
                written = json.dumps({"model": model, **body})
                return f"curl -N {url}{path} {key}-H 'Content-Type: application/json' -d '{written}'"
    return None


def _models(addresses: Addresses) -> Sequence[str] | None:
    """The model names. Each worker discovers the models separately, so a worker may know none in the first seconds."""
    deadline = time.monotonic() + _LISTING_S
    while True:
        listed = readiness.served_models(addresses.reachable_host, addresses.port)
        if listed != [] or time.monotonic() > deadline:
            return listed
        time.sleep(0.2)


def _abilities(layout: Layout, at: Endpoint) -> dict[str, Sequence[str]]:
    """What each model can be asked for; without an answer of Triton's there is just no example."""
    try:
        found = models.ask_at(layout, [at.target], {**os.environ, **at.settings}, within_s=_ABILITIES_S)
    except Problem:
        return {}
    return {model.name: model.abilities for model in found}
