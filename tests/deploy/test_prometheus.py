"""Prometheus with the files that are shipped: it reads them, gets past the gateway's keys, and answers every dashboard."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml

from tests.deploy.metrics_page import serving_metrics_of_triton
from tests.deploy.test_grafana import DASHBOARDS, expressions
from tests.deploy.tools import DEPLOY, of_host, read_yaml, run
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat, eventually, streaming
from tests.fakes.triton import EMBEDDING_MODEL, Abort, FakeTriton

PROMETHEUS = DEPLOY / "prometheus"
KEY = "sk-of-prometheus"
SCRAPED = ("gateway", "triton")


def test_key_goes_to_the_gateway_alone() -> None:
    """Triton and the others get no header."""
    jobs = read_yaml(PROMETHEUS / "prometheus.yaml")["scrape_configs"]
    assert [job["job_name"] for job in jobs if "authorization" in job] == ["gateway"]


@pytest.mark.host
@pytest.mark.parametrize("targets", ["single", "scale"])
def test_configuration_is_valid(targets: str, tmp_path: Path) -> None:
    """By promtool, which reads the targets too."""
    shutil.copytree(PROMETHEUS / "targets" / targets, tmp_path / "targets")
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "rules")
    said = run(of_host("promtool"), "check", "config", str(_copied(tmp_path, "")))
    assert "SUCCESS" in said.stdout
    warned = [line for line in (said.stdout + said.stderr).splitlines() if "WARNING" in line and "envoy" not in line]
    assert not warned


@pytest.mark.host
def test_without_keys_the_empty_file_is_none(tmp_path: Path) -> None:
    """Compose mounts an empty file where the user names none; the gateway is scraped all the same."""
    with ExitStack() as stack:
        triton = stack.enter_context(FakeTriton())
        gateway = stack.enter_context(running_gateway(triton_urls=(triton.address,)))
        prometheus = stack.enter_context(running_prometheus(tmp_path, "", gateway=gateway.url))
        eventually(lambda: prometheus.values('up{job="gateway"}') == [1], 15)


@pytest.mark.host
@pytest.mark.timeout(60)
def test_every_query_of_every_dashboard_has_an_answer(tmp_path: Path) -> None:
    """After a little traffic, with a key that only Prometheus and the client know."""
    with ExitStack() as stack:
        broken, whole = (stack.enter_context(FakeTriton()) for _ in range(2))
        settings: dict[str, Any] = {"triton_urls": (broken.address, whole.address), "api_keys": (KEY,)}
        gateway = stack.enter_context(running_gateway(**settings))
        gateway.wait_ready()
        broken.script = _break
        page = stack.enter_context(serving_metrics_of_triton())
        prometheus = stack.enter_context(running_prometheus(tmp_path, f"{KEY}\n", gateway=gateway.url, triton=page))
        _use(gateway)
        asked = [expression for path in DASHBOARDS for expression in expressions(path)]
        assert asked
        for expression in asked:
            eventually(lambda asked=expression: prometheus.values(asked) != [], 15)


class Prometheus:
    """A Prometheus that listens."""

    def __init__(self, url: str) -> None:
        self._url = url

    def values(self, expression: str) -> list[float]:
        """What a query answers now, in a window that holds a test."""
        query = expression.replace("$__rate_interval", "1m")
        answer = httpx.get(f"{self._url}/api/v1/query", params={"query": query})
        assert answer.status_code == 200, answer.text
        return [float(series["value"][1]) for series in answer.json()["data"]["result"]]


@contextmanager
def running_prometheus(folder: Path, key: str, **targets: str) -> Generator[Prometheus, None, None]:
    """With the shipped file, which asks these targets, and more often."""
    (folder / "targets").mkdir()
    for name, url in targets.items():
        written = yaml.safe_dump([{"targets": [url.removeprefix("http://")]}])
        (folder / "targets" / f"{name}.yaml").write_text(written)
    command = [of_host("prometheus"), f"--config.file={_copied(folder, key, SCRAPED)}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"]
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield Prometheus(_address(process, log))
    finally:
        process.terminate()
        process.wait(10)


def _copied(folder: Path, key: str, jobs: tuple[str, ...] | None = None) -> Path:
    """The shipped file beside its folders, with a file for the key, and only these jobs."""
    configuration = read_yaml(PROMETHEUS / "prometheus.yaml")
    (folder / "key").write_text(key)
    for job in configuration["scrape_configs"]:
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(folder / "key")
    if jobs is not None:
        configuration["global"] = {"scrape_interval": "200ms"}
        configuration["scrape_configs"] = [job for job in configuration["scrape_configs"] if job["job_name"] in jobs]
    copied = folder / "prometheus.yaml"
    copied.write_text(yaml.safe_dump(configuration))
    return copied


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 15
    while True:
        said = log.read_text()
        listening = re.search(r'msg="Listening on" address=(\S+)', said)
        if listening and "Server is ready" in said:
            return f"http://{listening[1]}"
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.05)


def _break(call: object) -> Generator[Any, None, None]:
    raise Abort(grpc.StatusCode.UNAVAILABLE)
    yield


def _use(gateway: RunningGateway) -> None:
    """Chats, until one was tried on the other Triton too, and an embedding."""
    with gateway.client(headers={"authorization": f"Bearer {KEY}"}) as client:
        for _ in range(8):
            with streaming(client, chat()) as response:
                response.read()
        client.post("/v1/embeddings", json={"model": EMBEDDING_MODEL, "input": "a"})
        assert "triton_gateway_retries_total" in client.get("/metrics").text
