"""Whose certificates count for image hosts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from gateway.prompting.images.certificates import trusted
from tests.fakes.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def subjects(context: ssl.SSLContext) -> list[str]:
    return [str(each["subject"]) for each in context.get_ca_certs()]


def test_own_authority_replaces_the_usual_ones(authority: Authority) -> None:
    """As OpenSSL has it."""
    [subject] = subjects(trusted({"SSL_CERT_FILE": str(authority.certificate)}))
    assert authority.name in subject


@pytest.mark.parametrize("environment", [{}, {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}])
def test_usual_authorities_count_without(environment: dict[str, str]) -> None:
    """Those that certifi lists."""
    assert len(subjects(trusted(environment))) > 50


@pytest.mark.parametrize(("variable", "named"), [("SSL_CERT_FILE", "nowhere"), ("SSL_CERT_DIR", "nowhere")])
def test_variable_that_names_nothing_is_named(variable: str, named: str, tmp_path: Path) -> None:
    """Instead of a refusal of every host."""
    with pytest.raises(ValueError, match=f"{variable} is .*nowhere"):
        trusted({variable: str(tmp_path / named)})


def test_file_without_certificates_is_named(tmp_path: Path) -> None:
    """A key by mistake, for example."""
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(ValueError, match=r"SSL_CERT_FILE is .*ca\.pem, which has no certificates"):
        trusted({"SSL_CERT_FILE": str(file)})
