"""Twin of gateway/cli/installation.py."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.installation import link_assets, of_checkout, of_image
from gateway.cli.layout import Layout


def test_checkout_runs_what_set_up_has_made(tmp_path: Path):
    """Everything below its .cache; GPUs are for builds that can use them."""
    layout = Layout(tmp_path)
    made = of_checkout(layout, tmp_path / "state")
    for path in (made.tritonserver, made.backends, made.gateway_python, made.logs):
        assert path.is_relative_to(layout.cache)
    assert made.state_dir == tmp_path / "state"
    assert (made.folder, made.cuda, made.gpu_metrics) == (tmp_path, False, False)
    assert of_checkout(replace(layout, cuda=True), tmp_path).cuda


def test_image_writes_into_the_state_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its other folders may be read-only. Commands in the container find what runs there."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    layout = Layout(Path("/opt/site-packages"))
    image = of_image(
        layout, Path("/opt/t/bin/tritonserver"), Path("/opt/t/backends"), tmp_path / "triton-gateway", cuda=True
    )
    assert image.gateway_python == Path(sys.executable)
    for path in (image.folder, image.logs, image.running):
        assert path.is_relative_to(tmp_path)
    assert image.running == layout.running
    assert (image.cuda, image.gpu_metrics, dict(image.variables)) == (True, True, {})


def test_assets_are_linked_once(tmp_path: Path):
    """Also when they are there from the last start."""
    models = tmp_path / "models"
    (models / "assets" / "1").mkdir(parents=True)
    for _ in range(2):
        repository = link_assets(tmp_path / "a" / "b", models)
    assert [path.name for path in repository.iterdir()] == ["assets"]
    assert (repository / "assets" / "1").is_dir()
