"""Finds the source of the weights: files inside installed Python packages, without importing those packages."""

import importlib.util
from pathlib import Path


class SourceMissing(Exception):
    """The package with the weights is not installed, or is not the version that the script knows."""


def package_file(package: str, *parts: str) -> Path:
    """The path of a file or folder in a top-level package.

    The package is not imported: one of them loads its whole model on import, another needs a library that we do not install.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceMissing(f"The package {package} is not installed in this environment.")
    path = Path(next(iter(spec.submodule_search_locations)), *parts)
    if not path.exists():
        raise SourceMissing(f"The package {package} holds no {'/'.join(parts)}: another version is installed.")
    return path
