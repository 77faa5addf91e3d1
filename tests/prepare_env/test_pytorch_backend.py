"""The pytorch backend with real TorchScript modules, between requests and responses as Triton hands them over."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.model_repository import python_backend
from tests.model_repository.python_backend import InferenceRequest, InferenceResponse, TritonError
from tests.prepare_env import scripted

BACKEND = Path(__file__).parents[2] / "triton_backend" / "pytorch"
TYPES = {"INT64": np.int64, "FP32": np.float32, "FP64": np.float64}


class Loaded:
    """A model as Triton runs it: initialize, execute, finalize."""

    def __init__(
        self, folder: Path, module: torch.nn.Module | None, config: Mapping[str, Any], kind: str = "CPU"
    ) -> None:
        (folder / "1").mkdir(exist_ok=True)
        if module is not None:
            torch.jit.save(
                torch.jit.script(module), str(folder / "1" / config.get("default_model_filename", "model.pt"))
            )
        from model import TritonPythonModel

        self.model = TritonPythonModel()
        self.model.initialize(
            {
                "model_name": "m",
                "model_config": json.dumps(config),
                "model_repository": str(folder),
                "model_version": "1",
                "model_instance_kind": kind,
                "model_instance_device_id": "0",
            }
        )

    def run(self, *requests: Mapping[str, np.ndarray]) -> list[InferenceResponse]:
        return self.model.execute([InferenceRequest(arrays) for arrays in requests])


Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a module with tensors written as `{"name": "TYPE"}`."""
    python_backend.install()
    monkeypatch.syspath_prepend(str(BACKEND))
    for name in [name for name in sys.modules if name == "model" or name.startswith("pytorch_backend")]:
        monkeypatch.delitem(sys.modules, name)

    def _load(
        module: torch.nn.Module | None,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        *,
        batch: int = 8,
        kind: str = "CPU",
        **parameters: str,
    ) -> Loaded:
        config = {
            "max_batch_size": batch,
            "input": [{"name": name, "data_type": f"TYPE_{kind}", "dims": [-1]} for name, kind in inputs.items()],
            "output": [{"name": name, "data_type": f"TYPE_{kind}", "dims": [-1]} for name, kind in outputs.items()],
            "parameters": {name: {"string_value": value} for name, value in parameters.items()},
        }
        return Loaded(tmp_path, module, config, kind)

    return _load


ADD = {"left": "INT64", "right": "INT64"}
SUMS = {"SUM__0": "INT64", "CALLS__1": "INT64"}


def _pair(left: list[list[int]], right: list[list[int]]) -> dict[str, np.ndarray]:
    return {"left": np.array(left, dtype=np.int64), "right": np.array(right, dtype=np.int64)}


def test_requests_of_one_shape_are_one_call(load: Load) -> None:
    """Rows are laid one under the other, and each request gets its own back."""
    answers = load(scripted.Add(), ADD, SUMS).run(
        _pair([[1, 2]], [[1, 1]]), _pair([[3, 4], [5, 6]], [[0, 0], [2, 2]]), _pair([[7, 8]], [[3, 3]])
    )
    assert [answer.array("SUM__0").tolist() for answer in answers] == [[[11, 12]], [[3, 4], [25, 26]], [[37, 38]]]
    assert [answer.array("CALLS__1").ravel().tolist() for answer in answers] == [[1], [1, 1], [1]]


def test_requests_of_other_shapes_are_other_calls(load: Load) -> None:
    """A ragged batch runs shape by shape, answered in the order of the requests."""
    answers = load(scripted.Add(), ADD, SUMS).run(_pair([[1]], [[1]]), _pair([[1, 2]], [[1, 1]]), _pair([[3]], [[1]]))
    assert [answer.array("SUM__0").tolist() for answer in answers] == [[[11]], [[11, 12]], [[13]]]
    assert [answer.array("CALLS__1").ravel().tolist() for answer in answers] == [[1], [2], [1]]


def test_a_request_that_the_model_refuses_fails_alone(load: Load) -> None:
    """The others of its batch get their answers, it gets the model's last word."""
    answers = load(scripted.Add(), ADD, SUMS).run(_pair([[1]], [[1]]), _pair([[-1]], [[1]]), _pair([[3]], [[1]]))
    good, bad, other = answers
    assert good.array("SUM__0").tolist() == [[11]]
    assert other.array("SUM__0").tolist() == [[13]]
    assert bad.error is not None
    assert bad.error.code() == TritonError.INTERNAL
    assert bad.error.message().endswith("left is negative")
    assert "\n" not in bad.error.message()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"left": np.zeros((1, 1), np.int64)}, "'right' is missing"),
        ({"left": np.zeros((1, 1), np.int32), "right": np.zeros((1, 1), np.int64)}, "'left' is int32"),
        ({"left": np.zeros((1, 1), np.int64), "right": np.zeros((2, 1), np.int64)}, "same first dimension"),
        ({"left": np.zeros((), np.int64), "right": np.zeros((), np.int64)}, "same first dimension"),
    ],
)
def test_a_request_that_does_not_fit_fails_alone(load: Load, arrays: dict[str, np.ndarray], message: str) -> None:
    """A missing tensor, a wrong type and unequal batches never reach the model."""
    bad, good = load(scripted.Add(), ADD, SUMS).run(arrays, _pair([[1]], [[1]]))
    assert good.array("SUM__0").tolist() == [[11]]
    assert bad.error is not None
    assert bad.error.code() == TritonError.INVALID_ARG
    assert message in bad.error.message()


def test_shapes_that_the_model_cannot_join_fail_alone(load: Load) -> None:
    """Inputs that are well-formed each by itself, but not together."""
    bad, good = load(scripted.Add(), ADD, SUMS).run(_pair([[1, 2, 3]], [[1, 2]]), _pair([[1]], [[1]]))
    assert good.array("SUM__0").tolist() == [[11]]
    assert bad.error is not None
    assert bad.error.code() == TritonError.INTERNAL


def test_inputs_go_by_name_and_outputs_by_number(load: Load) -> None:
    """The order of config.pbtxt does not matter where the names speak."""
    model = load(scripted.Add(), {"right": "INT64", "left": "INT64"}, {"CALLS__1": "INT64", "SUM__0": "INT64"})
    (answer,) = model.run(_pair([[1]], [[2]]))
    assert answer.array("SUM__0").tolist() == [[21]]
    assert answer.array("CALLS__1").tolist() == [[1]]


def test_inputs_without_names_keep_their_order(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    """It works, with a warning, because a mistake could not be noticed."""
    model = load(scripted.Add(), {"a": "INT64", "b": "INT64"}, {"x": "INT64", "y": "INT64"})
    (answer,) = model.run({"a": np.array([[1]]), "b": np.array([[2]])})
    assert answer.array("x").tolist() == [[21]]
    assert "['a', 'b']" in caplog.text
    assert "['x', 'y']" in caplog.text


def test_a_single_tensor_needs_no_tuple(load: Load) -> None:
    """And one output left over of one result needs no name of its own."""
    (answer,) = load(scripted.Single(), {"x": "FP32"}, {"y": "FP32"}).run({"x": np.array([[1.5]], np.float32)})
    assert answer.array("y").tolist() == [[3.0]]


def test_without_a_batch_requests_run_one_by_one(load: Load) -> None:
    """With max_batch_size 0 the first dimension is the model's own."""
    first, second = load(scripted.Single(), {"x": "FP32"}, {"y": "FP32"}, batch=0).run(
        {"x": np.array([1, 2], np.float32)}, {"x": np.array([3], np.float32)}
    )
    assert first.array("y").tolist() == [2, 4]
    assert second.array("y").tolist() == [6]


def test_lists_are_counted_when_they_come(load: Load) -> None:
    """A list that is too short for the outputs is an error of that request, not of the model's load."""
    model = load(scripted.Listed(), {"x": "FP32"}, {"OUT__0": "FP32", "OUT__1": "FP32"}, batch=0)
    good, bad = model.run({"x": np.array([[1], [2]], np.float32)}, {"x": np.array([[3]], np.float32)})
    assert good.array("OUT__1").tolist() == [2]
    assert bad.error is not None
    assert "forward() gives 1" in bad.error.message()


def test_a_result_of_another_type_is_an_error(load: Load) -> None:
    """Triton would read the bytes as what config.pbtxt says."""
    (answer,) = load(scripted.Single(), {"x": "FP32"}, {"y": "FP64"}).run({"x": np.zeros((1, 1), np.float32)})
    assert answer.error is not None
    assert "float32 for 'y', config.pbtxt says float64" in answer.error.message()


def test_a_result_without_the_batch_is_an_error(load: Load) -> None:
    """Rows that cannot be told apart are given to nobody."""
    (answer,) = load(scripted.Mean(), {"x": "FP32"}, {"y": "FP32"}).run({"x": np.zeros((2, 1), np.float32)})
    assert answer.error is not None
    assert "for a batch of 2" in answer.error.message()


@pytest.mark.parametrize(("value", "expected"), [("true", 1.0), ("false", 0.0)])
def test_inference_mode_holds_in_the_call(load: Load, value: str, expected: float) -> None:
    """As INFERENCE_MODE says, in whichever thread Triton calls."""
    model = load(scripted.Modes(), {"x": "FP32"}, {"y": "FP32"}, INFERENCE_MODE=value)
    (answer,) = model.run({"x": np.zeros((1, 1), np.float32)})
    assert answer.array("y").tolist() == [[expected]]


def test_triton_s_memory_is_not_written_to(load: Load) -> None:
    """A model that works in place works on a copy, also of memory that is read-only."""
    array = np.array([[1]], np.float32)
    array.setflags(write=False)
    (answer,) = load(scripted.Greedy(), {"x": "FP32"}, {"y": "FP32"}).run({"x": array})
    assert answer.array("y").tolist() == [[2]]
    assert array.tolist() == [[1]]


def test_threads_are_set(load: Load) -> None:
    """INTRA_OP_THREAD_COUNT is PyTorch's number of threads."""
    before = torch.get_num_threads()
    try:
        load(scripted.Single(), {"x": "FP32"}, {"y": "FP32"}, INTRA_OP_THREAD_COUNT="3")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("device", "told"), [("cuda:1", [(0.25, "cuda:1")]), ("cpu", [])])
def test_gpu_memory_is_limited(
    load: Load, monkeypatch: pytest.MonkeyPatch, device: str, told: list[tuple[float, str]]
) -> None:
    """PyTorch is told the share, and of which GPU; on a CPU there is nothing to limit, and the model loads."""
    load(scripted.Single(), {"x": "FP32"}, {"y": "FP32"}, GPU_MEMORY_FRACTION="0.25")
    heard: list[tuple[float, str]] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, of: heard.append((share, str(of))))
    module = sys.modules["pytorch_backend.module"]
    module._limit_memory(torch.device(device), 0.25)
    module._limit_memory(torch.device(device), None)
    assert heard == told


@pytest.mark.skipif(torch.cuda.is_available(), reason="this PyTorch has CUDA")
def test_a_gpu_that_pytorch_cannot_use_is_not_used(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    """KIND_AUTO on a host with a GPU and a PyTorch for the CPU: it serves, and says so."""
    (answer,) = load(scripted.Single(), {"x": "FP32"}, {"y": "FP32"}, kind="GPU").run(
        {"x": np.ones((1, 1), np.float32)}
    )
    assert answer.array("y").tolist() == [[2]]
    assert "no CUDA" in caplog.text


def test_a_model_may_place_itself(load: Load) -> None:
    """KIND_MODEL leaves the module on the devices it was saved with."""
    (answer,) = load(scripted.Single(), {"x": "FP32"}, {"y": "FP32"}, kind="MODEL").run(
        {"x": np.ones((1, 1), np.float32)}
    )
    assert answer.array("y").tolist() == [[2]]


@pytest.mark.parametrize(
    ("module", "inputs", "outputs", "message"),
    [
        (None, {"x": "FP32"}, {"y": "FP32"}, r"model\.pt does not exist"),
        (scripted.Add(), {"left": "INT64"}, SUMS, "lists 1 inputs"),
        (scripted.Add(), ADD, {"OUT__2": "INT64"}, "forward\\(\\) gives 2"),
        (scripted.Single(), {"x": "STRING"}, {"y": "FP32"}, "TYPE_STRING"),
        (scripted.Scaled(), {"x": "FP32", "factor": "FP32"}, {"y": "FP32"}, "'factor' as float"),
        (scripted.Named(), {"x": "FP32"}, {"y": "FP32"}, "only a tensor, a tuple or a list"),
    ],
)
def test_what_cannot_work_fails_at_load(
    load: Load, module: torch.nn.Module | None, inputs: dict[str, str], outputs: dict[str, str], message: str
) -> None:
    """With Triton's own exception, whose message says what to change."""
    with pytest.raises(python_backend.TritonModelException, match=message):
        load(module, inputs, outputs)


def test_a_file_that_is_no_torchscript_fails_at_load(load: Load, tmp_path: Path) -> None:
    """Weights saved by torch.save are the usual mistake."""
    (tmp_path / "1").mkdir()
    torch.save({"weight": torch.zeros(1)}, tmp_path / "1" / "model.pt")
    with pytest.raises(python_backend.TritonModelException, match=r"torch\.jit\.save"):
        load(None, {"x": "FP32"}, {"y": "FP32"})


def test_finalize_lets_the_module_go(load: Load) -> None:
    """Its memory is free when Triton unloads the model, not when the process ends."""
    import weakref

    model = load(scripted.Single(), {"x": "FP32"}, {"y": "FP32"})
    module = weakref.ref(model.model._instance._module._module)
    assert module() is not None
    model.model.finalize()
    assert module() is None
