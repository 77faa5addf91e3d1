from torch import device
from torch.nn import Module

class Argument:
    name: str

class FunctionSchema:
    arguments: list[Argument]

class ScriptMethod:
    schema: FunctionSchema

class ScriptModule(Module):
    forward: ScriptMethod

def load(path: str, map_location: device | None = ...) -> ScriptModule: ...
def save(module: ScriptModule, path: str) -> None: ...
def script(module: Module) -> ScriptModule: ...
