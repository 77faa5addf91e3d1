"""Which GPUs an engine gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.errors import ConfigError
from vllm_custom.gpus.inventory import Gpu, Inventory
from vllm_custom.gpus.placement import PlacementRequest, devices_needed, place

FOUR = Inventory(tuple(Gpu(f"GPU-{letter * 4}", "H100") for letter in "abcd"))
SLICED = Inventory((Gpu("GPU-aaaa", "H100", ("MIG-1111", "MIG-2222")), Gpu("GPU-bbbb", "H100")))


def placed(ids=(), shown=None, inventory=FOUR, kind="MODEL", device=0, **arguments):
    request = PlacementRequest("toy/1/model.json", arguments, ids, kind, device)
    return place(request, {} if shown is None else {"CUDA_VISIBLE_DEVICES": shown}, inventory)


def refusal(*args, **keys):
    with pytest.raises(ConfigError) as refused:
        placed(*args, **keys)
    message = str(refused.value)
    assert message.startswith("toy/1/model.json: ")
    return message


@pytest.mark.parametrize(
    ("ids", "shown", "expected", "devices"),
    [
        ([1], None, "1", ("GPU-bbbb",)),
        (["1"], None, "1", ("GPU-bbbb",)),
        ([0], "2,3", "2", ("GPU-cccc",)),
        ([1], " 3 , 2 ", "2", ("GPU-cccc",)),
        ([0], "GPU-cccc,GPU-aaaa", "GPU-cccc", ("GPU-cccc",)),
        ([1], "GPU-c,GPU-a", "GPU-aaaa", ("GPU-aaaa",)),
        (["GPU-bb"], None, "GPU-bbbb", ("GPU-bbbb",)),
        (["GPU-cccc"], "2,3", "GPU-cccc", ("GPU-cccc",)),
        (["GPU-cccc"], "GPU-a,GPU-c", "GPU-cccc", ("GPU-cccc",)),
    ],
)
def test_one_device_is_chosen_among_the_visible(ids, shown, expected, devices):
    """A number counts among what is shown, and a UUID must be shown; either may be cut short outside."""
    placement = placed(ids, shown)
    assert placement.environment == {"CUDA_VISIBLE_DEVICES": expected}
    assert placement.devices == devices


@pytest.mark.parametrize(
    ("ids", "shown", "expected"),
    [
        ([1], "GPU-c,GPU-a", "GPU-a"),
        (["GPU-cccc"], "GPU-c,GPU-a", "GPU-cccc"),
        (["GPU-c"], "GPU-cccc,GPU-a", "GPU-cccc"),
        (["MIG-1111"], None, "MIG-1111"),
        ([3], None, "3"),
    ],
)
def test_host_that_lists_nothing_gets_what_is_written(ids, shown, expected):
    """Without nvidia-smi the names alone must do."""
    placement = placed(ids, shown, None)
    assert placement.environment == {"CUDA_VISIBLE_DEVICES": expected}
    assert placement.devices == (expected,)


@pytest.mark.parametrize(
    ("ids", "shown", "inventory", "named"),
    [
        ([4], None, FOUR, "numbers below 4"),
        ([2], "2,3", FOUR, "numbers below 2"),
        ([0], "", FOUR, "hides all GPUs"),
        ([-1], None, FOUR, "gpu_device_ids has '-1'"),
        (["cuda:0"], None, FOUR, "begins with GPU- or MIG-"),
        ([""], None, FOUR, "a number, or a UUID"),
        (["GPU-eeee"], None, FOUR, "GPU-aaaa, GPU-bbbb, GPU-cccc, GPU-dddd"),
        (["GPU-"], None, FOUR, "not exactly one"),
        (["GPU-aaaa"], "2,3", FOUR, "CUDA_VISIBLE_DEVICES=2,3 shows 2"),
        (["GPU-aaaa"], "GPU-cccc", FOUR, "CUDA_VISIBLE_DEVICES=GPU-cccc shows 1"),
        (["GPU-aaaa"], "0,1", None, "its number among them"),
        (["GPU-aaaa"], "GPU-bbbb", None, "one of those"),
        ([0], None, SLICED, "MIG-1111, MIG-2222"),
        (["GPU-aaaa"], None, SLICED, "divided into MIG devices"),
        (["MIG-2222"], "MIG-1111", SLICED, "CUDA_VISIBLE_DEVICES=MIG-1111 shows 1"),
        (["MIG-2222"], "GPU-bbbb", SLICED, "CUDA_VISIBLE_DEVICES=GPU-bbbb shows 1"),
    ],
)
def test_device_that_cannot_be_had_is_refused(ids, shown, inventory, named):
    """The message says what there is, and what to write."""
    message = refusal(ids, shown, inventory)
    assert named in message
    assert "Write" in message


def test_order_is_kept():
    """The first device is the first rank's."""
    placement = placed([3, 1], tensor_parallel_size=2)
    assert placement.environment == {"CUDA_VISIBLE_DEVICES": "3,1"}
    assert placement.devices == ("GPU-dddd", "GPU-bbbb")


def test_numbers_and_uuids_are_not_mixed():
    """CUDA would take the first kind only, so all become UUIDs, or none can."""
    environment = placed([0, "GPU-cccc"], tensor_parallel_size=2).environment
    assert environment == {"CUDA_VISIBLE_DEVICES": "GPU-aaaa,GPU-cccc"}
    assert "UUIDs alone" in refusal([0, "GPU-cccc"], None, None, tensor_parallel_size=2)


@pytest.mark.parametrize("ids", [[0, 0], [0, "0"], [0, "GPU-aaaa"], ["GPU-a", "GPU-aaaa"]])
def test_device_twice_is_refused(ids):
    """By whatever names."""
    assert "twice" in refusal(ids, tensor_parallel_size=2)


@pytest.mark.parametrize(
    ("ids", "arguments", "lines"),
    [
        ([0], {"tensor_parallel_size": 2}, ['"tensor_parallel_size": 1', "2 in gpu_device_ids"]),
        ([0, 1], {}, ['"tensor_parallel_size": 2', "1 in gpu_device_ids"]),
        (
            [0, 1],
            {"tensor_parallel_size": 2, "pipeline_parallel_size": 2},
            ["tensor_parallel_size * pipeline_parallel_size is 4", '"tensor_parallel_size": 1', "4 in gpu_device_ids"],
        ),
        ([0], {"pipeline_parallel_size": 2}, ["Write 2 in gpu_device_ids"]),
        ([0, 1, 2], {"data_parallel_size": 2}, ["data_parallel_size is 2", "2 in gpu_device_ids"]),
    ],
)
def test_number_of_devices_must_suit_the_model(ids, arguments, lines):
    """Too few is as wrong as too many, of which some would idle."""
    message = refusal(ids, **arguments)
    assert all(line in message for line in lines), message


@pytest.mark.parametrize(
    ("shown", "arguments", "devices"),
    [
        (None, {}, ("GPU-aaaa",)),
        (None, {"tensor_parallel_size": 2}, ("GPU-aaaa", "GPU-bbbb")),
        (None, {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, FOUR.uuids),
        ("3,2", {"tensor_parallel_size": "2"}, ("GPU-dddd", "GPU-cccc")),
        ("GPU-d,GPU-c", {}, ("GPU-dddd",)),
    ],
)
def test_without_a_choice_the_first_visible_are_taken(shown, arguments, devices):
    """As vLLM does; what is visible stays so."""
    assert placed((), shown, **arguments).devices == tuple(devices)


def test_visible_uuids_are_written_out_for_vllm():
    """Blanks and short UUIDs, which CUDA takes, are not passed on."""
    assert placed((), "GPU-d, GPU-c").environment == {"CUDA_VISIBLE_DEVICES": "GPU-dddd,GPU-cccc"}
    assert placed(()).environment == {}


@pytest.mark.parametrize(
    ("shown", "inventory", "arguments", "named"),
    [
        (None, FOUR, {"tensor_parallel_size": 8}, 'this host has 4. Write "tensor_parallel_size": 4, or'),
        ("2,3", None, {"tensor_parallel_size": 3}, 'CUDA_VISIBLE_DEVICES=2,3 shows 2. Write "tensor_parallel_size": 2'),
        ("", FOUR, {}, "CUDA_VISIBLE_DEVICES= hides all GPUs"),
        ("2,3", FOUR, {"pipeline_parallel_size": 3}, '"distributed_executor_backend": "ray"'),
    ],
)
def test_too_few_visible_is_refused(shown, inventory, arguments, named):
    """Before vLLM is imported, with the size that would fit."""
    assert named in refusal((), shown, inventory, **arguments)


def test_unknown_host_is_left_to_vllm():
    """Nothing is visible by name, and nothing listed: no check is possible."""
    placement = placed((), None, None, tensor_parallel_size=8)
    assert (placement.environment, placement.devices) == ({}, ())


@pytest.mark.parametrize(
    "arguments",
    [
        {"distributed_executor_backend": "ray"},
        {"data_parallel_backend": "ray", "data_parallel_size": 4},
        {"distributed_executor_backend": "external_launcher"},
        {"data_parallel_size": 2, "data_parallel_size_local": 0},
    ],
)
@pytest.mark.parametrize("shown", [None, "", "0"])
def test_devices_elsewhere_are_not_counted_here(shown, arguments):
    """Ray finds them: what this host has decides nothing, and nothing of the environment is touched."""
    placement = placed((), shown, FOUR, tensor_parallel_size=16, **arguments)
    assert (placement.environment, placement.devices) == ({}, ())
    assert "no gpu_device_ids" in refusal([0], shown, FOUR, tensor_parallel_size=16, **arguments)
    assert "KIND_MODEL" in refusal((), shown, FOUR, kind="GPU", tensor_parallel_size=16, **arguments)


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ({}, 1),
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 3}, 6),
        ({"tensor_parallel_size": 2, "prefill_context_parallel_size": 2}, 4),
        ({"tensor_parallel_size": 2, "data_parallel_size": 4, "data_parallel_size_local": 2}, 4),
        ({"tensor_parallel_size": 8, "pipeline_parallel_size": 2, "nnodes": 2}, 8),
        ({"data_parallel_size": 2, "nnodes": 2}, None),
        ({"distributed_executor_backend": "mp", "tensor_parallel_size": 2}, 2),
        ({"tensor_parallel_size": None, "data_parallel_size_local": None}, 1),
    ],
)
def test_devices_are_counted_for_this_host(arguments, needed):
    """Every process has its own."""
    assert devices_needed(PlacementRequest("f", arguments)) == needed


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "two", [2]])
def test_size_that_is_no_number_is_refused(value):
    """With its name."""
    assert "tensor_parallel_size is" in refusal((), tensor_parallel_size=value)


@pytest.mark.parametrize(
    ("shown", "gpu", "inventory", "expected"),
    [
        (None, 1, FOUR, "1"),
        (None, 1, None, "1"),
        ("2,3", 0, FOUR, "2"),
        ("2,3", 1, None, "3"),
        ("GPU-aaaa,MIG-bbbb", 1, None, "MIG-bbbb"),
        ("GPU-d,GPU-b", 1, FOUR, "GPU-bbbb"),
    ],
)
def test_gpu_of_the_instance_group_is_counted_within_those_shown(shown, gpu, inventory, expected):
    """KIND_GPU: one of the devices that Triton itself was shown, by whatever name."""
    placement = placed((), shown, inventory, "GPU", gpu)
    assert placement.environment == {"CUDA_VISIBLE_DEVICES": expected}


def test_gpu_of_the_instance_group_is_for_small_models():
    """As NVIDIA's backend has it: KIND_GPU is one GPU."""
    assert "kind: KIND_MODEL" in refusal((), kind="GPU", tensor_parallel_size=2)
    assert "Triton chose GPU 5" in refusal((), kind="GPU", device=5)


def test_gpu_of_the_instance_group_and_own_choice_must_agree():
    """Triton writes KIND_GPU itself where config.pbtxt says nothing, so the same device is no contradiction."""
    assert placed([1], kind="GPU", device=1).devices == ("GPU-bbbb",)
    assert placed(["GPU-b"], kind="GPU", device=1).devices == ("GPU-bbbb",)
    assert "KIND_GPU in config.pbtxt chose GPU 1" in refusal([0], kind="GPU", device=1)


@pytest.mark.parametrize("kind", ["CPU", "MODEL", "AUTO"])
def test_other_kinds_leave_the_choice(kind):
    """Triton's device number means nothing then."""
    assert placed((), kind=kind, device=3).environment == {}
    assert placed([2], kind=kind, device=3).devices == ("GPU-cccc",)


@pytest.mark.parametrize("ids", [["MIG-2222"], ["MIG-2"]])
@pytest.mark.parametrize("shown", [None, "MIG-2222", "GPU-aaaa", "0"])
def test_mig_device_is_chosen_by_its_uuid(ids, shown):
    """Also where the whole GPU is shown."""
    placement = placed(ids, shown, SLICED)
    assert placement.environment == {"CUDA_VISIBLE_DEVICES": "MIG-2222"}
    assert placement.devices == ("MIG-2222",)


def test_several_mig_devices_are_refused():
    """CUDA shows a process the first of them only."""
    assert "one MIG device" in refusal(["MIG-1111", "MIG-2222"], None, SLICED, tensor_parallel_size=2)


def test_two_ways_to_choose_are_refused():
    """vLLM has an argument of its own, which is left alone."""
    assert "device_ids both choose" in refusal([0], device_ids=[1])
    assert placed((), "2,3", device_ids=[1]).environment == {}


HOSTS = st.integers(1, 8).map(lambda n: Inventory(tuple(Gpu(f"GPU-{i:08x}", "H100") for i in range(n))))


@st.composite
def choices(draw):
    """A host, what is visible of it by one kind of names, and a choice among that by any."""
    host = draw(HOSTS)
    shown = draw(st.lists(st.sampled_from(range(len(host.gpus))), min_size=1, unique=True))
    by_uuid = draw(st.booleans())
    value = ",".join(host.gpus[i].uuid if by_uuid else str(i) for i in shown)
    places = draw(st.lists(st.sampled_from(range(len(shown))), min_size=1, unique=True))
    ids = [draw(st.sampled_from([place, str(place), host.gpus[shown[place]].uuid])) for place in places]
    return host, value, ids, [host.gpus[shown[place]].uuid for place in places]


@given(choices())
def test_composition_gives_the_device_that_is_meant(choice):
    """However the devices are named inside and outside, the same ones come out, and nothing that was hidden."""
    host, value, ids, meant = choice
    placement = placed(ids, value, host, tensor_parallel_size=len(ids))
    assert list(placement.devices) == meant
    # And what is written says the same to CUDA, read in a process of its own without a choice.
    again = placed((), placement.environment["CUDA_VISIBLE_DEVICES"], host, tensor_parallel_size=len(ids))
    assert list(again.devices) == meant
    assert set(meant) <= set(placed((), value, host, tensor_parallel_size=1 + value.count(",")).devices)


@given(choices(), st.text(alphabet="0123GPUMIG-a,", max_size=6))
def test_any_text_is_placed_or_refused(choice, text):
    """Nothing but a ConfigError, and never a device that is hidden."""
    host, value, _, _ = choice
    try:
        placement = placed([text], value, host)
    except ConfigError:
        return
    assert set(placement.devices) <= set(placed((), value, host, tensor_parallel_size=1 + value.count(",")).devices)
