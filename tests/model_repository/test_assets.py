"""The model `assets`, fed with envelopes over a small repository of its own."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_repository import python_backend

VERSION_FOLDER = Path(__file__).parents[2] / "model_repository" / "assets" / "1"
LARGE = bytes(range(256)) * 4096 * 2 + b"tail\0"  # two whole parts and a little


@pytest.fixture(scope="module")
def assets() -> Iterator[ModuleType]:
    """The model as Triton imports it: its version directory on the path, Triton's own module there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(VERSION_FOLDER))
        patch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("placeholder"))
        python_backend.install()
        spec = importlib.util.spec_from_file_location("assets_model", VERSION_FOLDER / "model.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "assets_model", module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield module
        sys.modules.pop("repository_files", None)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one model in three versions, one without a version, and a file that is no model."""
    root = tmp_path_factory.mktemp("assets")
    prepared = root / "prepared.json"
    prepared.write_bytes(LARGE)
    repository = root / "repository"
    for version in ("1", "9", "10"):
        (repository / "model" / version).mkdir(parents=True)
    newest = repository / "model" / "10"
    (newest / "tokenizer.json").symlink_to(prepared)
    (newest / "labels.json").write_text("{}")
    (newest / "config.json").write_bytes(b"")
    (newest / "model.pt").write_text("weights")
    (repository / "model" / "latest").mkdir()
    (repository / "empty").mkdir()
    (repository / "notes").write_text("no model")
    return repository


def _ask(
    assets: ModuleType, repository: Path, envelope: Any, *, cancelled: bool = False
) -> list[tuple[list[Any], bytes]]:
    """Each response's record and part, through execute(); asserts the one final response."""
    model = assets.TritonPythonModel()
    model.initialize({"model_repository": str(repository / "assets"), "model_name": "assets"})
    text = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    request = python_backend.InferenceRequest({"request": np.array([text], dtype=np.object_)})
    request.sender.cancelled = cancelled
    model.execute([request])
    assert request.sender.final
    answers: list[tuple[list[Any], bytes]] = []
    for response in request.sender.sent:
        (record,) = json.loads(response.array("records")[0])
        parts = [tensor.as_numpy()[0] for tensor in response.output_tensors if tensor.name() == "part"]
        answers.append((record, parts[0] if parts else b""))
    return answers


def _envelope(**keys: Any) -> dict[str, Any]:
    return {"v": 1, "op": "describe", "rid": "r-1", "model": "model", **keys}


def test_describes_the_newest_version(assets: ModuleType, repository: Path) -> None:
    """Version 10 is newer than 9, and only files of the contract are listed, links among them."""
    ((record, _),) = _ask(assets, repository, _envelope())
    assert record[:3] == ["r-1", "result", None]
    assert record[3] == {
        "backend": "assets",
        "contract": [1],
        "model": "model",
        "files": [
            {"name": "tokenizer.json", "size": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()},
            {"name": "config.json", "size": 0, "sha256": hashlib.sha256(b"").hexdigest()},
            {"name": "labels.json", "size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()},
        ],
    }


def test_files_come_in_parts(assets: ModuleType, repository: Path) -> None:
    """Every file in the order asked for, in parts of at most a mebibyte whose records announce their bytes."""
    *parts, (result, _) = _ask(assets, repository, _envelope(files=["labels.json", "tokenizer.json", "config.json"]))
    assert result[1] == "result"
    assert [record[3:] for record, _ in parts] == [
        ["labels.json", 0, 2],
        ["tokenizer.json", 0, 1 << 20],
        ["tokenizer.json", 1 << 20, 1 << 20],
        ["tokenizer.json", 2 << 20, 5],
        ["config.json", 0, 0],
    ]
    assert all(len(data) == record[5] for record, data in parts)
    assert b"".join(data for record, data in parts if record[3] == "tokenizer.json") == LARGE


@pytest.mark.parametrize(
    "model", ["missing", "", ".", "..", "../repository/model", "model/10", "/etc", "notes", "empty", "MODEL"]
)
def test_names_that_are_no_model_are_not_found(assets: ModuleType, repository: Path, model: str) -> None:
    """A model is what the repository lists as a folder with a version in it: no path leads anywhere."""
    ((record, _),) = _ask(assets, repository, _envelope(model=model))
    assert record[1:6] == ["error", None, "not_found", None, "model"]


@pytest.mark.parametrize(
    ("own_folder", "named", "searched"),
    [
        ("/srv/models/assets", "", ["/srv/models"]),
        ("/srv/models/assets", "/srv/a:/srv/b", ["/srv/a", "/srv/b"]),
        ("/tmp/folderXb3kQz", "", []),
        ("/tmp/folderXb3kQz", "/srv/a", ["/srv/a"]),
    ],
)
def test_it_looks_into_the_repositories_of_its_triton(
    assets: ModuleType, own_folder: str, named: str, searched: list[str]
) -> None:
    """Beside a copy from object storage there is none: it lies in /tmp, where anybody may put a folder."""
    found = assets.repositories(Path(own_folder), "assets", {"MODEL_REPOSITORIES": named} if named else {})
    assert found == [Path(folder) for folder in searched]


@pytest.mark.parametrize(
    ("folders", "said"), [(["/nowhere"], "in /nowhere; "), ([], "in object storage, which is not")]
)
def test_what_is_not_found_says_where_it_was_looked_for(assets: ModuleType, folders: list[str], said: str) -> None:
    """And how to name other folders."""
    text = json.dumps(_envelope()).encode()
    [response] = assets.answer([Path(folder) for folder in folders], text)
    assert said in response.record[-1]
    assert "MODEL_REPOSITORIES" in response.record[-1]


@pytest.mark.parametrize(
    "name", ["model.pt", "chat_template.jinja", "../10/labels.json", "/etc/passwd", "", "tokenizer.json\0"]
)
def test_other_files_are_not_found(assets: ModuleType, repository: Path, name: str) -> None:
    """Neither weights, nor a file that does not exist, nor a path; and nothing is sent before the refusal."""
    ((record, _),) = _ask(assets, repository, _envelope(files=["labels.json", name]))
    assert record[1:6] == ["error", None, "not_found", None, "files"]


@pytest.mark.parametrize(
    ("envelope", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        ([], None),
        (_envelope(rid="a b"), "rid"),
        (_envelope(rid=""), "rid"),
        (_envelope(rid="x" * 65), "rid"),
        (_envelope(rid="r\n"), "rid"),
        (_envelope(v=2), "v"),
        (_envelope(v=True), "v"),
        (_envelope(op="stats"), "op"),
        (_envelope(model=None), "model"),
        (_envelope(files="labels.json"), "files"),
        (_envelope(files=[1]), "files"),
        (_envelope(extra=1), "extra"),
    ],
)
def test_envelopes_off_the_contract_are_refused(
    assets: ModuleType, repository: Path, envelope: Any, param: str | None
) -> None:
    """Whatever is wrong with the envelope, the error names the key at fault."""
    ((record, _),) = _ask(assets, repository, envelope)
    assert record[1:6] == ["error", None, "bad_request", None, param]


# Mostly what the contract allows, so that every depth of the checks is reached.
NAME = st.sampled_from(
    ["model", "labels.json", "tokenizer.json", "empty", "..", "", "\0", "é/", None, 1, True, 1e400, []]
)
ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "v": st.sampled_from([1, 1, 1, 2, "1", True, None]),
        "op": st.sampled_from(["describe", "describe", "describe", "abort", 1, None]),
        "rid": st.sampled_from(["r", "r", "r", "", "ü", 1, None]),
        "model": NAME,
        "files": st.lists(NAME, max_size=3) | NAME,
        "x": NAME,
    },
)


@given(st.binary(max_size=64) | ENVELOPE)
def test_every_envelope_ends_once(assets: ModuleType, repository: Path, envelope: Any) -> None:
    """Any bytes and any JSON get exactly one terminal record, in the response with the final flag."""
    records = [record for record, _ in _ask(assets, repository, envelope)]
    assert [record[1] for record in records[:-1]] == ["part"] * (len(records) - 1)
    assert records[-1][1] in ("result", "error")


def test_a_client_that_left_gets_no_more_parts(assets: ModuleType, repository: Path) -> None:
    """The transfer ends with one error of type cancelled."""
    ((record, _),) = _ask(assets, repository, _envelope(files=["tokenizer.json"]), cancelled=True)
    assert record[1:4] == ["error", None, "cancelled"]


def test_what_nobody_foresaw_still_ends(
    assets: ModuleType, repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that fails is an internal error, logged with its reason."""

    def fail(path: Path) -> bytes:
        raise OSError(5, "disk on fire", str(path))

    monkeypatch.setattr(Path, "read_bytes", fail)
    ((record, _),) = _ask(assets, repository, _envelope())
    assert record[1:4] == ["error", None, "internal"]
    assert "disk on fire" in caplog.text
