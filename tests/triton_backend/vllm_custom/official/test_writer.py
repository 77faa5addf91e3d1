"""Records to NVIDIA's tensors, however they are cut into shipments."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.plan import Plan
from vllm_custom.contract.records import coalesce
from vllm_custom.official import tensors
from vllm_custom.official.request import Wanted
from vllm_custom.official.writer import OfficialWriter, PendingChoice

from tests.fakes.triton_python_backend import ResponseSender

DOCUMENT = Path(__file__).parents[4] / "docs" / "backend.md"
EVERYTHING = Wanted(True, True, True, True, True, prompt="P")

generated = st.tuples(st.integers(0, 2), st.text(max_size=3), st.integers(0, 3))


def record(choice, text, count, total):
    extra = {"logprobs": [{"1": {"logprob": -1.0}}] * count, "cumulative_logprob": [-float(total)]}
    return ["rid", "delta", choice, text, count, extra]


def shipments(deltas, cuts):
    """The records of an answer with three choices, cut at random places, as the outbox ships them."""
    totals, records = [0, 0, 0], [["rid", "accepted", None, {"prompt_tokens": 4}]]
    for choice, text, count in deltas:
        totals[choice] += count
        records.append(record(choice, text, count, totals[choice]))
    records += [["rid", "end", choice, "stop", None, None] for choice in range(3)]
    edges = [0, *sorted(cut % len(records) for cut in cuts), len(records)]
    pieces = [records[start:stop] for start, stop in itertools.pairwise(edges)]
    return [(coalesce(piece), number == len(pieces) - 1) for number, piece in enumerate(pieces)]


@given(st.lists(generated, max_size=12), st.lists(st.integers(0, 100), max_size=6))
def test_answer_does_not_depend_on_the_cuts(deltas, cuts):
    """Texts, counts and log probabilities add up, every response is complete, and none but the last is empty."""
    writer, sender = OfficialWriter(), ResponseSender()
    writer.expect(EVERYTHING)
    writer.open("rid", Plan(3, 4, 1, token_ids=False))
    for records, final in shipments(deltas, cuts):
        writer.write(sender, records, final=final)
    outputs = sender.finish_outputs()
    for choice in range(3):
        mine = [(text, count) for index, text, count in deltas if index == choice]
        text = b"".join(output["text_output"][choice] for output in outputs)
        assert text == ("P" + "".join(text for text, _ in mine)).encode("utf-8", "replace")
        tokens = sum(count for _, count in mine)
        assert sum(output["num_output_tokens"][choice] for output in outputs) == tokens
        lists = [json.loads(output["logprobs"][choice]) for output in outputs]
        assert sum(len(logprobs or ()) for logprobs in lists) == tokens
        assert outputs[-1]["cumulative_logprob"][choice] == -tokens
        assert outputs[-1]["finish_reason"][choice] == b"stop"
    assert all(sum(output["num_output_tokens"]) for output in outputs[:-1])
    assert all(output["num_input_tokens"] == [4] for output in outputs)


def test_every_tensor_is_documented():
    """The page names each input and each output."""
    page = DOCUMENT.read_text(encoding="utf-8")
    missing = [tensor["name"] for tensor in (*tensors.INPUTS, *tensors.OUTPUTS) if f"`{tensor['name']}`" not in page]
    assert not missing


def test_sum_that_the_engine_does_not_have_is_not_a_number():
    """As numpy makes of vLLM's None."""
    choice = PendingChoice("")
    choice.add("a", 1, {"cumulative_logprob": [None]})
    assert math.isnan(choice.cumulative_logprob)
