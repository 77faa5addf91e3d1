"""Twin of gateway/cli/ports.py."""

import os
import socket

from gateway.cli import ports


def test_a_free_port_is_no_problem():
    """A port that was free a moment ago still is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert ports.check("127.0.0.1", port, "PORT") is None


def test_a_port_in_use_names_its_holder_and_the_way_out():
    """At night, the process id is what one needs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        problem = ports.check("127.0.0.1", server.getsockname()[1], "TRITON_GRPC_PORT")
    assert problem is not None
    assert f"process {os.getpid()}" in problem.what
    assert "TRITON_GRPC_PORT=" in problem.fix


def test_all_addresses_are_those_of_both_families():
    """`::` is refused where IPv4 has the port, and is no problem where nobody has it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.check("::", port, "PORT") is not None
    assert ports.check("::", port, "PORT") is None


def test_an_address_that_is_not_ours_is_told():
    """A typing error in HOST fails before the long work."""
    problem = ports.check("192.0.2.1", 8000, "HOST")
    assert problem is not None
    assert "192.0.2.1:8000" in problem.what


def test_two_settings_with_one_port_are_named():
    """Before anything is started that would find it in use."""
    problem = ports.shared({"PORT": 8001, "TRITON_GRPC_PORT": 8001, "TRITON_METRICS_PORT": 8002})
    assert problem is not None
    assert problem.what == "PORT and TRITON_GRPC_PORT are both 8001."
    assert ports.shared({"PORT": 8000, "TRITON_GRPC_PORT": 8001, "TRITON_METRICS_PORT": 8002}) is None
