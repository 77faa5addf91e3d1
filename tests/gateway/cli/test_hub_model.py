"""Twin of gateway/cli/hub_model.py, with a program in the place of vLLM's Python that says how it was started."""

import threading
from pathlib import Path

import pytest

from gateway.cli import hub_model
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout

MODEL = "owner/Tiny"


def layout(root: Path, status: int = 0, *, cuda: bool = False) -> Layout:
    """Where vLLM's Python prints its arguments and some of its environment."""
    python = Layout(root).python("vllm_custom")
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@"\necho "$PYTHONPATH $MODEL_LEAVE_GB"\nexit {status}\n')
    python.chmod(0o755)
    return Layout(root, cuda=cuda)


@pytest.mark.parametrize(
    ("cuda", "demonstration", "device", "leave"),
    [(False, True, "cpu", "5.1"), (True, False, "gpu", "1.5")],
)
def test_program_is_run_in_the_environment_of_vllm(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    cuda: bool,
    demonstration: bool,
    device: str,
    leave: str,
):
    """With the checkout on its path, for the device that the backends use, and memory left for other models."""
    monkeypatch.delenv("MODEL_LEAVE_GB", raising=False)
    where = layout(tmp_path, cuda=cuda)
    hub_model.prepare(where, MODEL, threading.Event(), demonstration=demonstration)
    said = capsys.readouterr().out.splitlines()
    folder = tmp_path / ".cache" / "hub_models" / "owner--Tiny"
    assert said == [
        f"-P -m gateway.cli.hub {MODEL} --repository {folder} --device {device}",
        f"{tmp_path} {leave}",
    ]
    assert hub_model.repository(where, MODEL) == folder


def test_memory_to_leave_may_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """By the program's own variable."""
    monkeypatch.setenv("MODEL_LEAVE_GB", "7")
    hub_model.prepare(layout(tmp_path), MODEL, threading.Event(), demonstration=True)
    assert capsys.readouterr().out.splitlines()[1] == f"{tmp_path} 7"


def test_refusal_ends_the_start(tmp_path: Path):
    """What the program said stands above."""
    with pytest.raises(Problem, match="owner/Tiny can't be served; the lines above say why"):
        hub_model.prepare(layout(tmp_path, status=1), MODEL, threading.Event(), demonstration=True)


def test_image_passes_its_variables_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """MODEL and its like are the program's own variables; a refusal ends the container's start."""
    python = layout(tmp_path).python("vllm_custom")
    models = tmp_path / "models"
    hub_model.prepare_in_image(python, tmp_path, models, threading.Event(), cuda=True)
    assert capsys.readouterr().out.splitlines()[0] == f"-P -m gateway.cli.hub --repository {models} --device gpu"
    refusing = layout(tmp_path / "other", status=1).python("vllm_custom")
    with pytest.raises(Problem, match="MODEL can't be served"):
        hub_model.prepare_in_image(refusing, tmp_path, models, threading.Event(), cuda=False)
