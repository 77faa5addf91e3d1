"""JSON objects that NVIDIA's clients send as text."""

from __future__ import annotations

import json
from typing import Any, cast

from ..errors import BadRequest


def read_object(text: str | bytes, name: str, expected: str = "a JSON object") -> dict[str, Any]:
    """The object that `text` holds; raises BadRequest with `name`, which is that of the tensor or parameter."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{name} is not JSON: {error}", param=name) from error
    if not isinstance(document, dict):
        raise BadRequest(f"{name} must be {expected}", param=name)
    return cast("dict[str, Any]", document)
