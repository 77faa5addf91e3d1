"""All of it in order: what the hub has, whether it fits, the download, the files."""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial

from gateway.cli.console import complain, say, show_any_text, stop_printing
from gateway.cli.errors import Problem, Stopped
from gateway.cli.gpus import nvidia_smi
from gateway.cli.hub import (
    cpu_sizing,
    families,
    folder,
    gpu_sizing,
    hardware,
    hub_token,
    installed,
    model_files,
    options,
    refusals,
    remote,
)
from gateway.cli.hub.download import download
from gateway.cli.hub.families import Parsers
from gateway.cli.hub.hardware import GB, Machine
from gateway.cli.hub.listing import Listing
from gateway.cli.hub.options import Options
from gateway.cli.hub.selection import Selection, select
from gateway.cli.hub.shape import Shape, shape_of
from gateway.cli.hub.sizing import Sizes
from gateway.cli.stopping import stop_on_signals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status: 0, 1 for a problem (printed on stderr), 130 if it was interrupted."""
    show_any_text()
    try:
        serve_model(options.read(arguments, os.environ), stop_on_signals())
    except Problem as problem:
        complain(str(problem))
        return 1
    except Stopped:
        complain("Stopped. Files that are complete stay in the cache; the same command goes on from here.")
        return 130
    except BrokenPipeError:
        stop_printing()
        return 1
    return 0


def serve_model(asked: Options, stop: threading.Event) -> None:
    """Have the model of the options in their repository, and no other of this program's. Raises Problem, and Stopped."""
    folder.remove_others(asked.repository, asked.served_name, asked.model, say)
    if asked.model is None:
        return
    place = asked.repository / asked.served_name
    folder.bring_back(place, asked.model)
    folder.check_free(place)
    token = cache(partial(hub_token.read, os.environ))
    stamp = folder.read_stamp(place)
    listing = remote.look_up(asked.model, asked.revision, stamp and stamp.commit, token, say)
    selection = select(listing)
    known = installed.architectures()
    refusals.refuse(listing, selection, known)
    _tell(listing.name, refusals.warnings(listing, known))
    texts = _texts(asked, listing, selection, is_edited=model_files.MODEL in folder.edited(place))
    download(listing, selection, token, stop, say)
    folder.write(place, listing.name, listing.commit, texts, say)


def _texts(asked: Options, listing: Listing, selection: Selection, *, is_edited: bool) -> Mapping[str, str]:
    """The files to write. Whoever has edited model.json sizes the model."""
    texts = {model_files.CONFIGURATION: model_files.configuration(listing)}
    if is_edited:
        return texts
    shape = shape_of(listing)
    sizes = _sizes(asked, selection, shape)
    parsers = Parsers(None, None)
    if shape.generates:
        names = installed.tool_parsers(), installed.reasoning_parsers()
        parsers = families.choose(listing.name, shape.model_type, asked, *names)
    _tell(listing.name, [_summary(listing, selection, sizes, parsers), *sizes.notes])
    return {model_files.MODEL: model_files.model_json(listing, sizes, parsers, asked), **texts}


def _sizes(asked: Options, selection: Selection, shape: Shape) -> Sizes:
    have = hardware.find(asked, nvidia_smi.ask(), os.environ, cpu_build=installed.is_for_cpu())
    model = str(asked.model)
    if isinstance(have, Machine):
        return cpu_sizing.size(model, selection, shape, have, asked)
    return gpu_sizing.size(model, selection, shape, have, asked)


def _summary(listing: Listing, selection: Selection, sizes: Sizes, parsers: Parsers) -> str:
    """One line about all that was chosen."""
    facts = [f"commit {listing.commit[:12]}", f"{selection.weights_bytes / GB:.1f} GB of weights"]
    facts += [f"a context of {sizes.max_model_len:,} tokens"] if sizes.max_model_len else []
    facts += [f"up to {sizes.max_num_seqs} sequences"] if sizes.max_num_seqs else []
    facts += [f"{sizes.gpu_memory_utilization:.0%} of the GPU's memory"] if sizes.gpu_memory_utilization else []
    facts += [f"{sizes.kv_cache_gib} GiB of memory for the KV cache"] if sizes.kv_cache_gib else []
    facts += [f"tool calls by {parsers.tool}"] if parsers.tool else []
    facts += [f"reasoning by {parsers.reasoning}"] if parsers.reasoning else []
    return ", ".join(facts)


def _tell(model: str, lines: Iterable[str]) -> None:
    for line in lines:
        say(f"{model}: {line}")
