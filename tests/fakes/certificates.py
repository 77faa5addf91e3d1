"""A certificate authority of a test's own, made by the program openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Authority:
    """Its certificate is in `certificate`; it certifies localhost, 127.0.0.1 and ::1."""

    name = "Authority of a test"

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "ca.pem"
        self._chain, self._key = folder / "host.pem", folder / "host.key"
        own = folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", f"/CN={self.name}", "-addext", "keyUsage=critical,keyCertSign",
                 "-keyout", own, "-out", self.certificate)  # fmt: skip
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
                 "-addext", "basicConstraints=critical,CA:FALSE", "-CA", self.certificate, "-CAkey", own,
                 "-keyout", self._key, "-out", self._chain)  # fmt: skip

    def server_context(self) -> ssl.SSLContext:
        """What a server needs to be trusted by those who trust the authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chain, self._key)
        return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
