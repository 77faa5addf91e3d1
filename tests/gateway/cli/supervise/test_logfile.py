"""Twin of gateway/cli/supervise/logfile.py."""

from pathlib import Path

import pytest

from gateway.cli.supervise import logfile
from gateway.cli.supervise.logfile import LogFile


def write(log: LogFile, text: str) -> None:
    """One run that writes this."""
    with log.begin() as file:
        file.write(text.encode())


def test_each_start_keeps_the_log_before(tmp_path: Path):
    """Why the last run ended can still be read after the next has begun; old ones go."""
    log = LogFile(tmp_path / "logs" / "triton.log")
    for number in range(9):
        write(log, f"run {number}\n")
    kept = {path.name: path.read_text() for path in log.path.parent.iterdir()}
    assert kept == {
        "triton.log": "run 8\n",
        **{f"triton.{age}.log": f"run {8 - age}\n" for age in range(1, 6)},
    }


def test_new_lines_come_once_and_whole(tmp_path: Path):
    """A line that is still being written is given when it is complete, also when cut inside a character."""
    log = LogFile(tmp_path / "a.log")
    with log.begin() as file:
        content = "eins\nzw\u00f6lf\n".encode()
        seen: list[str] = []
        for byte in content:
            file.write(bytes([byte]))
            file.flush()
            seen += log.new_lines()
            assert log.size == file.tell(), "a progress bar has no lines"
    assert seen == ["eins", "zw\u00f6lf"]
    assert log.new_lines() == []


def test_nothing_is_read_from_a_log_that_is_not_there(tmp_path: Path):
    """Before the first start there is nothing to say."""
    log = LogFile(tmp_path / "a.log")
    assert (log.new_lines(), log.tail(5)) == ([], [])


def test_a_long_log_is_put_aside_while_the_program_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No line is lost or read twice, and the file does not grow for ever."""
    monkeypatch.setattr(logfile, "_LONGEST", 100)
    log = LogFile(tmp_path / "a.log")
    seen: list[str] = []
    with log.begin() as file:
        for number in range(50):
            file.write(f"line {number} of fifty\n".encode())
            file.flush()
            seen += log.new_lines()
            assert log.path.stat().st_size < 150
    assert seen == [f"line {number} of fifty" for number in range(50)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.1.log",
        "a.2.log",
        "a.3.log",
        "a.4.log",
        "a.5.log",
        "a.log",
    ]
