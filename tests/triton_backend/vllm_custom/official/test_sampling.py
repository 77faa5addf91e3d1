"""Sampling parameters of the official backend."""

from __future__ import annotations

import pytest
from vllm_custom.errors import BadRequest
from vllm_custom.official.sampling import arguments, decode, take_lora

KNOWN = {
    "temperature": float, "max_tokens": int | None, "ignore_eos": bool, "output_kind": int, "_hidden": int,
    "structured_outputs": object,
}  # fmt: skip
STRUCTURED = {"json": str | dict | None, "choice": list[str] | None, "json_object": bool | None, "_backend": str}


def read(**written):
    return arguments(written, KNOWN, STRUCTURED)


def refused(**written):
    with pytest.raises(BadRequest) as refusal:
        read(**written)
    return refusal.value


def test_strings_become_what_the_engine_declares():
    """As NVIDIA's clients write them."""
    assert read(temperature="0", max_tokens="8", ignore_eos="false") == {
        "temperature": 0.0,
        "max_tokens": 8,
        "ignore_eos": False,
    }


def test_null_means_left_out():
    """As with the official backend, null leaves the engine's default."""
    assert decode('{"max_tokens": null, "temperature": 1}') == {"temperature": 1}
    assert decode("") == {}


@pytest.mark.parametrize("text", ["{", "[]", "1", '"a"', "[" * 100_000])
def test_what_is_no_json_object_is_refused(text):
    """The message names the tensor."""
    with pytest.raises(BadRequest, match="sampling_parameters"):
        decode(text)


@pytest.mark.parametrize("name", ["frob", "output_kind", "_hidden", "best_of"])
def test_unknown_key_is_named(name):
    """So are keys of vLLM's class that are not the client's to set."""
    error = refused(**{name: 1})
    assert error.param == name
    assert repr(name) in error.message


def test_bad_value_names_its_key():
    """And says what was expected."""
    error = refused(max_tokens="many")
    assert (error.param, error.message) == ("max_tokens", "max_tokens must be a whole number, not 'many'")


@pytest.mark.parametrize("written", ['{"choice": ["yes", "no"]}', {"choice": ["yes", "no"]}])
def test_structured_outputs_may_be_a_text_or_an_object(written):
    """The official backend takes only a text; from HTTP only that can come, from a tensor either."""
    assert read(structured_outputs=written) == {"structured_outputs": {"choice": ["yes", "no"]}}


def test_guided_decoding_is_the_older_name():
    """With the backend that used to stand in it left out."""
    assert read(guided_decoding={"json": {"type": "object"}, "backend": "xgrammar"}) == {
        "structured_outputs": {"json": {"type": "object"}}
    }
    assert refused(guided_decoding={"json": "{}", "backend": "outlines"}).param == "guided_decoding"


def test_newer_name_wins_over_the_older():
    """As with the official backend."""
    both = read(structured_outputs={"choice": ["a"]}, guided_decoding={"choice": ["b"]})
    assert both["structured_outputs"] == {"choice": ["a"]}


@pytest.mark.parametrize("written", ["{", "[]", 5, {"frob": 1}, {"_backend": "x"}, {"json_object": "maybe"}])
def test_faulty_structured_outputs_are_named(written):
    """A key in it that does not exist is one fault among others."""
    error = refused(structured_outputs=written)
    assert error.param == "structured_outputs"
    assert "structured_outputs" in error.message


def test_adapter_is_taken_out():
    """vLLM's class does not know it."""
    parameters = {"lora_name": "alpaca", "temperature": 0}
    assert take_lora(parameters) == "alpaca"
    assert parameters == {"temperature": 0}
    with pytest.raises(BadRequest, match="lora_name"):
        take_lora({"lora_name": 1})
