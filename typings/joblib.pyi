from pathlib import Path
from typing import Any

def load(path: Path) -> Any: ...  # a pickle: whatever was put into it
