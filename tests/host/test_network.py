"""The gateway in a network of its own, and beside another program's settings."""

from __future__ import annotations

import sys

import pytest

from tests.host.hosts import run, with_network

ASKED = """
import http.client, os, subprocess, sys, time
from gateway.cli.supervise.programs import Addresses

def answers(host):
    try:
        connection = http.client.HTTPConnection(host, 8000, timeout=5)
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except OSError:
        return False

with subprocess.Popen([sys.executable, "-m", "gateway"]) as gateway:
    host = Addresses(host=os.environ["TRITON_GATEWAY_HOST"]).reachable_host
    deadline = time.monotonic() + 30
    while not answers(host) and time.monotonic() < deadline and gateway.poll() is None:
        time.sleep(0.1)
    print("answers:", *[each for each in ("127.0.0.1", "::1") if answers(each)])
    gateway.terminate()
    print("status:", gateway.wait(20))
"""
NO_IPV6 = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"
BOTH, IPV4, IPV6 = "127.0.0.1 ::1", "127.0.0.1", "::1"


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("host", "commands", "answers"),
    [
        ("::", (), BOTH),
        ("::", (NO_IPV6,), IPV4),
        ("::", ("echo 1 > /proc/sys/net/ipv6/bindv6only",), BOTH),
        ("0.0.0.0", (), IPV4),
        ("::1", (), IPV6),
    ],
)
def test_host_in_a_network_of_its_own(workers: str, host: str, commands: tuple[str, ...], answers: str) -> None:
    """Where `up` asks, the gateway listens, with any number of workers and whatever the system's defaults are."""
    variables = {"HOST": host, "WORKERS": workers, "TRITON_URLS": "127.0.0.1:1"}
    environment = {f"TRITON_GATEWAY_{name}": value for name, value in variables.items()}
    said = run([*with_network(*commands), sys.executable, "-c", ASKED], variables=environment)
    assert f"answers: {answers}\n" in said.out, said
    assert "status: 0\n" in said.out


def test_address_family_that_is_not_there() -> None:
    """A sentence with the setting to change."""
    variables = {"TRITON_GATEWAY_HOST": "::1", "TRITON_GATEWAY_TRITON_URLS": "127.0.0.1:1"}
    said = run([*with_network(NO_IPV6), sys.executable, "-m", "gateway"], variables=variables)
    assert said.status == 2
    assert said.err.startswith("cannot listen on ::1, port 8000: ")
    assert "Traceback" not in said.err
