"""Where the weights come from: files inside installed Python packages, found without importing those packages."""

import importlib.util
from pathlib import Path


class SourceMissing(Exception):
    """The package that carries the weights is not installed, or is not the version that the script knows."""


def package_file(package: str, *parts: str) -> Path:
    """The path of a file or folder in a top-level package.

    The package is not imported: one of them loads its whole model on import, another wants a library we leave out.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceMissing(f"The package {package} is not installed in this environment.")
    path = Path(next(iter(spec.submodule_search_locations)), *parts)
    if not path.exists():
        raise SourceMissing(f"The package {package} holds no {'/'.join(parts)}: another version is installed.")
    return path
