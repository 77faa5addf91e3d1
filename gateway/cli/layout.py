"""Where everything lies in the checkout."""

from dataclasses import dataclass
from pathlib import Path

from gateway.cli.errors import Problem

ENVIRONMENTS = ("gateway", "vllm_custom", "pytorch")
"""The three that serving needs. `dev`, for the checks, is a fourth."""


@dataclass(frozen=True)
class Layout:
    """Paths below the root of a checkout. All that set-up makes lies below `.cache`, but for links to weights."""

    root: Path

    @property
    def cache(self) -> Path:
        """Everything that set-up makes; removing it takes the set-up back to nothing."""
        return self.root / ".cache"

    @property
    def requirements(self) -> Path:
        """The lock files."""
        return self.root / "requirements"

    @property
    def model_repository(self) -> Path:
        """Triton's models, as they are served."""
        return self.root / "model_repository"

    @property
    def prepare_scripts(self) -> Path:
        """The programs that turn packages into weights."""
        return self.root / "gateway" / "cli" / "prepare"

    @property
    def pip(self) -> Path:
        """An environment that holds pip and nothing else: it installs into all the others."""
        return self.cache / "pip"

    @property
    def prepare(self) -> Path:
        """What the prepare scripts import, as a folder for PYTHONPATH."""
        return self.cache / "prepare"

    @property
    def testtools(self) -> Path:
        """pytest, as a folder for PYTHONPATH beside any environment."""
        return self.cache / "testtools"

    @property
    def triton(self) -> Path:
        """The unpacked wheel that carries tritonserver."""
        return self.cache / "triton"

    @property
    def backends(self) -> Path:
        """Triton's --backend-directory."""
        return self.cache / "backends"

    @property
    def models(self) -> Path:
        """Prepared weights; the model repository links here."""
        return self.cache / "models"

    @property
    def set_up_lock(self) -> Path:
        """Held by a set-up at work."""
        return self.cache / "setup.lock"

    @property
    def use_lock(self) -> Path:
        """Held, together, by all that is served from this checkout."""
        return self.cache / "use.lock"

    @property
    def logs(self) -> Path:
        """What pip, Triton and the gateway wrote."""
        return self.cache / "logs"

    def environment(self, name: str) -> Path:
        """A virtual environment."""
        return self.cache / "envs" / name

    def python(self, name: str) -> Path:
        """The interpreter of a virtual environment."""
        return self.environment(name) / "bin" / "python"

    @property
    def is_checkout(self) -> bool:
        """Whether the lock files and the models are here, which an installed package has not."""
        return self.requirements.is_dir() and self.model_repository.is_dir()


def find_layout() -> Layout:
    """The layout of the checkout that this file is in; of an installed package, of the folder that it is installed in."""
    return Layout(Path(__file__).resolve().parents[2])


def need_checkout(layout: Layout, command: str) -> None:
    """Raises a Problem where the command was started from an installed package."""
    if not layout.is_checkout:
        raise Problem(
            f"`{command}` makes environments, models and Triton from a checkout, and {layout.root} is none.",
            f"clone the project's repository and run `make {command}` there;"
            " `triton-gateway serve --triton HOST:PORT` serves a Triton that runs already.",
        )
