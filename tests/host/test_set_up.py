"""The real pip against an index with a certificate that only one authority certifies."""

from __future__ import annotations

import base64
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.layout import find_layout
from gateway.cli.setup.pip import Pip
from tests.fakes.certificates import Authority

WHEEL = "tiny-1-py3-none-any.whl"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


def make_wheel(folder: Path) -> str:
    """The smallest wheel there is, and its hash."""
    files = {
        "tiny.py": "",
        "tiny-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
        "tiny-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for name, text in files.items()}
    record = "".join(f"{name},sha256={digests[name].decode().rstrip('=')},{len(files[name])}\n" for name in files)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in {**files, "tiny-1.dist-info/RECORD": f"{record}tiny-1.dist-info/RECORD,,\n"}.items():
            wheel.writestr(name, text)
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def lock(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A lock whose package is on an index by https; nothing of this machine's settings of pip counts."""
    project = tmp_path / "index" / "tiny"
    project.mkdir(parents=True)
    digest = make_wheel(project)
    (project / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>')
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "index"))) as server:
        server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for name in (
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "PIP_CERT",
            "PIP_FIND_LINKS",
        ):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"https://localhost:{server.server_address[1]}")
        monkeypatch.setenv("PIP_RETRIES", "0")
        path = tmp_path / "tiny.txt"
        path.write_text(f"tiny==1 --hash=sha256:{digest}\n")
        yield path
        server.shutdown()


@pytest.fixture
def pip(tmp_path: Path) -> Pip:
    python = find_layout().pip / "bin" / "python"
    if not python.exists():
        pytest.skip("needs make setup")
    return Pip(python, tmp_path / "logs", threading.Event(), pause_s=0.0)


def test_own_authority_counts_for_downloads(
    tmp_path: Path, lock: Path, pip: Pip, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE alone is enough."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    pip.into_folder(tmp_path / "out", lock, "tiny")
    assert (tmp_path / "out" / "tiny.py").is_file()


def test_unknown_authority_is_told(tmp_path: Path, lock: Path, pip: Pip) -> None:
    """With the variable that helps; the network is not blamed."""
    with pytest.raises(Problem) as caught:
        pip.into_folder(tmp_path / "out", lock, "tiny")
    assert "SSL_CERT_FILE=/path/to/ca.pem make up" in caught.value.fix
