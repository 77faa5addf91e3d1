"""What has to be true of the Python that runs this: Triton's stub embeds it."""

import ctypes
import importlib.util
import sys
import sysconfig
from pathlib import Path


def shared_library() -> Path | None:
    """The folder's file libpython3.x.so.1.0, or None where this Python was built without one (or it is not installed)."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    return next((folder / name for folder in _folders() if (folder / name).is_file()), None)


def loads(library: Path) -> bool:
    """Whether the dynamic linker takes it."""
    try:
        ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


def lacks_venv() -> bool:
    """Whether a distribution has split off what `python -m venv` needs."""
    return any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip"))


def _folders() -> list[Path]:
    # The configured folder is wrong in Pythons that were built elsewhere and unpacked here; those have it below the prefix.
    configured = str(sysconfig.get_config_var("LIBDIR") or "")
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or "")
    prefix = Path(sys.base_prefix)
    folders = [Path(configured), Path(configured, multiarch), prefix / "lib", prefix / "lib64"]
    return [*folders, prefix / "lib" / multiarch, Path("/usr/lib", multiarch), Path("/lib", multiarch)]
