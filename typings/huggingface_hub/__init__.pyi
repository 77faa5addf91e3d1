# What the backend and gateway/cli/hub use; the library is not installed where the types are checked.
from collections.abc import Sequence
from typing import Literal

from . import constants as constants

class RepoSibling:
    rfilename: str
    size: int | None

class ModelInfo:
    sha: str | None
    siblings: list[RepoSibling] | None

class HfApi:
    def __init__(self, *, token: str | bool | None = None) -> None: ...
    def model_info(
        self, repo_id: str, *, revision: str | None = None, timeout: float | None = None, files_metadata: bool = False
    ) -> ModelInfo: ...

def hf_hub_download(
    repo_id: str, filename: str, *, revision: str | None = None, token: str | Literal[False] | None = None
) -> str: ...
def snapshot_download(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | Literal[False] | None = None,
    allow_patterns: Sequence[str] | None = None,
    max_workers: int = 8,
) -> str: ...
def try_to_load_from_cache(repo_id: str, filename: str, *, revision: str | None = None) -> str | object | None: ...
