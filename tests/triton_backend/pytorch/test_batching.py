"""Which requests run together, and what one that fails costs the others."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from triton_backend.pytorch.batching import grouped, run_isolated
from triton_backend.pytorch.errors import AnswerError, ModelError


def test_equal_keys_run_together_in_order() -> None:
    """Positions keep their order inside a group, groups that of their first member."""
    assert grouped({0: "a", 1: "b", 3: "a", 4: "c"}) == [[0, 3], [1], [4]]


class Model:
    """Doubles numbers; refuses a call with a negative one in it. Remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        if bad := [item for item in items if item < 0]:
            raise ModelError(f"{bad[0]} is negative")
        return [2 * item for item in items]


def test_good_items_run_in_one_call() -> None:
    """Nothing is repeated when nothing fails."""
    model = Model()
    assert run_isolated([1, 2, 3], model) == [2, 4, 6]
    assert model.calls == [[1, 2, 3]]


def test_no_items_are_no_call() -> None:
    """An empty list asks nothing of the model."""
    model = Model()
    assert run_isolated([], model) == []
    assert model.calls == []


@given(st.lists(st.integers(-3, 30), max_size=40))
def test_bad_items_fail_alone(items: list[int]) -> None:
    """Each good item gets its answer and each bad one its own error, in their places."""
    answers = run_isolated(items, Model())
    assert len(answers) == len(items)
    for item, answer in zip(items, answers, strict=True):
        if item < 0:
            assert isinstance(answer, AnswerError)
            assert str(answer) == f"{item} is negative"
        else:
            assert answer == 2 * item


@given(st.integers(0, 63))
def test_one_bad_item_costs_few_calls(position: int) -> None:
    """Two calls for each halving of a batch of 64, and the first."""
    model = Model()
    run_isolated([-1 if index == position else index for index in range(64)], model)
    assert len(model.calls) <= 1 + 2 * 6
