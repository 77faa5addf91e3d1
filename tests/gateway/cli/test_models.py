"""The list of models on the command line; tests/packaging asks a Triton for one."""

from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout, find_layout
from gateway.cli.models import ListedModel, ask, lines
from gateway.cli.supervise.endpoint import Running, published
from tests.fakes.triton import FakeTriton


def test_columns_stand_below_each_other():
    """And a reason stands at the end of its line."""
    listed = [
        ListedModel("a:1", "llm", "1", "generating", "READY", ""),
        ListedModel("a:1", "classifier", "12", None, "UNAVAILABLE", "failed\n to load\n"),
    ]
    assert lines(listed) == [
        "llm         1   generating  READY",
        "classifier  12  not served  UNAVAILABLE  failed to load",
    ]


def test_nothing_makes_no_lines():
    """An empty repository is no error."""
    assert lines([]) == []


def test_reason_of_many_lines_is_one():
    """Triton may give a traceback for a reason; a model has one line."""
    listed = [ListedModel("a:1", "llm", "1", None, "UNAVAILABLE", "Internal: failed\n\nAt:\n  model.py(3): load\n")]
    assert lines(listed) == ["llm  1  not served  UNAVAILABLE  Internal: failed At: model.py(3): load"]


def test_the_settings_file_names_the_tritons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where neither an option, nor the environment, nor a Triton of this checkout does."""
    file = tmp_path / "gateway.toml"
    file.write_text('triton_urls = ["127.0.0.1:1"]\n')
    monkeypatch.setenv("TRITON_GATEWAY_CONFIG_FILE", str(file))
    with pytest.raises(Problem, match=r"no Triton answers by gRPC at 127\.0\.0\.1:1"):
        ask(NothingRuns(find_layout().root), None)


def test_a_wrong_setting_is_named_and_not_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As the gateway names it."""
    monkeypatch.setenv("TRITON_GATEWAY_PORT", "many")
    with pytest.raises(Problem, match=r"^TRITON_GATEWAY_PORT ") as caught:
        ask(NothingRuns(find_layout().root), "127.0.0.1:1")
    assert caught.value.fix == "correct it."


def test_what_runs_here_is_asked_with_its_repositories(tmp_path: Path):
    """They say why a model is not loaded of which Triton knows nothing but the name."""
    (tmp_path / "repository" / "a model").mkdir(parents=True)
    layout = NothingRuns(find_layout().root)
    object.__setattr__(layout, "folder", tmp_path)
    with FakeTriton() as triton:
        triton.ready, triton.unready = [], [("a model", "", "")]
        settings = {"TRITON_GATEWAY_TRITON_URLS": triton.address, "TRITON_GATEWAY_STATE_DIR": str(tmp_path)}
        with published(layout.running, Running(settings, (str(tmp_path / "repository"),))):
            [model] = ask(layout, None)
    assert (model.name, model.kind, model.state) == ("a model", None, "UNLOADED")
    assert "rename the folder" in model.reason


class NothingRuns(Layout):
    """A checkout whose `up` does not run."""

    folder = Path("/nowhere")

    @property
    def running(self) -> Path:
        return self.folder / "running.json"
