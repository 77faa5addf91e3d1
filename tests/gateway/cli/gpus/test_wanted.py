"""Twin of gateway/cli/gpus/wanted.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.gpus import wanted
from gateway.cli.gpus.wanted import Wanted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The version folder of a model without files."""
    folder = tmp_path / "repository" / "m" / "1"
    folder.mkdir(parents=True)
    return folder


def read(folder: Path, document: dict[str, Any]) -> Wanted:
    (folder / "model.json").write_text(json.dumps(document))
    (found,) = wanted.read([folder.parents[1]])
    return found


def fill(weights: Path, **sizes: int) -> None:
    """Files with these sizes in MB, without a byte on the disk."""
    weights.mkdir(parents=True, exist_ok=True)
    for name, size in sizes.items():
        with (weights / name.replace("__", ".").replace("_", "-")).open("wb") as file:
            file.truncate(size * 1_000_000)


def test_weights_are_those_that_the_file_names(folder: Path, tmp_path: Path):
    """Beside it, or anywhere; of a name on a hub nothing is known."""
    fill(folder / "weights", model_1__safetensors=300, model_2__safetensors=200)
    fill(tmp_path / "elsewhere", model__bin=700)
    (folder / "weights" / "config.json").write_text('{"dtype": "bfloat16"}')
    beside = read(folder, {"model": "${MODEL}/weights"})
    assert (beside.name, beside.weights_gb, beside.config) == ("m", pytest.approx(0.5), {"dtype": "bfloat16"})
    assert read(folder, {"model": str(tmp_path / "elsewhere")}).weights_gb == pytest.approx(0.7)
    assert read(folder, {"model": str(tmp_path / "elsewhere" / "model.bin")}).weights_gb == pytest.approx(0.7)
    assert read(folder, {"model": "org/name"}).weights_gb == 0.0
    assert read(folder, {}).weights_gb == 0.0


def test_weights_in_two_formats_count_once(folder: Path):
    """vLLM loads one of them."""
    fill(folder / "weights", model__safetensors=300, pytorch_model__bin=300, consolidated__safetensors=300)
    assert read(folder, {"model": "${MODEL}/weights"}).weights_gb == pytest.approx(0.3)
    fill(folder / "only", consolidated__safetensors=400)
    assert read(folder, {"model": "${MODEL}/only"}).weights_gb == pytest.approx(0.4)


def test_link_to_nothing_has_no_size(folder: Path):
    """As in the cache of a hub whose download was broken off."""
    fill(folder / "weights")
    (folder / "weights" / "model.safetensors").symlink_to(folder / "gone")
    assert read(folder, {"model": "${MODEL}/weights"}).weights_gb == 0.0


@pytest.mark.parametrize("text", ["{", "[]", '{"engine": "replay"}', '{"engine": 1}'])
def test_what_is_no_model_of_vllms_is_left_out(folder: Path, text: str):
    """What is wrong with it is the backend's to say."""
    (folder / "model.json").write_text(text)
    assert wanted.read([folder.parents[1]]) == []


def test_file_that_cannot_be_read_is_left_out(folder: Path):
    """A folder, here."""
    (folder / "model.json").mkdir()
    assert wanted.read([folder.parents[1]]) == []


def test_newest_version_counts(folder: Path):
    """It is the one that Triton loads: 10 comes after 9, and a folder with another name is none."""
    for version in ("9", "10", "old"):
        (folder.with_name(version)).mkdir()
        (folder.with_name(version) / "model.json").write_text(json.dumps({"model": version}))
    assert read(folder, {"model": "1"}).arguments == {"model": "10"}


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("instance_group [ { kind: KIND_GPU count: 1 gpus: [ 1 ] } ]", 1),
        ("instance_group [{gpus:2 kind:KIND_GPU}]", 2),
        ("instance_group [ { kind: KIND_GPU } ]", None),
        ("# kind: KIND_GPU gpus: [ 1 ]\ninstance_group [ { kind: KIND_MODEL } ]", None),
        ("instance_group [ { kind: KIND_MODEL gpus: [ 1 ] } ]", None),
        ("\udcff", None),
    ],
)
def test_gpu_of_the_configuration_is_read(folder: Path, text: str, device: int | None):
    """As Triton reads it."""
    (folder.parent / "config.pbtxt").write_text(text, errors="surrogateescape")
    assert read(folder, {"model": "org/name"}).device == device
