"""What an op of the contract is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..contract.request import Envelope, check_keys
from ..contract.tensors import Message
from ..serving.context import Call, Serving

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """`keys` are those of its envelope besides `v`, `op` and `rid`.

    `read` makes a value of envelope and tensors, and raises BadRequest, naming the key at fault. `run` does the work, or
    begins it, and returns at once; it ends the call's life, or sees to it that something else does. A BackendError that
    it raises becomes the answer.
    """

    name: str
    keys: frozenset[str]
    read: Callable[[Envelope, Message], T]
    run: Callable[[Serving, T, Call], None]

    def parse(self, envelope: Envelope, message: Message) -> T:
        """The request's value. Raises BadRequest for an unknown key, and whatever else is wrong with it."""
        check_keys(self.name, envelope, self.keys)
        return self.read(envelope, message)

    def handle(self, serving: Serving, envelope: Envelope, message: Message, call: Call) -> None:
        """Read the request and run it."""
        self.run(serving, self.parse(envelope, message), call)
