"""Where everything lies in the checkout."""

from dataclasses import dataclass
from pathlib import Path

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


def find_layout() -> Layout:
    """The layout of the checkout that this file is in."""
    return Layout(Path(__file__).resolve().parents[2])
