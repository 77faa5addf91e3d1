"""Twin of gateway/cli/supervise/advice.py: over what Triton, vLLM and the gateway write."""

import pytest

from gateway.cli.supervise.advice import Failure, advice

ENGINE_FAILED = "(EngineCore pid=7) ERROR 11-26 core.py:9] EngineCore failed to start."
TORCHS_PORT = "RuntimeError: The server socket has failed to bind to [::]:29500 (errno: 98 - Address already in use)."
UNHEALTHY = "E1126 model_lifecycle.cc:642] failed to load 'm' version 1: Internal: Stub process 'm_0_0' is not healthy."
MEMORY_ERROR = "    metadata = json.loads(f.read(length_of_metadata))\nMemoryError"
TRITONS_PORT = "E1126 main.cc:380] failed to start GRPC service: Unavailable - Socket '127.0.0.1:8001' already in use"
GATEWAYS_PORT = (
    "cannot listen on 127.0.0.1, port 8000: Address already in use; choose another address or port (HOST, PORT)"
)
GATEWAY = ("python", "-m", "gateway")


def told(
    *lines: str, reason: str = "ended by itself (exit status 1)", kills: int = 0, command: tuple[str, ...] = ()
) -> str:
    return advice(Failure(reason, lines, command, kills)) or ""


@pytest.mark.parametrize("line", [TRITONS_PORT, GATEWAYS_PORT])
def test_a_port_that_is_taken(line: str):
    """Of Triton or of the gateway."""
    assert "took the port" in told(line)


@pytest.mark.parametrize("lines", [(ENGINE_FAILED,), (TORCHS_PORT,), (UNHEALTHY,), (MEMORY_ERROR,), ("something",), ()])
def test_no_advice_without_a_certain_cause(lines: tuple[str, ...]):
    """An engine that failed to start is no taken port, and Python's MemoryError no lack of memory."""
    assert told(*lines) == ""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (UNHEALTHY, "ended by itself (exit status 1)"),
        ("", "ended by itself (killed by SIGKILL)"),
        ("", "has lost the process of m (pid 7)"),
        ("RuntimeError: Failed core proc(s): {'EngineCore': -9}", "ended by itself (exit status 1)"),
        (ENGINE_FAILED + "\nRuntimeError: EngineCore process died unexpectedly", "ended by itself (exit status 1)"),
    ],
)
def test_a_kill_for_memory(line: str, reason: str):
    """The kernel counts them; without its word a kill may have come from anybody."""
    assert "for lack of memory" in told(line, reason=reason, kills=1)
    assert told(line, reason=reason, kills=0) == ""


def test_a_kill_of_another_program_explains_no_other_failure():
    """The machine may have killed something meanwhile that has nothing to do with it."""
    assert "took the port" in told(TRITONS_PORT, kills=1)


def test_a_wrong_setting():
    """The gateway ends with the status 2 and has named it."""
    line = "TRITON_GATEWAY_PROT is no setting of the gateway; did you mean TRITON_GATEWAY_PORT?"
    assert "correct the setting" in told(line, reason="ended by itself (exit status 2)", command=GATEWAY)
    assert told(line, reason="ended by itself (exit status 1)", command=GATEWAY) == ""
    reconciler = ("/envs/gateway/bin/python", "-m", "gateway.repository", "/models")
    assert "correct the setting" in told(line, reason="ended by itself (exit status 2)", command=reconciler)
    assert told(line, reason="ended by itself (exit status 2)", command=("tritonserver",)) == ""
