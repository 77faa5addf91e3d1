"""A hub of models at the wire: the part of Hugging Face's HTTP API that huggingface_hub uses to look up and to download.

It serves folders of this machine, in this process or as a program of its own:

    python -m tests.fakes.hub --model local/SmolLM2=.cache/models/smollm2-135m-instruct --port 8090
    HF_ENDPOINT=http://127.0.0.1:8090 python -m gateway.cli.hub local/SmolLM2 --repository DIR

The API: https://huggingface.co/docs/hub/api. What the headers of a file mean is in huggingface_hub's file_download.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

MAIN = "main"
LARGE = (".safetensors", ".bin", ".gguf")
"""Files that the hub keeps in another store: it answers with a redirection there."""

_CHUNK = 1 << 16


@dataclass
class HubFile:
    """A file of a model. `path` is read for each request."""

    name: str
    path: Path

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        with self.path.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def is_large(self) -> bool:
        return self.name.endswith(LARGE)

    def as_json(self, name: str) -> dict[str, Any]:
        """One of `siblings`, or of a tree."""
        entry: dict[str, Any] = {
            name: self.name,
            "size": self.size,
            "oid": self.sha256[:40],
            "blobId": self.sha256[:40],
        }
        if self.is_large:
            entry["lfs"] = {"sha256": self.sha256, "oid": self.sha256, "size": self.size, "pointerSize": 134}
        return entry


@dataclass
class HubModel:
    """A model that the hub has: the files of a folder, at one commit. `gated`: only these tokens may read its files."""

    name: str
    folder: Path
    gated: frozenset[str] | None = None
    files: dict[str, HubFile] = field(init=False)

    def __post_init__(self) -> None:
        paths = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        names = {str(path.relative_to(self.folder)): path for path in paths}
        self.files = {name: HubFile(name, path) for name, path in names.items() if not Path(name).name.startswith(".")}

    @cached_property
    def commit(self) -> str:
        return hashlib.sha1("".join(file.name + file.sha256 for file in self.files.values()).encode()).hexdigest()


@dataclass
class Hub:
    """The hub: its models, the tokens that it knows, and how it misbehaves.

    `down` is the status of every answer, if not 0. `cut` has, by file, after how many bytes the connection is dropped, once.
    `failing` has, by file, how many of its downloads answer 500. `bytes_per_s` slows downloads. `requests` and `bytes_sent`
    are what it has seen.
    """

    models: dict[str, HubModel] = field(default_factory=dict[str, HubModel])
    tokens: frozenset[str] = frozenset()
    down: int = 0
    cut: dict[str, int] = field(default_factory=dict[str, int])
    failing: dict[str, int] = field(default_factory=dict[str, int])
    bytes_per_s: float | None = None
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list[Any])
    bytes_sent: dict[str, int] = field(default_factory=dict[str, int])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, folder: Path, gated: frozenset[str] | None = None) -> HubModel:
        self.models[name] = model = HubModel(name, folder, gated)
        return model

    def asked(self, method: str, part: str) -> list[Mapping[str, str]]:
        """The headers of the requests whose path has this part."""
        return [headers for verb, path, headers in self.requests if verb == method and part in path]


class Refused(Exception):
    """An answer that is an error, as the hub words it."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Code": code, "X-Error-Message": message}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at `Hub.requests`."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        with self.hub.lock:
            self.hub.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        try:
            self._route(path)
        except Refused as refused:
            self._send(refused.status, b"", refused.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, path: str) -> None:
        if self.hub.down:
            raise Refused(self.hub.down)
        if found := re.fullmatch(r"/api/models/(.+)/revision/([^/]+)", path):
            self._json(self._info(self._model(found[1], found[2])))
        elif found := re.fullmatch(r"/api/models/(.+)/tree/([^/]+)/?", path):
            model = self._model(found[1], found[2])
            self._json([{"type": "file", **file.as_json("path")} for file in model.files.values()])
        elif found := re.fullmatch(r"/store/(.+)/resolve/([^/]+)/(.+)", path):
            model = self._model(found[1], found[2])
            self._content(model.files[found[3]], _about(model, model.files[found[3]]))
        elif found := re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path):
            self._resolve(self._model(found[1], found[2]), found[3])
        else:
            raise Refused(404)

    def _token(self) -> str | None:
        """Raises Refused for one that the hub does not know."""
        token = self.headers.get("authorization", "").removeprefix("Bearer ") or None
        if token is not None and token not in self.hub.tokens:
            raise Refused(401, message="Invalid credentials in Authorization header")
        return token

    def _model(self, name: str, revision: str) -> HubModel:
        token = self._token()
        model = self.hub.models.get(name)
        if model is None:
            # Without a token the hub does not say whether there is such a model.
            raise (
                Refused(404, "RepoNotFound", "Repository not found")
                if token
                else Refused(401, message="Invalid username or password.")
            )
        if revision not in (MAIN, model.commit):
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return model

    def _info(self, model: HubModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "modelId": model.name,
            "sha": model.commit,
            "private": False,
            "gated": "manual" if model.gated is not None else False,
            "siblings": [file.as_json("rfilename") for file in model.files.values()],
        }

    def _resolve(self, model: HubModel, name: str) -> None:
        token = self._token()
        if model.gated is not None and token not in model.gated:
            raise Refused(403 if token else 401, "GatedRepo", f"Access to model {model.name} is restricted.")
        if name not in model.files:
            raise Refused(404, "EntryNotFound", "Entry not found")
        file = model.files[name]
        about = _about(model, file)
        if file.is_large:
            self._send(302, b"", {**about, "Location": f"/store{self.path}"})
        else:
            self._content(file, about)

    def _content(self, file: HubFile, headers: Mapping[str, str]) -> None:
        if self.command == "GET" and self.hub.failing.get(file.name, 0) > 0:
            self.hub.failing[file.name] -= 1
            raise Refused(500)
        start = 0
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", "")):
            start = int(asked[1])
        length = file.size - start
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{file.size - 1}/{file.size}")
        for name, value in {**headers, "Content-Length": str(length), "Accept-Ranges": "bytes"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._body(file, start)

    def _body(self, file: HubFile, start: int) -> None:
        with self.hub.lock:
            cut = self.hub.cut.pop(file.name, None)
        sent = 0
        with file.path.open("rb") as opened:
            opened.seek(start)
            while block := opened.read(_CHUNK if cut is None else min(_CHUNK, cut - sent)):
                self.wfile.write(block)
                sent += len(block)
                with self.hub.lock:
                    self.hub.bytes_sent[file.name] = self.hub.bytes_sent.get(file.name, 0) + len(block)
                if self.hub.bytes_per_s is not None:
                    time.sleep(len(block) / self.hub.bytes_per_s)
        if cut is not None:
            self.close_connection = True

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _about(model: HubModel, file: HubFile) -> dict[str, str]:
    """The headers that tell of a file. The library follows a redirection on the same host, so the store has them, too."""
    about = {"X-Repo-Commit": model.commit, "ETag": f'"{file.sha256[:40]}"'}
    if file.is_large:
        about |= {"X-Linked-Size": str(file.size), "X-Linked-ETag": f'"{file.sha256}"'}
    return about


@contextmanager
def serving(hub: Hub, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serve it from a thread. Gives the address for HF_ENDPOINT."""
    server = ThreadingHTTPServer((host, port), type("HandlerOfHub", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Serve the given folders until the program is ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.hub", description="A hub with these models.")
    parser.add_argument("--model", action="append", required=True, metavar="OWNER/NAME=FOLDER")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bytes-per-s", type=float, help="slow downloads")
    options = parser.parse_args()
    hub = Hub(bytes_per_s=options.bytes_per_s)
    for name, _, folder in (pair.partition("=") for pair in options.model):
        hub.add(name, Path(folder))
    with serving(hub, options.host, options.port) as address:
        print(f"the hub is at {address}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
