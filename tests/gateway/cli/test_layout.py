"""Twin of gateway/cli/layout.py."""

from pathlib import Path

from gateway.cli.layout import ENVIRONMENTS, Layout, find_layout

MADE = ("pip", "prepare", "testtools", "triton", "backends", "models", "hub_models", "set_up_lock", "use_lock", "logs")


def test_what_is_made_lies_in_one_place(tmp_path: Path):
    """Removing that takes the set-up back to nothing."""
    layout = Layout(tmp_path)
    made = [getattr(layout, name) for name in MADE] + [layout.python(name) for name in ENVIRONMENTS]
    assert all(path.is_relative_to(layout.cache) for path in made)
    assert len(set(made)) == len(made)


def test_what_was_there_before_does_not():
    """The checkout that this is has all of it."""
    layout = find_layout()
    for path in (layout.requirements, layout.model_repository, layout.prepare_scripts):
        assert path.is_dir()
        assert not path.is_relative_to(layout.cache)
    assert (layout.root / "gateway" / "cli" / "layout.py").is_file()
