"""Twin of gateway/cli/serve.py."""

from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout, find_layout
from gateway.cli.serve import ServeOptions, choose_python, environment, run_module


def test_the_command_line_wins_over_the_environment(tmp_path: Path):
    """What is not said stays as it was."""
    inherited = {"TRITON_GATEWAY_PORT": "1", "TRITON_GATEWAY_HOST": "h", "HOME": "/"}
    made = environment(Layout(tmp_path), ServeOptions(port=9000, triton="a:1,b:2", config=Path("x.toml")), inherited)
    assert made == {
        "TRITON_GATEWAY_PORT": "9000",
        "TRITON_GATEWAY_HOST": "h",
        "TRITON_GATEWAY_TRITON_URLS": "a:1,b:2",
        "TRITON_GATEWAY_CONFIG_FILE": "x.toml",
        "HOME": "/",
        "PYTHONPATH": str(tmp_path),
        "PYTHONSAFEPATH": "1",
    }


def test_the_gateways_environment_is_used_where_this_python_lacks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And where there is none either, the user is told how to make it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    layout = Layout(tmp_path)
    with pytest.raises(Problem, match="not made yet"):
        choose_python(layout)
    layout.python("gateway").parent.mkdir(parents=True)
    layout.python("gateway").touch()
    assert choose_python(layout) == str(layout.python("gateway"))


def test_a_module_of_the_gateway_runs_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And its text comes back, whatever the locale is, and whatever lies in that folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.py").write_text("raise SystemExit(99)")
    done = run_module(
        find_layout(), "gateway.repository.change", "load", "/é", settings={"TRITON_GATEWAY_STATE_DIR": "/dev/null"}
    )
    assert done.returncode == 2
    assert "/dev/null" in done.stderr
