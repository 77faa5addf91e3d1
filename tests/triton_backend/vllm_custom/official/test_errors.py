"""Our errors in NVIDIA's words."""

from __future__ import annotations

import pytest
from vllm_custom.errors import BackendError
from vllm_custom.official import errors

from tests.fakes.triton_python_backend import TritonError


def test_every_type_has_one_of_tritons_codes():
    """None is left out, and each code is one that Triton has."""
    assert errors.STATUS.keys() == {cls.type for cls in BackendError.__subclasses__()}
    assert all(hasattr(TritonError, code) for code in errors.STATUS.values())


@pytest.mark.parametrize(
    ("type_", "code", "read"),
    [
        ("internal", None, "Error generating stream: why"),
        ("not_found", errors.EARLY, "why"),
        ("cancelled", None, "Request was cancelled"),
        ("cancelled", errors.EARLY, "Request was cancelled"),
    ],
)
def test_message_is_nvidias(type_, code, read):
    """With the prefix of its generating loop, but for what it finds before that, and for a client that has gone."""
    assert errors.message(type_, code, "why") == read


def test_refusals_before_generating_are_marked():
    """The texts that NVIDIA's own tests compare come without a prefix; an unsupported task has one there too."""
    early = [errors.lora_is_off(), errors.lora_is_unknown("x", ["a"]), errors.engine_is_unhealthy()]
    assert {failure.code for failure in early} == {errors.EARLY}
    assert errors.task_is_missing("m", "embed").code is None
