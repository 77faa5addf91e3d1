from pathlib import Path

from torch import Tensor

def load_file(path: Path) -> dict[str, Tensor]: ...
