from contextlib import AbstractContextManager
from typing import Self

from torch import Tensor, device
from torch.nn import Module

class Error(Exception): ...

class Type:
    def kind(self) -> str: ...
    def elements(self) -> list[Type]: ...

class Argument:
    name: str
    type: Type

class FunctionSchema:
    arguments: list[Argument]
    returns: list[Argument]

class ScriptMethod:
    schema: FunctionSchema

class ScriptModule:
    def __call__(self, *arguments: Tensor) -> object: ...  # a scripted forward() may give anything
    forward: ScriptMethod
    def eval(self) -> Self: ...

def load(path: str, map_location: device | None = ...) -> ScriptModule: ...
def optimized_execution(should_optimize: bool) -> AbstractContextManager[None]: ...
def save(module: ScriptModule, path: str) -> None: ...
def script(module: Module) -> ScriptModule: ...
