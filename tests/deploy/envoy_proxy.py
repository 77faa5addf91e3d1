"""The real Envoy with the file that is shipped, before gateways of a test."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.deploy.tools import DEPLOY, installed, read_yaml

FILE = DEPLOY / "envoy" / "envoy.yaml"
_START_S = 15.0


@dataclass(frozen=True)
class Proxy:
    """An Envoy that listens: where clients connect, the listener for operations, and the socket of its administration."""

    clients: str
    operations: str
    administration: Path

    def client(self) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=self.clients, timeout=15)

    def counter(self, name: str) -> int:
        """A counter of the cluster of gateways."""
        answer = _ask(self.administration, "/stats", filter=f"^cluster.gateways.{name}$")
        return int(answer.rpartition(":")[2])

    def ready_gateways(self) -> set[str]:
        """The addresses that passed their last health check."""
        answer = json.loads(_ask(self.administration, "/clusters", format="json"))
        [found] = [each for each in answer["cluster_statuses"] if each["name"] == "gateways"]
        return {
            f"127.0.0.1:{host['address']['socket_address']['port_value']}"
            for host in found.get("host_statuses", ())
            if host["health_status"].get("eds_health_status") == "HEALTHY"
            and not host["health_status"].get("failed_active_health_check")
        }


def cluster(configuration: Any, name: str) -> Any:
    """A cluster of a configuration."""
    [found] = [each for each in configuration["static_resources"]["clusters"] if each["name"] == name]
    return found


def manager(configuration: Any, listener: str) -> Any:
    """The connection manager of a listener of a configuration."""
    [found] = [each for each in configuration["static_resources"]["listeners"] if each["name"] == listener]
    return found["filter_chains"][0]["filters"][0]["typed_config"]


@contextmanager
def running_envoy(folder: Path, gateways: Sequence[str], check_interval: str = "3600s") -> Generator[Proxy, None, None]:
    """Envoy with the shipped file, in which only addresses, and how often it asks for health, are changed.

    `gateways` are `host:port`. By default it asks once, so that a test decides what Envoy knows.
    """
    administration = folder / "administration.sock"
    configuration = folder / "envoy.json"
    configuration.write_text(json.dumps(_before(gateways, administration, check_interval)))
    command = [installed("envoy"), "--config-path", str(configuration), "--disable-hot-restart", "--concurrency", "1"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen([*command, "--log-level", "warning"], stdout=log, stderr=log)
    try:
        yield _listening(process, administration, folder / "envoy.log")
    finally:
        process.kill()
        process.wait()


def _before(gateways: Sequence[str], administration: Path, check_interval: str) -> Any:
    configuration = read_yaml(FILE)
    for listener in configuration["static_resources"]["listeners"]:
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": 0}
    changed = cluster(configuration, "gateways")
    changed["load_assignment"]["endpoints"] = [{"lb_endpoints": [_endpoint(address) for address in gateways]}]
    for check in changed["health_checks"]:
        check["interval"] = check["no_traffic_interval"] = check_interval
    configuration["admin"]["address"]["pipe"]["path"] = str(administration)
    [endpoint] = cluster(configuration, "administration")["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["address"]["pipe"]["path"] = str(administration)
    return configuration


def _endpoint(address: str) -> Any:
    host, _, port = address.rpartition(":")
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}


def _listening(process: subprocess.Popen[bytes], administration: Path, log: Path) -> Proxy:
    deadline = time.monotonic() + _START_S
    while not _is_live(administration):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    listeners = json.loads(_ask(administration, "/listeners", format="json"))["listener_statuses"]
    ports = {each["name"]: each["local_address"]["socket_address"]["port_value"] for each in listeners}
    return Proxy(f"http://127.0.0.1:{ports['clients']}", f"http://127.0.0.1:{ports['operations']}", administration)


def _is_live(administration: Path) -> bool:
    try:
        return _ask(administration, "/ready") == "LIVE\n"
    except (OSError, HTTPException):
        return False


def _ask(administration: Path, path: str, **parameters: str) -> str:
    with closing(_Connection("envoy", timeout=5)) as connection:
        connection.path = administration
        connection.request("GET", f"{path}?{urlencode(parameters)}")
        return connection.getresponse().read().decode()


class _Connection(HTTPConnection):
    """HTTP on a Unix socket."""

    path: Path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))
