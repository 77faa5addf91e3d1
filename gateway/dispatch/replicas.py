"""Runs a call with a single result on the least busy Triton, and once more on another if that one is unavailable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway import request_record
from gateway.errors import Unavailable
from gateway.models.catalog import Catalog
from gateway.triton.client import TritonClient

T = TypeVar("T")


async def on_a_replica(catalog: Catalog, model: str, attempt: Callable[[TritonClient], Awaitable[T]]) -> T:
    """The result of `attempt`. Raises what that raises, and Unavailable when no Triton has the model."""
    replicas = catalog.replicas(model)[:2]
    for client in replicas[:-1]:
        try:
            return await attempt(client)
        except Unavailable:
            request_record.current().retried(model)
    return await attempt(replicas[-1])
