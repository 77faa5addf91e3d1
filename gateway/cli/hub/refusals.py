"""Models that are refused before anything large is downloaded (pure)."""

from collections.abc import Iterator, Set

from gateway.cli.errors import Problem
from gateway.cli.hub.listing import CONFIG, Listing
from gateway.cli.hub.selection import Selection
from gateway.cli.hub.shape import architectures

_ADAPTER = "adapter_config.json"
_MISTRAL = "params.json"
_PICKLES = (".bin", ".pt", ".pth")


def refuse(listing: Listing, selection: Selection, known: Set[str] | None) -> None:
    """Raises Problem for a model that can't be served, or only with code of its own. `known` are the architectures that
    vLLM has code for."""
    for problem in (_format(listing, selection), _custom_code(listing, known)):
        if problem:
            raise problem


def warnings(listing: Listing, known: Set[str] | None) -> Iterator[str]:
    """What the user should know of a model that is not refused."""
    if _has_custom_code(listing):
        yield "it brings code of its own, which is not run: vLLM has its own for this architecture"
    elif known is not None and listing.config and not known & set(architectures(listing.config)):
        named = ", ".join(architectures(listing.config)) or "that it does not name"
        yield f"vLLM has no code of its own for its architecture ({named}): transformers' is tried, which is slower"
    if not any(name.startswith("chat_template") for name in listing.files) and not _has_template(listing):
        yield "it has no chat template: it answers /v1/completions, and no chats"


def _format(listing: Listing, selection: Selection) -> Problem | None:
    files = listing.files
    if CONFIG not in files and _ADAPTER in files:
        what = f"{listing.name} is a LoRA adapter and no whole model."
        return Problem(
            what, f"serve the model that its {_ADAPTER} names; `lora_directory` in model.json loads adapters."
        )
    if not selection.weights:
        return _no_weights(listing)
    if CONFIG not in files:
        fix = "choose a variant for transformers, or write model.json yourself (docs/models.md)."
        own = " only Mistral's own format," if _MISTRAL in files else ""
        return Problem(f"{listing.name} has{own} no {CONFIG}.", fix)
    return None


def _no_weights(listing: Listing) -> Problem:
    fix = "choose a variant of the model with safetensors."
    gguf = any(name.endswith(".gguf") for name in listing.files)
    pickles = any(name.endswith(_PICKLES) for name in listing.files)
    if gguf:
        has = "only GGUF files, which are for llama.cpp"
        fix = "name the model that they were made from."
    elif pickles:
        has = "only pickled weights (.bin), which can run code when they are read"
    else:
        has = "no weights"
    return Problem(f"{listing.name} has {has}: no safetensors.", fix)


def _custom_code(listing: Listing, known: Set[str] | None) -> Problem | None:
    model = "auto_map" in listing.config and not (known and known & set(architectures(listing.config)))
    tokenizer = "auto_map" in listing.tokenizer_config and "tokenizer.json" not in listing.files
    if not model and not tokenizer:
        return None
    what = "it" if model else "its tokenizer"
    return Problem(
        f"{listing.name} is refused: {what} needs Python code from its repository (auto_map).\n"
        "  It would run here with all rights of the server.",
        'choose a model that vLLM has code for (docs.vllm.ai, "Supported Models"). If you have read that code and trust\n'
        'it, write model.json yourself, with "trust_remote_code": true (docs/models.md).',
    )


def _has_custom_code(listing: Listing) -> bool:
    return "auto_map" in listing.config or "auto_map" in listing.tokenizer_config


def _has_template(listing: Listing) -> bool:
    # Mistral's tokenizer has its template in code.
    return bool(listing.tokenizer_config.get("chat_template")) or any(
        name.startswith("tekken") for name in listing.files
    )
