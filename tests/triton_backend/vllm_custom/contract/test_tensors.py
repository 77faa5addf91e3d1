"""A request's tensors."""

from __future__ import annotations

import numpy as np

from tests.fakes.triton_python_backend import InferenceRequest, Tensor


def only_error(sender):
    (record,) = sender.finish()
    assert record[1] == "error"
    return record


def test_doubled_envelope_is_refused(start):
    """A request with two elements in the tensor has an answer too."""
    doubled = Tensor("request", np.array([b"{}", b"{}"], dtype=np.object_))
    assert only_error(start().send(InferenceRequest(tensors=[doubled])))[5] == "request"
