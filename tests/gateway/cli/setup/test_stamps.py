"""Twin of gateway/cli/setup/stamps.py."""

from pathlib import Path

from gateway.cli.setup import stamps


def test_done_is_what_was_marked_with_the_same_inputs(tmp_path: Path):
    """A folder without a stamp, or with another one, is not done."""
    assert not stamps.is_done(tmp_path, "a")
    stamps.mark_done(tmp_path, "a")
    assert stamps.is_done(tmp_path, "a")
    assert not stamps.is_done(tmp_path, "b")


def test_a_digest_changes_with_each_input(tmp_path: Path):
    """Texts, files and the sources of a folder all count."""
    lock, scripts = tmp_path / "lock.txt", tmp_path / "scripts"
    scripts.mkdir()
    lock.write_text("a==1")
    (scripts / "x.py").write_text("1")
    seen = {stamps.digest(["3.11", lock, scripts])}
    seen.add(stamps.digest(["3.12", lock, scripts]))
    lock.write_text("a==2")
    seen.add(stamps.digest(["3.11", lock, scripts]))
    (scripts / "x.py").write_text("2")
    seen.add(stamps.digest(["3.11", lock, scripts]))
    (scripts / "y.py").write_text("")
    seen.add(stamps.digest(["3.11", lock, scripts]))
    assert len(seen) == 5


def test_inputs_do_not_run_into_each_other():
    """`ab` and `c` is not `a` and `bc`."""
    assert stamps.digest(["ab", "c"]) != stamps.digest(["a", "bc"])
