"""The module that Triton imports. It passes every call on to `instance.py`.

Triton puts this folder on the path and imports `model`, also in a second process that only completes configurations. The
rest of the folder is therefore loaded only when a model is loaded, as a package with its own name and by its real path, so
that it can't be confused with a `config` or `module` from elsewhere on the path.
"""

from __future__ import annotations  # the process that completes configurations lacks the types named below

import importlib
import importlib.util
import json
import locale
import logging
import os
import sys
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

PACKAGE = "pytorch_backend"


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        # The stub starts in the C locale, where importing torch fails on the first character beyond ASCII.
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        # OpenMP's threads spin while they wait for each other. Beside another model on the same cores, this made a call of
        # 10 ms take 600 ms. torch reads the variable once, at its import. A value that is set already is kept.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        logging.basicConfig(format=f"%(levelname)s {args['model_name']}: %(message)s")
        _load_package()
        instance = importlib.import_module(f"{PACKAGE}.instance")
        errors = importlib.import_module(f"{PACKAGE}.errors")
        try:
            self._instance: Any = instance.Instance(
                json.loads(args["model_config"]),
                Path(args["model_repository"], args["model_version"]),
                args["model_instance_kind"],
                int(args["model_instance_device_id"]),
            )
        except errors.ConfigError as error:
            raise pb_utils.TritonModelException(str(error)) from error

    def execute(self, requests: list[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        return self._instance.execute(requests)

    def finalize(self) -> None:
        self._instance.close()


def _load_package() -> None:
    """Import this folder as PACKAGE."""
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} cannot be loaded as a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
