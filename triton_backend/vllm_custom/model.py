"""What Triton loads. It puts this folder on sys.path and imports a top-level `model`, once to complete the configuration
and once, in another process, to serve. So nothing heavy is imported here."""

from __future__ import annotations

import importlib.util
import locale
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The stub's locale is C, in which importing torch fails on the first non-ASCII source file.
locale.setlocale(locale.LC_ALL, "C.UTF-8")


def _load_package(name: str, folder: Path) -> None:
    """Make this folder importable as a package, whatever it, or a link to it, is called."""
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} does not hold the package {name}")
    package = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)


_load_package("vllm_custom", Path(__file__).resolve().parent)

from vllm_custom import autocomplete  # noqa: E402  the package exists only from here on

if TYPE_CHECKING:
    import triton_python_backend_utils as pb_utils

    from vllm_custom.instance import Instance


class TritonPythonModel:
    """Triton's interface, handed on to `vllm_custom`."""

    instance: Instance

    @staticmethod
    def auto_complete_config(auto_complete_model_config: pb_utils.ModelConfig) -> pb_utils.ModelConfig:
        autocomplete.complete(auto_complete_model_config)
        return auto_complete_model_config

    def initialize(self, args: dict[str, Any]) -> None:
        from vllm_custom import launch

        self.instance = launch.launch(args)

    def execute(self, requests: list[pb_utils.InferenceRequest]) -> None:
        for request in requests:
            self.instance.handle(request)

    def is_ready(self) -> bool:
        """Triton calls this from 26.04 on; with older ones a client uses the op `health`."""
        return self.instance.is_ready()

    def finalize(self) -> None:
        from vllm_custom import launch

        self.instance.stop()
        launch.end_process()
