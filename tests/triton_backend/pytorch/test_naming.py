"""Names in config.pbtxt against the arguments and results of forward()."""

import pytest

from triton_backend.pytorch.errors import ConfigError
from triton_backend.pytorch.naming import input_places, output_places


def test_inputs_match_arguments_by_name() -> None:
    """Names of arguments win over the order of the configuration."""
    places = input_places(["mask", "ids"], ["ids", "mask"])
    assert places.index == {"mask": 1, "ids": 0}
    assert not places.by_order


def test_argument_names_win_over_numbers() -> None:
    """A name that ends in a number is still the argument of that name."""
    assert input_places(["x__1", "x__0"], ["x__1", "x__0"]).index == {"x__1": 0, "x__0": 1}


def test_inputs_match_by_number() -> None:
    """Without names of arguments the number after two underscores decides."""
    places = input_places(["INPUT__1", "INPUT__0"], ["ids", "mask"])
    assert places.index == {"INPUT__1": 1, "INPUT__0": 0}
    assert not places.by_order


@pytest.mark.parametrize("names", [["a", "b"], ["INPUT__0", "b"], ["a__x", "b__1"], ["a__", "b__1"], ["a___0", "b__1"]])
def test_other_inputs_keep_their_order(names: list[str]) -> None:
    """One name without a plain number makes all of them count by their order, and says so."""
    places = input_places(names, ["ids", "mask"])
    assert [places.index[name] for name in names] == [0, 1]
    assert places.by_order


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["INPUT__0"], "lists 1 inputs"),
        (["INPUT__0", "INPUT__1", "INPUT__2"], "lists 3 inputs"),
        (["INPUT__1", "INPUT__2"], "'INPUT__2' of config.pbtxt is number 2"),
        (["INPUT__0", "OTHER__0"], "the same number"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(names: list[str], message: str) -> None:
    """Too few, too many, out of range and twice the same: each is told apart at load."""
    with pytest.raises(ConfigError, match=message):
        input_places(names, ["ids", "mask"])


def test_outputs_may_leave_results_out() -> None:
    """An output names one result by its number; the others need none."""
    assert output_places(["OUTPUT__1"], 2).index == {"OUTPUT__1": 1}


def test_outputs_without_numbers_keep_their_order() -> None:
    """Names of outputs never match anything of the model."""
    places = output_places(["b", "a"], 2)
    assert places.index == {"b": 0, "a": 1}
    assert places.by_order


@pytest.mark.parametrize("names", [["OUTPUT__2"], ["a", "b", "c"], ["A__0", "B__0"]])
def test_outputs_that_do_not_fit_are_refused(names: list[str]) -> None:
    """Behind the last result, more than there are, or twice the same."""
    with pytest.raises(ConfigError):
        output_places(names, 2)


def test_outputs_of_a_list_wait_for_the_first_call() -> None:
    """How many tensors a list has is not known at load."""
    assert output_places(["OUTPUT__7"], None).index == {"OUTPUT__7": 7}
