"""Requirements on the Python that runs this, because Triton's stub embeds it."""

import ctypes
import importlib.util
import sys
import sysconfig
from pathlib import Path


def shared_library() -> Path | None:
    """The file libpython3.x.so.1.0, or None if this Python was built without it or it is not installed."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    return next((folder / name for folder in _folders() if (folder / name).is_file()), None)


def loads(library: Path) -> bool:
    """Whether the dynamic linker can load it."""
    try:
        ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


def lacks_venv() -> bool:
    """Whether the distribution has moved what `python -m venv` needs into a separate package."""
    return any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip"))


def _folders() -> list[Path]:
    # The configured folder is wrong if Python was built elsewhere and unpacked here; then the file is below the prefix.
    configured = str(sysconfig.get_config_var("LIBDIR") or "")
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or "")
    prefix = Path(sys.base_prefix)
    folders = [Path(configured), Path(configured, multiarch), prefix / "lib", prefix / "lib64"]
    return [*folders, prefix / "lib" / multiarch, Path("/usr/lib", multiarch), Path("/lib", multiarch)]
