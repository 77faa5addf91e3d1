"""Twin of gateway/repository/known.py: what is due, round by round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.repository.folders import ModelFolder
from gateway.repository.known import QUIET_ROUNDS, RETRY_ROUNDS, Due, Known
from gateway.repository.wanted import Wanted

FOLDER = ModelFolder("llm", Path("/models/llm"), 1, 1)
WANTED = Wanted()


@pytest.fixture
def known() -> Known:
    """One that is quiet, and was never tried."""
    return Known(FOLDER, quiet_rounds=QUIET_ROUNDS)


def failed(known: Known, wanted: Wanted = WANTED, *, may_pass: bool = True) -> int | None:
    known.note_try(wanted)
    return known.note_failure(may_pass=may_pass)


def rounds_until_load(known: Known, wanted: Wanted = WANTED, *, most: int = 1000) -> int | None:
    """After how many rounds it is loaded again; None for never."""
    for count in range(1, most):
        known.see(known.folder, wanted)
        if known.due(wanted) is Due.LOAD:
            return count
    return None


def test_a_process_that_ended_is_tried_again_a_few_times(known: Known) -> None:
    """Ever later, and then no more."""
    waits: list[int | None] = []
    for rounds in RETRY_ROUNDS:
        assert failed(known) == rounds
        waits.append(rounds_until_load(known))
    assert waits == list(RETRY_ROUNDS)
    assert failed(known) is None
    assert rounds_until_load(known) is None


def test_a_model_that_says_why_it_fails_is_not_tried_again(known: Known) -> None:
    """It would say the same."""
    assert failed(known, may_pass=False) is None
    assert rounds_until_load(known) is None


@pytest.mark.parametrize("mended", [True, False])
def test_the_tries_begin_anew(known: Known, mended: bool) -> None:
    """When somebody has changed the files, or asks for a load."""
    for _ in RETRY_ROUNDS:
        failed(known)
    wanted = WANTED
    if mended:
        known.see(replace(FOLDER, fingerprint=2), wanted)
        assert rounds_until_load(known, wanted) == QUIET_ROUNDS
    else:
        wanted = WANTED.load(FOLDER.path)
        assert rounds_until_load(known, wanted) == 1
    assert failed(known, wanted) == RETRY_ROUNDS[0]


def test_nothing_is_tried_while_it_is_not_wanted(known: Known) -> None:
    """Not by itself either."""
    failed(known)
    assert rounds_until_load(known, WANTED.unload(FOLDER.path)) is None


def test_a_reload_whose_process_ended_is_tried_again(known: Known) -> None:
    """The model that was loaded before goes on meanwhile."""
    known.loaded = True
    failed(known)
    assert rounds_until_load(known) == RETRY_ROUNDS[0]
    known.note_try(WANTED)
    assert rounds_until_load(known) is None


def test_an_unload_that_is_not_noted_yet_stands(known: Known) -> None:
    """Until somebody asks for a load."""
    known.note_try(WANTED)
    known.unload_to_note = True
    assert rounds_until_load(known) is None
    assert rounds_until_load(known, WANTED.load(FOLDER.path)) == 1
    assert not known.unload_to_note


@pytest.mark.parametrize("left", ["loaded", "busy", "unload_to_note"])
def test_a_folder_that_is_gone_is_forgotten_when_nothing_is_left(known: Known, left: str) -> None:
    """To unload, or to write down."""
    known.gone = True
    setattr(known, left, True)
    assert not known.is_forgotten
    setattr(known, left, False)
    assert known.is_forgotten
