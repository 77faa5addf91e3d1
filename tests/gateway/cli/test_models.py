"""The list of models on the command line; tests/packaging asks a Triton for one."""

from gateway.cli.models import ListedModel, lines


def test_columns_stand_below_each_other():
    """And a reason stands at the end of its line."""
    listed = [
        ListedModel("a:1", "llm", "1", "generating", "READY", ""),
        ListedModel("a:1", "classifier", "12", None, "UNAVAILABLE", "failed\n to load\n"),
    ]
    assert lines(listed) == [
        "llm         1   generating  READY",
        "classifier  12  not served  UNAVAILABLE  failed to load",
    ]


def test_nothing_makes_no_lines():
    """An empty repository is no error."""
    assert lines([]) == []


def test_reason_of_many_lines_is_one():
    """Triton may give a traceback for a reason; a model has one line."""
    listed = [ListedModel("a:1", "llm", "1", None, "UNAVAILABLE", "Internal: failed\n\nAt:\n  model.py(3): load\n")]
    assert lines(listed) == ["llm  1  not served  UNAVAILABLE  Internal: failed At: model.py(3): load"]
