"""The certificate authorities that the gateway trusts when it fetches an image by https."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx


def trusted(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The authorities of SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL reads them; without these variables, those of certifi.

    Raises ValueError, which names the variable, if one names nothing that can be read.
    """
    file, folder = environment.get("SSL_CERT_FILE") or None, environment.get("SSL_CERT_DIR") or None
    if not file and not folder:
        return httpx.create_ssl_context(trust_env=False)
    if folder and not Path(folder).is_dir():
        raise ValueError(f"SSL_CERT_DIR is {folder}, which is no folder; name one with certificates, or unset it")
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        raise ValueError(
            f"SSL_CERT_FILE is {file}, which has no certificates that can be read ({error.strerror or error}); "
            "name a file of PEM certificates, or unset it"
        ) from error
