"""Keys and their rights: where they are written, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.limits.callers import NOBODY, Caller, anybody, caller, known_keys
from gateway.settings import Settings


def settings(**given: Any) -> Settings:
    return Settings(**given)


def sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def test_keys_come_from_three_places(tmp_path: Path) -> None:
    """As they are or by their hash; of all of them the hash is kept."""
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n  in-file # hers\nsha256:{sha256('hashed').hex()}\n")
    keys = known_keys(settings(api_keys=("plain",), api_keys_file=file, keys=[{"name": "ann", "key": "own"}]))
    assert {key.hash for key in keys} == {sha256(key) for key in ("plain", "in-file", "hashed", "own")}
    assert {key.caller.name for key in keys if key.hash == sha256("own")} == {"ann"}
    assert not any(word in repr(keys) for word in ("plain", "in-file", "hashed"))


@pytest.mark.parametrize(
    ("allowed", "may", "may_not"),
    [
        (None, ["a", "anything"], []),
        (("a", "b"), ["a", "b"], ["A", "ab", "", "c"]),
        (("llama-*",), ["llama-", "llama-7b"], ["llama", "my-llama-7b"]),
        (("*",), ["a"], []),
        ((), [], ["a", ""]),
    ],
)
def test_models_are_allowed_by_name(allowed: tuple[str, ...] | None, may: list[str], may_not: list[str]) -> None:
    """To the letter, or by how the name starts."""
    holder = Caller("ann", allowed)
    assert all(holder.may_use(model) for model in may)
    assert not any(holder.may_use(model) for model in may_not)


def test_gateway_itself_may_use_everything() -> None:
    """It probes models. Within a request that is not a right: as long as its key is not known there are no models."""
    assert caller.get().may_use("any")
    assert not NOBODY.may_use("any")


def test_general_limits_hold_for_keys_without_their_own() -> None:
    """Each key has its own bucket; where there is no key everybody shares one."""
    chosen = settings(
        requests_per_minute=5,
        api_keys=("plain",),
        keys=[{"name": "ann", "key": "a", "requests_per_minute": 7}, {"name": "bob", "key": "b"}],
    )
    limits = {key.caller.name: key.caller.quota.limits()[0].per_minute for key in known_keys(chosen)}
    assert limits == {"ann": 7, "bob": 5, f"key-{sha256('plain').hex()[:8]}": 5}
    assert anybody(chosen).quota.limits()[0].per_minute == 5
    assert not anybody(settings()).quota.limits()


@pytest.mark.parametrize("content", ["", "# only a comment\n", "\n\n"])
def test_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    """An empty file of keys must not open the door."""
    file = tmp_path / "keys"
    file.write_text(content)
    with pytest.raises(ValueError, match="holds no API key"):
        known_keys(settings(api_keys_file=file))


@pytest.mark.parametrize("hash_", ["", "5", "g" * 64, "A" * 64, "a" * 65])
def test_broken_hash_is_named_by_its_line(tmp_path: Path, hash_: str) -> None:
    """The message has the line, and not what stands there."""
    file = tmp_path / "keys"
    file.write_text(f"good\n# comment\nsha256:{hash_}\n")
    with pytest.raises(ValueError, match=r"keys, line 3: after 'sha256:' come 64"):
        known_keys(settings(api_keys=("other",), api_keys_file=file))


def test_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Nobody could tell which of its rights it has; both places are named, the key is not."""
    file = tmp_path / "keys"
    file.write_text("other\nsecret\n")
    with pytest.raises(ValueError, match=r"keys, line 2 and keys\[0\] \(ann\) are the same key"):
        known_keys(settings(api_keys_file=file, keys=[{"name": "ann", "key": f"sha256:{sha256('secret').hex()}"}]))


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """A wrong path does not mean no keys."""
    with pytest.raises(FileNotFoundError):
        known_keys(settings(api_keys_file=tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "content", [b"sk-1", b"sk-1\n", b"sk-1\r\n", b"\xef\xbb\xbfsk-1\r\n", b"  sk-1  # whose\n"], ids=repr
)
def test_what_editors_add_is_no_part_of_a_key(tmp_path: Path, content: bytes) -> None:
    """A last newline, Windows' line ends, a byte order mark, blanks and comments."""
    file = tmp_path / "keys"
    file.write_bytes(content)
    [key] = known_keys(settings(api_keys_file=file))
    assert key.hash == sha256("sk-1")


def test_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """Windows' editors write UTF-16 under the name of Unicode."""
    file = tmp_path / "keys"
    file.write_text("sk-1\n", encoding="utf-16")
    with pytest.raises(ValueError, match="keys is not text in UTF-8"):
        known_keys(settings(api_keys_file=file))
