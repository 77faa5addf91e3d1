"""The command line's words."""

import pytest

from gateway.cli.arguments import parser


@pytest.mark.parametrize("command", [[], ["up"], ["setup"], ["serve"], ["doctor"]])
def test_each_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]):
    """Help is an answer, not an error."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: triton-gateway" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["up", "--port", "0"], ["up", "--workers", "0"], ["up", "--port", "x"], ["setup", "--only", "x"], ["fly"], []],
)
def test_nonsense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]):
    """Before anything is done."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
