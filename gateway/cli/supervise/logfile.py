"""The log of one program: one file per start, of which the last few are kept. It can be read while it grows.

A file that has become long is put aside like that of an earlier start, for a program may run for months.
"""

import os
import shutil
from pathlib import Path
from typing import IO

_KEPT = 5
_LONGEST = 16 * 2**20
"""Bytes."""


class LogFile:
    """`<name>.log` is the present log, `<name>.1.log` the previous one."""

    def __init__(self, path: Path) -> None:
        """Creates and changes no file; `begin` does."""
        self.path = path
        self._position = 0
        self._partial = b""

    def begin(self) -> IO[bytes]:
        """Rename each older log to the next number, and open a new log for the program."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._age()
        if self.path.exists():
            self.path.replace(self._aged(1))
        self._position, self._partial = 0, b""
        return self.path.open("ab")

    @property
    def size(self) -> int:
        """How many bytes have been read, also of a line that is not complete."""
        return self._position

    def new_lines(self) -> list[str]:
        """The whole lines that were written since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._position)
                content = self._partial + file.read()
                self._position = file.tell()
        except FileNotFoundError:
            return []
        if self._position > _LONGEST:
            self._put_aside()
        *lines, self._partial = content.split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def tail(self, count: int) -> list[str]:
        """The last lines."""
        try:
            return self.path.read_text(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def _put_aside(self) -> None:
        """The program goes on writing into the same file, which is why it is copied and emptied. What it writes between the
        two is lost."""
        self._age()
        shutil.copyfile(self.path, self._aged(1))
        os.truncate(self.path, 0)
        self._position = 0

    def _age(self) -> None:
        for age in range(_KEPT - 1, 0, -1):
            older = self._aged(age)
            if older.exists():
                older.replace(self._aged(age + 1))

    def _aged(self, age: int) -> Path:
        return self.path.with_suffix(f".{age}{self.path.suffix}")
