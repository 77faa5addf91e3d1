"""Twin of gateway/cli/setup/pip.py: pip's part is played by a script."""

import threading
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.setup.pip import Pip


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock of two packages."""
    path = tmp_path / "x-py311.txt"
    path.write_text("a==1 --hash=sha256:0\nb==2 --hash=sha256:0\n")
    return path


def fake_pip(folder: Path, script: str) -> Pip:
    """pip as a shell script; `$n` is the number of the call, and all calls are recorded."""
    python = folder / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\nn=$(wc -l < {folder}/calls)\n{script}\n')
    python.chmod(0o755)
    return Pip(python, folder / "logs", threading.Event(), pause_s=0.0)


def calls(folder: Path) -> list[str]:
    """The arguments of each call."""
    return (folder / "calls").read_text().splitlines()


def test_only_what_the_lock_names_is_installed(tmp_path: Path, lock: Path):
    """No dependency is resolved, no package is taken without its hash, nothing is built."""
    fake_pip(tmp_path, "exit 0").into_folder(tmp_path / "out", lock, "x")
    (call,) = calls(tmp_path)
    for option in ("--no-deps", "--require-hashes", "--only-binary :all:", f"--requirement {lock}"):
        assert option in call


def test_torch_comes_from_its_own_index_where_the_other_lacks_it(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
):
    """The configured index is asked first; the second is the one that TORCH_CPU_INDEX names."""
    monkeypatch.setenv("TORCH_CPU_INDEX", "https://mirror.example/cpu")
    missing = 'echo "ERROR: No matching distribution found for torch==2.13.0+cpu"; exit 1'
    fake_pip(tmp_path, f'[ "$n" = 1 ] || exit 0; {missing}').into_folder(tmp_path / "out", lock, "x")
    first, second = calls(tmp_path)
    assert "mirror.example" not in first
    assert "--extra-index-url https://mirror.example/cpu" in second


def test_a_conflict_with_a_constraint_asks_the_other_index(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch):
    """Where a constraint names torch, pip calls a missing version a conflict."""
    monkeypatch.setenv("TORCH_CPU_INDEX", "https://mirror.example/cpu")
    conflict = 'echo "ERROR: Cannot install torch==2.13.0+cpu because these package versions have conflicting"; exit 1'
    fake_pip(tmp_path, f'[ "$n" = 1 ] || exit 0; {conflict}').into_folder(tmp_path / "out", lock, "x")
    assert "--extra-index-url https://mirror.example/cpu" in calls(tmp_path)[1]


def test_a_constraint_that_forbids_torch_is_named_at_once(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch):
    """In one line, instead of pip's six; the other index could not help."""
    monkeypatch.setenv("TORCH_CPU_INDEX", "https://mirror.example/cpu")
    conflict = """cat <<END; exit 1
ERROR: Cannot install torch==2.13.0+cpu because these package versions have conflicting dependencies.
The conflict is caused by:
    The user requested torch==2.13.0+cpu
    The user requested (constraint) torch<2.13
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
END"""
    with pytest.raises(Problem) as caught:
        fake_pip(tmp_path, conflict).into_folder(tmp_path / "out", lock, "x")
    assert caught.value.what == (
        "pip could not install x: the constraint torch<2.13 forbids torch==2.13.0+cpu"
        f" ({tmp_path / 'logs' / 'pip-x.log'})."
    )
    assert len(calls(tmp_path)) == 1


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, ""),
        ({"SSL_CERT_FILE": "/ca.pem"}, "/ca.pem"),
        ({"SSL_CERT_FILE": "/ca.pem", "REQUESTS_CA_BUNDLE": "/own.pem"}, "/own.pem"),
        ({"SSL_CERT_FILE": "/ca.pem", "CURL_CA_BUNDLE": "/curl.pem"}, ""),
    ],
)
def test_own_authorities_count_for_pip(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], used: str
):
    """Older versions of pip read only what requests reads; what is set for these goes before."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        if name in given:
            monkeypatch.setenv(name, given[name])
    fake_pip(tmp_path, f'echo "$REQUESTS_CA_BUNDLE" > {tmp_path}/bundle').into_folder(tmp_path / "out", lock, "x")
    assert (tmp_path / "bundle").read_text().strip() == used


def test_without_another_index_torchs_absence_is_told(tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty TORCH_CPU_INDEX means: nowhere else. It is not tried again, since nothing would change."""
    monkeypatch.setenv("TORCH_CPU_INDEX", "")
    missing = 'echo "ERROR: No matching distribution found for torch==2.13.0+cpu"; exit 1'
    with pytest.raises(Problem, match=r"it finds no torch==2\.13\.0\+cpu for Python 3"):
        fake_pip(tmp_path, missing).into_folder(tmp_path / "out", lock, "x")
    assert len(calls(tmp_path)) == 1


def test_torch_goes_first_into_an_environment(tmp_path: Path, lock: Path):
    """Where torch cannot be had, that shows in the first second."""
    lock.write_text("a==1 --hash=sha256:0\ntorch==2.13.0+cpu --hash=sha256:0\n")
    (tmp_path / "torch.txt").write_text("torch==2.13.0+cpu --hash=sha256:0\n")
    fake_pip(tmp_path, "exit 0").into_environment(tmp_path / "env", lock)
    assert [call.rpartition("/")[2] for call in calls(tmp_path)] == ["torch.txt", lock.name]


def test_torch_for_cuda_comes_with_the_others(tmp_path: Path, lock: Path):
    """It is on the ordinary index."""
    lock.write_text("a==1 --hash=sha256:0\ntorch==2.13.0 --hash=sha256:0\n")
    fake_pip(tmp_path, "exit 0").into_environment(tmp_path / "env", lock)
    assert len(calls(tmp_path)) == 1


def test_a_broken_download_is_tried_again(tmp_path: Path, lock: Path, capsys: pytest.CaptureFixture[str]):
    """Twice, saying so."""
    broken = 'echo "ReadTimeoutError: Read timed out."; exit 2'
    fake_pip(tmp_path, f'[ "$n" -lt 3 ] || exit 0; {broken}').into_folder(tmp_path / "out", lock, "x")
    assert len(calls(tmp_path)) == 3
    assert capsys.readouterr().out.count("trying again") == 2


@pytest.mark.parametrize(
    ("last_words", "advice"),
    [
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "do not install it"),
        ("OSError: [Errno 28] No space left on device", "free some disk space"),
        ("Could not find a version that satisfies torch==2.13.0+cpu", "TORCH_CPU_INDEX"),
        ("Max retries exceeded", "check the network"),
        ("something else", "pip-x.log"),
    ],
)
def test_each_failure_has_its_advice(tmp_path: Path, lock: Path, last_words: str, advice: str):
    """What pip said last is shown, and what to do about it."""
    with pytest.raises(Problem) as caught:
        fake_pip(tmp_path, f'echo "{last_words}"; exit 1').into_folder(tmp_path / "out", lock, "x")
    assert last_words in caught.value.what
    assert advice in caught.value.fix
    assert last_words in (tmp_path / "logs" / "pip-x.log").read_text()


def test_noise_is_not_shown(tmp_path: Path, lock: Path):
    """pip's warnings about places that it ignores explain no failure."""
    with pytest.raises(Problem) as caught:
        fake_pip(tmp_path, 'echo "WARNING: Location /x is ignored"; echo why; exit 1').into_folder(
            tmp_path / "out", lock, "x"
        )
    assert "Location" not in caught.value.what
