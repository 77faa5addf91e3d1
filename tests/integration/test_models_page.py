"""docs/models.md as a new user plays it: every file is saved, every command is typed, and the answers are those shown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.processes import free_ports
from tests.integration.conftest import ALL_ENGINES, ROOT, STOP_LIMIT_S
from tests.integration.pages import Block, blocks, shows

PAGE = blocks(ROOT / "docs" / "models.md")
RECIPES = list(dict.fromkeys(block.section for block in PAGE if block.section.startswith("Recipe ")))
THIRD_ENGINE = "Recipe 5: the same folder on vLLM"
LIMIT_S = 300.0
"""For one block: an engine starts while it waits."""


@dataclass
class Reader:
    """Somebody with a home of their own, and a clone of the project in it. `printed` is what the last command printed."""

    home: Path
    port: int
    metrics_port: int
    served: subprocess.Popen[bytes] | None = None
    printed: str = ""

    def play(self, block: Block) -> None:
        """Do what the page says."""
        if block.file is not None:
            self._path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language != "sh":
            assert shows(block.text, self.printed), f"the page shows\n{block.text}\nand this came:\n{self.printed}"
        elif " up " in block.text:
            self._serve(block.text)
        else:
            self._type(block.text)

    def stop(self) -> None:
        """Ctrl-C, where `up` runs."""
        if self.served is None:
            return
        os.killpg(self.served.pid, signal.SIGINT)
        self.served.wait(STOP_LIMIT_S)

    @property
    def said(self) -> str:
        """What stands in the terminal of `up`."""
        return (self.home / "up.log").read_text()

    def _path(self, name: str) -> Path:
        return self.home / name.removeprefix("~/")

    def _serve(self, command: str) -> None:
        ports = {"PORT": str(self.port), "TRITON_METRICS_PORT": str(self.metrics_port)}
        with (self.home / "up.log").open("wb") as output:
            self.served = subprocess.Popen(
                ["sh", "-c", command],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment() | ports,
                start_new_session=True,
            )

    def _type(self, commands: str) -> None:
        here = commands.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{self.port}")
        try:
            done = subprocess.run(
                ["sh", "-ec", here],
                capture_output=True,
                text=True,
                check=False,
                env=self._environment(),
                timeout=LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end after {LIMIT_S:.0f} s of\n{commands}\n`up` said:\n{self.said}")
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        self.printed = done.stdout

    def _environment(self) -> dict[str, str]:
        own = {"HOME": str(self.home), "PYTHON": sys.executable}
        # A reader's folders lie in the home, and no `make` runs this one.
        return {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MAKE"))} | own


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Generator[Reader, None, None]:
    """With what the page wants before the first recipe."""
    home = tmp_path_factory.mktemp("home")
    (home / "triton-gateway").symlink_to(ROOT)
    reader = Reader(home, *free_ports(2))
    try:
        for block in PAGE:
            if block.section == "Before you start":
                reader.play(block)
        yield reader
    finally:
        reader.stop()
        said = reader.said
        shutil.rmtree(home)
    assert "Stopped: no process and no shared memory is left." in said


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_leads_to_its_answer(reader: Reader, recipe: str) -> None:
    """From nothing to a curl that prints what the page shows."""
    if recipe == THIRD_ENGINE and not ALL_ENGINES:
        pytest.skip("starts one more engine with VLLM_CUSTOM_ENGINE_TESTS=1")
    for block in PAGE:
        if block.section == recipe:
            reader.play(block)
    assert "is not loaded" not in reader.said


def test_each_recipe_ends_with_an_answer() -> None:
    """There is something to play: a command that asks, and what it prints."""
    assert len(RECIPES) == 6
    assert THIRD_ENGINE in RECIPES
    for recipe in RECIPES:
        asked, answer = [block for block in PAGE if block.section == recipe][-2:]
        assert "curl -s http" in asked.text
        assert answer.language == "json"
        assert answer.file is None


@pytest.mark.parametrize(
    ("shown", "printed", "is_shown"),
    [
        ('{"a":1}\n', '{"a":1}', True),
        ('{"a":1,\n"b":…}', '{"a":1,"b":[2,3]}', True),
        ('…"b":2…', '{"a":1,"b":2,"c":3}', True),
        ('{"a":1}', '{"a":1,"b":2}', False),
        ('{"a":…,"b":2}', '{"a":1,"b":3}', False),
        ("a.c", "abc", False),
    ],
)
def test_an_answer_is_compared_with_what_is_shown(shown: str, printed: str, is_shown: bool) -> None:
    """In all that the page does not leave out."""
    assert shows(shown, printed) is is_shown
