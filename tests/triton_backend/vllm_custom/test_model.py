"""How Triton finds the backend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BACKEND = Path(__file__).parents[3] / "triton_backend" / "vllm_custom"

# As the stub does it: the folder is appended to the path, and a top-level `model` is imported.
IMPORT = """
import sys, types
fake = types.ModuleType("triton_python_backend_utils")
sys.modules["triton_python_backend_utils"] = fake
sys.path.append(sys.argv[1])
import model
heavy = {"vllm", "torch", "tokenizers", "transformers", "psutil", "asyncio"} & sys.modules.keys()
import vllm_custom
print(sorted(heavy), vllm_custom.__path__[0], hasattr(model.TritonPythonModel, "auto_complete_config"))
"""


def imported(folder):
    run = subprocess.run(
        [sys.executable, "-I", "-c", IMPORT, str(folder)], capture_output=True, text=True, timeout=15, check=True
    )
    return run.stdout.strip()


def test_backend_is_found_under_any_name(tmp_path):
    """A link with another name, such as `vllm`, works as the folder itself does."""
    link = tmp_path / "vllm"
    link.symlink_to(BACKEND)
    assert imported(BACKEND) == imported(link)
    assert imported(link).split()[-2] == str(BACKEND)


def test_import_for_auto_completion_is_light():
    """The process that completes the configuration imports nothing heavy, and needs of Triton's API the name alone."""
    assert imported(BACKEND).startswith("[]")
