"""The paths of everything in the checkout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway import defaults
from gateway.cli.errors import Problem

ENVIRONMENTS = ("gateway", "vllm_custom", "pytorch")
"""The three environments that serving needs. A fourth, `dev`, is for the checks."""


@dataclass(frozen=True)
class Layout:
    """Paths below the root of a checkout. Set-up writes everything below `.cache`, except for links to weights.

    `cuda` says whether the backends get builds for CUDA. `ready` has folders of environments that somebody else has made,
    by the name of the environment.
    """

    root: Path
    cuda: bool = field(default=False, kw_only=True)
    ready: Mapping[str, Path] = field(default_factory=dict[str, Path], kw_only=True)

    @property
    def cache(self) -> Path:
        """Everything that set-up creates. Removing this folder undoes the set-up."""
        return self.root / ".cache"

    @property
    def requirements(self) -> Path:
        """The lock files."""
        return self.root / "requirements"

    @property
    def model_repository(self) -> Path:
        """The model repository that Triton serves."""
        return self.root / "model_repository"

    @property
    def assets_repository(self) -> Path:
        """A model repository with `assets` alone, for when the models of the checkout are left out."""
        return self.cache / "assets_repository"

    @property
    def hub_models(self) -> Path:
        """The model repositories that `up --model` writes, one for each model of the hub."""
        return self.cache / "hub_models"

    @property
    def prepare_scripts(self) -> Path:
        """The scripts that turn packages into weights."""
        return self.root / "gateway" / "cli" / "prepare"

    @property
    def pip(self) -> Path:
        """An environment that contains only pip, which installs into all the others."""
        return self.cache / "pip"

    @property
    def prepare(self) -> Path:
        """The packages that the prepare scripts import, as a folder for PYTHONPATH."""
        return self.cache / "prepare"

    @property
    def testtools(self) -> Path:
        """pytest, as a folder for PYTHONPATH that works with any environment."""
        return self.cache / "testtools"

    @property
    def triton(self) -> Path:
        """The unpacked wheel that contains tritonserver."""
        return self.cache / "triton"

    @property
    def backends(self) -> Path:
        """Triton's --backend-directory."""
        return self.cache / "backends"

    @property
    def models(self) -> Path:
        """Prepared weights; the model repository links to them."""
        return self.cache / "models"

    @property
    def set_up_lock(self) -> Path:
        """The lock that a running set-up holds."""
        return self.cache / "setup.lock"

    @property
    def use_lock(self) -> Path:
        """The shared lock that everything holds that serves from this checkout."""
        return self.cache / "use.lock"

    @property
    def running(self) -> Path:
        """How the Triton that runs can be reached; see supervise/endpoint.py. Of a checkout, or of this user in an image."""
        return (self.cache if self.is_checkout else defaults.state_dir()) / "running.json"

    @property
    def logs(self) -> Path:
        """The logs of pip, Triton and the gateway."""
        return self.cache / "logs"

    def environment(self, name: str) -> Path:
        """A virtual environment."""
        return self.cache / "envs" / name

    def python(self, name: str) -> Path:
        """The interpreter of a virtual environment."""
        return self.environment(name) / "bin" / "python"

    @property
    def is_checkout(self) -> bool:
        """Whether the lock files and the models exist here; an installed package does not have them."""
        return self.requirements.is_dir() and self.model_repository.is_dir()


def find_layout() -> Layout:
    """The layout of the checkout that contains this file; for an installed package, of its installation folder."""
    return Layout(Path(__file__).resolve().parents[2])


def need_checkout(layout: Layout, command: str) -> None:
    """Raises a Problem if the command was started from an installed package."""
    if not layout.is_checkout:
        raise Problem(
            f"`{command}` makes environments, models and Triton from a checkout, and {layout.root} is none.",
            f"clone the project's repository and run `make {command}` there;"
            " `triton-gateway serve --triton HOST:PORT` serves a Triton that runs already.",
        )
