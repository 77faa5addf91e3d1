"""`python -m gateway.cli.hub` against a hub at the wire: what it asks, downloads, writes and refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.errors import Problem
from gateway.cli.hub import download as downloading
from gateway.cli.hub import remote
from gateway.cli.hub.selection import select
from tests.fakes.hub import Hub, serving

ROOT = Path(__file__).resolve().parents[2]
NAME = "owner/Tiny"
WEIGHTS = "model.safetensors"
SIZE = 3_000_000
TOKEN = "hf_right"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "max_position_embeddings": 1024,
    "vocab_size": 300,
    "torch_dtype": "bfloat16",
}
H100 = "0, NVIDIA H100 80GB HBM3, GPU-5f2c, 81559, {free}, 9.0, 580.95.05, Disabled"


@dataclass
class Ran:
    """A run that has ended."""

    status: int
    said: str
    complained: str


@dataclass
class Place:
    """A machine: a cache, a repository, and the hub that it reaches."""

    root: Path
    hub: Hub
    address: str
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def model(self) -> dict[str, Any]:
        return json.loads((self.repository / "Tiny" / "1" / "model.json").read_text())

    @property
    def blobs(self) -> Path:
        return self.root / "cache" / "hub" / f"models--{NAME.replace('/', '--')}" / "blobs"

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """The program as `up` and the images start it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MODEL"))}
        environment = {
            **inherited,
            "HF_ENDPOINT": self.address,
            "HF_HOME": str(self.root / "cache"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "NO_PROXY": "127.0.0.1",
            "MODEL": NAME,
            **self.environment,
            **variables,
        }
        command = [sys.executable, "-P", "-m", "gateway.cli.hub", *arguments, "--repository", str(self.repository)]
        return subprocess.Popen(
            command, env=environment, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str, **variables: str) -> Ran:
        with self.start(*arguments, **variables) as process:
            said, complained = process.communicate(timeout=60)
        return Ran(process.returncode, said, complained)

    def refused(self, *arguments: str, **variables: str) -> str:
        """What it says when it refuses; then nothing is written, and no weights are asked for."""
        ran = self.run(*arguments, **variables)
        assert ran.status == 1, ran.said
        assert "Fix: " in ran.complained
        assert "Traceback" not in ran.complained
        assert not list(self.repository.glob("*/1/model.json"))
        assert not self.hub.asked("GET", ".safetensors")
        return ran.complained


def folder_of(root: Path, name: str = "Tiny", config: Mapping[str, Any] = CONFIG, **more: bytes) -> Path:
    folder = root / "hub" / name
    folder.mkdir(parents=True)
    files = {
        "config.json": json.dumps(config).encode(),
        "tokenizer_config.json": json.dumps({"chat_template": "{{ messages }}"}).encode(),
        "tokenizer.json": b"{}" + b" " * 1000,
        "README.md": b"# Tiny",
        WEIGHTS: os.urandom(SIZE),
        "pytorch_model.bin": b"pickled",
        **{name.replace("__", "."): content for name, content in more.items()},
    }
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Generator[Place]:
    hub = Hub(tokens=frozenset({TOKEN}))
    hub.add(NAME, folder_of(tmp_path))
    with serving(hub) as address:
        yield Place(tmp_path, hub, address, {"MODEL_DEVICE": "cpu", "MODEL_DTYPE": "bfloat16"})


def gpu(place: Place, free_mib: int) -> None:
    """Put a scripted nvidia-smi on PATH."""
    tools = place.root / "tools"
    tools.mkdir()
    (tools / "nvidia-smi").write_text(f"#!/bin/sh\necho '{H100.format(free=free_mib)}'\n")
    (tools / "nvidia-smi").chmod(0o755)
    place.environment |= {"PATH": f"{tools}:{os.environ['PATH']}", "MODEL_DEVICE": "gpu"}
    place.environment.pop("MODEL_DTYPE")


def test_model_is_downloaded_and_written(place: Place) -> None:
    """Pinned to the commit that the hub has, with progress; what is not needed is not asked for."""
    ran = place.run()
    assert (ran.status, ran.complained) == (0, "")
    assert f"downloading {NAME}: 3 of 3 MB (100 %)" in ran.said
    assert place.model["model"] == NAME
    assert place.model["revision"] == place.hub.models[NAME].commit
    assert place.model["max_model_len"] == 1024
    assert "trust_remote_code" not in place.model
    assert 'backend: "vllm_custom"' in (place.repository / "Tiny" / "config.pbtxt").read_text()
    assert place.hub.bytes_sent[WEIGHTS] == SIZE
    assert not place.hub.asked("GET", "pytorch_model.bin")
    assert not place.hub.asked("GET", "README.md")
    assert all(path.startswith(("/api/models/", f"/{NAME}/", f"/store/{NAME}/")) for _, path, _ in place.hub.requests)


def test_full_cache_asks_nothing(place: Place) -> None:
    """The commit that was served stays, also when the hub has another; a revision that is named is looked up."""
    place.run()
    old = place.hub.models[NAME].commit
    place.hub.requests.clear()
    (place.hub.models[NAME].folder / "config.json").write_text(json.dumps({**CONFIG, "max_position_embeddings": 512}))
    new = place.hub.add(NAME, place.hub.models[NAME].folder).commit
    ran = place.run()
    assert (ran.status, place.hub.requests, place.model["revision"]) == (0, [], old)
    assert "downloading" not in ran.said
    assert "wrote" not in ran.said
    assert place.run(MODEL_REVISION="main").status == 0
    assert (place.model["revision"], place.model["max_model_len"]) == (new, 512)


def test_hub_that_is_down_is_no_trouble_with_a_full_cache(place: Place) -> None:
    """Nor is HF_HUB_OFFLINE=1; a repository that is new has no commit to stay at."""
    place.run()
    for down, offline in ((503, "0"), (0, "1")):
        for file in sorted((place.repository / "Tiny").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        (place.repository / "Tiny").rmdir()
        place.hub.requests.clear()
        place.hub.down = down
        ran = place.run(HF_HUB_OFFLINE=offline)
        assert ran.status == 0, ran.complained
        assert place.model["revision"] == place.hub.models[NAME].commit
        assert bool(place.hub.requests) is (offline == "0")
    assert place.run(HF_HUB_OFFLINE="1").said.count("wrote") == 0


def test_without_hub_and_cache_the_remedy_is_named(place: Place) -> None:
    """The two cases have different ones."""
    place.hub.down = 503
    said = place.refused()
    assert f"the hub at {place.address} can't be reached" in said
    place.hub.requests.clear()
    assert "HF_HUB_OFFLINE=1 forbids to ask" in place.refused(HF_HUB_OFFLINE="1")
    assert place.hub.requests == []
    assert "can't be reached" in place.refused(HF_ENDPOINT="http://127.0.0.1:9")


def test_half_a_cache_is_not_served_offline(place: Place) -> None:
    """Weights that are missing would be missed by the engine."""
    place.run()
    for snapshot in (place.root / "cache" / "hub").glob("models--*/snapshots/*"):
        (snapshot / WEIGHTS).unlink()
    ran = place.run(HF_HUB_OFFLINE="1")
    assert ran.status == 1
    assert "is not complete in the cache" in ran.complained


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("owner/Typo",), {}, "The hub has no model owner/Typo, or it is private."),
        (("owner/Typo",), {"HF_TOKEN": TOKEN}, "The hub has no model owner/Typo, or it is private."),
        ((NAME,), {"HF_TOKEN": "hf_wrong"}, "does not accept the token"),
        ((NAME, "--revision", "v9"), {}, "has no revision 'v9'"),
        (("a b",), {}, "is no name of a model of the hub"),
        ((NAME,), {"TOOL_PARSER": "hermess"}, "TOOL_PARSER=hermess is none of vLLM's parsers"),
    ],
)
def test_mistakes_are_told_with_a_remedy(
    place: Place, arguments: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    """Each in its own words."""
    assert said in place.refused(*arguments, **variables)


def test_gated_model_wants_its_licence_accepted(place: Place, tmp_path: Path) -> None:
    """Without a token, with a token that has no access, and with one that has, from a file as Windows writes it."""
    place.hub.tokens = frozenset({TOKEN, "hf_other"})
    place.hub.add(NAME, place.hub.models[NAME].folder, gated=frozenset({TOKEN}))
    assert "its owner wants a licence accepted first" in place.refused()
    assert "the account of the token has no access" in place.refused(HF_TOKEN="hf_other")
    file = tmp_path / "secret"
    file.write_bytes(f"\ufeff{TOKEN}\r\n".encode())
    assert place.run(HF_TOKEN_PATH=str(file)).status == 0
    assert place.hub.requests[-1][2]["authorization"] == f"Bearer {TOKEN}"


def test_token_is_not_read_where_nothing_is_asked(place: Place, tmp_path: Path) -> None:
    """A secret that has gone must not stop a model that is here."""
    place.run()
    assert place.run(HF_TOKEN_PATH=str(tmp_path)).status == 0
    asked = place.run("owner/Other", HF_TOKEN_PATH=str(tmp_path))
    assert (asked.status, "is a folder" in asked.complained) == (1, True)


def test_too_small_a_gpu_is_told_before_the_download(place: Place) -> None:
    """With what it needs, what there is, and what to do."""
    gpu(place, free_mib=81079)
    weights = place.hub.models[NAME].folder / WEIGHTS
    with weights.open("r+b") as opened:
        opened.truncate(100_000_000_000)  # a file with a hole: nothing is written
    place.hub.models[NAME].files[WEIGHTS].__dict__["sha256"] = "0" * 64
    said = place.refused()
    assert "needs 101.3 GB: 100.0 GB for its weights" in said
    assert "GPU 0 (NVIDIA H100 80GB HBM3) has 85.5 GB" in said
    assert "TENSOR_PARALLEL_SIZE=2" in said


def test_gpu_decides_share_and_context(place: Place) -> None:
    """Beside others that have most of it."""
    gpu(place, free_mib=20000)
    assert place.run(TENSOR_PARALLEL_SIZE="", MAX_NUM_SEQS="32").status == 0
    assert place.model["gpu_memory_utilization"] == 0.22
    assert (place.model["max_model_len"], place.model["max_num_seqs"]) == (1024, 32)
    assert "kv_cache_memory_bytes" not in place.model


def test_code_of_a_model_is_refused_before_the_download(place: Place) -> None:
    """Unless vLLM has its own; and then it is not trusted either."""
    config = {**CONFIG, "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}
    place.hub.add("owner/Own", folder_of(place.root, "Own", {**config, "architectures": ["OwnForCausalLM"]}))
    assert "needs Python code from its repository (auto_map)" in place.refused("owner/Own")
    place.hub.add(NAME, folder_of(place.root, "Known", config, modeling__py=b"raise SystemExit"))
    ran = place.run()
    assert "code of its own, which is not run" in ran.said
    assert "trust_remote_code" not in place.model
    assert not place.hub.asked("GET", "modeling.py")


def test_connection_that_breaks_is_taken_up_where_it_broke(place: Place) -> None:
    """Nearly: the library writes in pieces of 10 MiB."""
    size, piece = 25_000_000, 10 * 2**20
    (place.hub.models[NAME].folder / WEIGHTS).write_bytes(os.urandom(size))
    place.hub.add(NAME, place.hub.models[NAME].folder)
    place.hub.cut[WEIGHTS] = 2 * piece + 1000
    ran = place.run()
    assert ran.status == 0, ran.complained
    (asked,) = (headers["range"] for headers in place.hub.asked("GET", WEIGHTS) if "range" in headers)
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= 2 * piece
    assert place.hub.bytes_sent[WEIGHTS] <= size + 1000


def test_failure_in_the_middle_is_tried_again(place: Place) -> None:
    """By us where the library gives up, as it does since version 1."""
    place.hub.failing[WEIGHTS] = 1
    ran = place.run()
    assert ran.status == 0, ran.complained
    assert place.hub.bytes_sent[WEIGHTS] == SIZE


def test_download_that_is_stopped_goes_on_with_the_next_run(place: Place) -> None:
    """Files that are complete stay; what can't be used any more does not stay in the way."""
    place.hub.bytes_per_s = 200_000
    with place.start(NAME) as process:
        deadline = time.monotonic() + 40
        while place.hub.bytes_sent.get(WEIGHTS, 0) < 100_000 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, complained = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complained.startswith("Stopped. Files that are complete stay")
    assert not list(place.blobs.glob("*.????????.incomplete"))
    assert not (place.repository / "Tiny").exists()
    place.hub.bytes_per_s = None
    before = len(place.hub.asked("GET", "/tokenizer.json"))
    ran = place.run()
    assert (ran.status, len(place.hub.asked("GET", "/tokenizer.json"))) == (0, before)
    assert place.model["model"] == NAME


def test_model_that_is_no_longer_asked_for_is_removed(place: Place) -> None:
    """Whether another is asked for, or none; what its user has edited is put aside, and sizes are not judged again."""
    place.hub.add("owner/Other", place.hub.models[NAME].folder)
    place.run()
    place.run("owner/Other")
    assert [path.name for path in place.repository.iterdir()] == ["Other"]
    file = place.repository / "Other" / "1" / "model.json"
    file.write_text(file.read_text().replace("1024", "256"))
    ran = place.run("owner/Other", MAX_MODEL_LEN="1000000000")
    assert (ran.status, "was edited and stays as it is" in ran.said) == (0, True)
    assert json.loads(file.read_text())["max_model_len"] == 256
    assert place.run(MODEL="").status == 0
    assert [path.name for path in place.repository.iterdir()] == [".Other"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for the library in this process."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_disk_that_is_too_small_is_told_before_the_download(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the folder, and how to choose another."""
    listing = remote.Listing(name=NAME, commit="c" * 40, files={"config.json": 1, WEIGHTS: 10**15})
    with pytest.raises(Problem, match="Too little disk space: owner/Tiny needs") as caught:
        downloading.download(listing, select(listing), lambda: None, None, lambda _: None)  # type: ignore[arg-type]
    assert str(cache) in caught.value.what
    assert "HF_HOME" in caught.value.fix


def test_parts_of_killed_downloads_are_removed(tmp_path: Path) -> None:
    """Old ones whose process nobody can be; not what an older library would go on with."""
    old, fresh, other = (tmp_path / f"{name}.incomplete" for name in ("a.0123abcd", "b.0123abcd", "c"))
    for path in (old, fresh, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (1.0, 1.0))
    downloading._remove_abandoned(tmp_path)
    assert (old.exists(), fresh.exists(), other.exists()) == (False, True, True)
