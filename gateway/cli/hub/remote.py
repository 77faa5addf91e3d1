"""Asks the hub about a model, or reads the cache that huggingface_hub keeps."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache

from gateway.cli.errors import Problem
from gateway.cli.hub import failures
from gateway.cli.hub.listing import CONFIG, TOKENIZER_CONFIG, WEIGHTS_INDEX, Listing
from gateway.cli.hub.selection import is_complete

MAIN = "main"
_TIMEOUT_S = 30.0


def look_up(
    model: str, revision: str | None, pinned: str | None, token: Callable[[], str | None], say: Callable[[str], None]
) -> Listing:
    """What there is of the model. `pinned` is the commit that is served already: without a `revision` it stays, and where
    the cache has all of it the hub is not asked. `token` is read only to ask. Raises Problem."""
    if revision is None and pinned is not None and (known := cached(model, pinned)) is not None:
        return known
    wanted = revision or pinned or MAIN
    if constants.HF_HUB_OFFLINE:
        if (known := cached(model, wanted)) is None:
            raise failures.not_cached(model, wanted)
        return known
    known_token = token()
    try:
        return _ask(model, wanted, known_token)
    except failures.FOREIGN as error:
        known = cached(model, wanted) if failures.is_network(error) else None
        if known is None:
            raise failures.problem_of(error, model, wanted, has_token=known_token is not None) from error
        say(
            f"{model}: the hub at {constants.ENDPOINT} can't be reached; the cache has all of commit {known.commit[:12]}"
        )
        return known


def cached(model: str, revision: str) -> Listing | None:
    """The model at that branch, tag or commit if the cache has all that an engine needs of it."""
    if (folder := snapshot(model, revision)) is None:
        return None
    files = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    listing = _listing(model, folder.name, files, lambda name: (folder / name).read_bytes())
    return listing if is_complete(listing) else None


def snapshot(model: str, revision: str) -> Path | None:
    """The folder of the cache with the model's files at that revision."""
    found = try_to_load_from_cache(model, CONFIG, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _ask(model: str, revision: str, token: str | None) -> Listing:
    # False: the library would look for a token itself, and take a byte order mark for a part of it.
    api = HfApi(token=token or False)
    info = api.model_info(model, revision=revision, files_metadata=True, timeout=_TIMEOUT_S)
    commit = str(info.sha)
    files = {file.rfilename: file.size or 0 for file in info.siblings or ()}

    def read(name: str, at: str = commit) -> bytes:
        return Path(hf_hub_download(model, name, revision=at, token=token or False)).read_bytes()

    if CONFIG in files and revision != commit:
        read(CONFIG, revision)  # so that the cache knows the commit of this branch when the hub can't be asked
    return _listing(model, commit, files, read)


def _listing(model: str, commit: str, files: Mapping[str, int], read: Callable[[str], bytes]) -> Listing:
    def content(name: str) -> dict[str, Any]:
        if name not in files:
            return {}
        text = read(name)
        try:
            value = json.loads(text)
        except ValueError as error:
            raise Problem(f"{model}: its {name} is not JSON: {error}.", "choose another revision or model.") from error
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    return Listing(
        name=model,
        commit=commit,
        files=files,
        config=content(CONFIG),
        tokenizer_config=content(TOKENIZER_CONFIG),
        weight_map=content(WEIGHTS_INDEX).get("weight_map") or {},
    )
