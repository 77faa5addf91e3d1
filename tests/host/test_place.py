"""Where the checkout lies, and whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.host.conftest import copy_to
from tests.host.hosts import STRANGER, Checkout, as_stranger, run, with_mounts


@pytest.mark.parametrize("name", ["my models", "Müller", "模型"])
def test_path_that_triton_does_not_take(tmp_path: Path, name: str) -> None:
    """`up` refuses it at once, and `doctor` says so too, also in a terminal without UTF-8."""
    checkout = copy_to(tmp_path / name)
    for variables in ({}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        refused = checkout.run("up", **variables)
        assert refused.is_a_sentence, refused
        assert refused.err.startswith("The checkout is at ")
        assert not (checkout.folder / ".cache").exists()
        assert "WRONG The checkout is at" in checkout.run("doctor", **variables).out


def test_make_reaches_the_refusal_behind_a_space(tmp_path: Path) -> None:
    """Not a message of make's own."""
    said = run(["make", "up"], copy_to(tmp_path / "my models").folder)
    assert "The checkout is at " in said.err


@pytest.mark.parametrize("command", ["up", "setup"])
def test_checkout_of_another_user(checkout: Checkout, command: str) -> None:
    """Root's clone, in which nothing is set up."""
    refused = checkout.run(command, before=as_stranger())
    assert refused.is_a_sentence, refused
    assert f"{checkout.folder} belongs to root and can't be written by nobody" in refused.err


@pytest.mark.parametrize(
    "left", [".cache", ".cache/setup.lock", ".cache/logs", ".cache/logs/triton.log", ".cache/envs/dev"]
)
def test_checkout_set_up_by_root_before(checkout: Checkout, left: str) -> None:
    """One's own clone, in which `sudo make up` has left something."""
    (checkout.folder / left).mkdir(parents=True)
    checkout.give_to(STRANGER)
    os.chown(checkout.folder / left, 0, 0)
    refused = checkout.run("up", before=as_stranger())
    assert refused.is_a_sentence, refused
    assert f"{checkout.folder / left} belongs to root" in refused.err
    assert f"chown -R nobody {checkout.folder / '.cache'}" in refused.err


def test_doctor_of_another_users_checkout(checkout: Checkout) -> None:
    """It looks, writes nothing and finds what is wrong."""
    said = checkout.run("doctor", before=as_stranger())
    assert "Traceback" not in said.err + said.out
    assert "WRONG" in said.out
    assert "can't be written by nobody" in said.out
    assert not (checkout.folder / ".cache").exists()


def test_read_only_checkout(checkout: Checkout) -> None:
    """Root can't write there either."""
    folder = checkout.folder
    before = with_mounts(f"mount --bind {folder} {folder}", f"mount -o remount,bind,ro {folder}", f"cd {folder}")
    refused = checkout.run("up", before=before)
    assert refused.is_a_sentence, refused
    assert "can't be written by root" in refused.err


def test_full_disk(checkout: Checkout) -> None:
    """A file system without a free block: the disk is named, or the file that did not fit."""
    cache = checkout.folder / ".cache"
    cache.mkdir()
    before = with_mounts(
        f"mount -t tmpfs -o size=64k tmpfs {cache}",
        f"dd if=/dev/zero of={cache}/full bs=64k count=1 status=none || true",
    )
    refused = checkout.run("up", before=before)
    assert refused.is_a_sentence, refused


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["doctor"]])
def test_output_that_is_not_utf_8(checkout: Checkout, arguments: list[str]) -> None:
    """The plain C locale, as in cron and many containers."""
    said = checkout.run(*arguments, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert "Traceback" not in said.err + said.out
    assert said.out.isascii()
    assert said.out
