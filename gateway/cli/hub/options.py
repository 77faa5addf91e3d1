"""The command line of the program. Each option has a variable of the same meaning, for containers."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.errors import Problem

NONE = "none"
"""As a parser: no parser, whatever the family."""

DEVICES = ("auto", "gpu", "cpu")
DTYPES = ("bfloat16", "float16", "float32")

_MODEL = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_NAME = re.compile(r"[!-.0-~]+", re.ASCII)
"""A model's folder may be named so: see gateway/repository/folders.py."""

_IGNORED = ("lost+found", "__pycache__")

_DESCRIPTION = """\
Has a model of Hugging Face's hub served: downloads it into the cache (HF_HOME) and writes DIR/<name>/config.pbtxt and
DIR/<name>/1/model.json, sized for the GPU or CPU that is here. Models that it wrote earlier are removed from DIR. Each
option can also be given by the variable that its help names."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for. None: to be chosen here. Without a `model`, those that were written earlier are removed."""

    model: str | None
    repository: Path
    name: str | None = None
    revision: str | None = None
    device: str = "auto"
    gpu_device_ids: tuple[str, ...] = ()
    tensor_parallel_size: int = 1
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    gpu_memory_utilization: float | None = None
    dtype: str | None = None
    leave_gb: float | None = None
    tool_parser: str | None = None
    reasoning_parser: str | None = None

    @property
    def served_name(self) -> str:
        """The name of the model's folder, by which Triton knows it."""
        return self.name or (self.model or "").rpartition("/")[2]


def read(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Options:
    """The options of the command line, and of the environment where the command line says nothing.

    Raises Problem for a model or a folder that can't be named so.
    """
    parser = _parser({name: value for name, value in environment.items() if value})
    given = vars(parser.parse_args(arguments))
    model = (given.pop("model") or "").strip() or None
    ids = tuple(part.strip() for part in given.pop("gpu_device_ids").split(",") if part.strip())
    options = Options(**given, model=model, gpu_device_ids=ids)
    _check(options)
    return options


def _check(options: Options) -> None:
    if options.model is None:
        return
    if not _MODEL.fullmatch(options.model) or options.model.startswith(".."):
        raise Problem(
            f"MODEL={options.model} is no name of a model of the hub.",
            "write it as on the model's page, owner/name: MODEL=Qwen/Qwen3-0.6B.\n"
            "A folder of your own models is served with MODEL_REPOSITORY=FOLDER instead.",
        )
    name = options.served_name
    if not _NAME.fullmatch(name) or name.startswith(".") or name in _IGNORED:
        raise Problem(
            f"A model can't be served as {name!r}.",
            "choose another name, of printable ASCII without spaces and slashes, that does not begin with a dot.",
        )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.cli.hub", description=_DESCRIPTION)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="owner/name on the hub (MODEL)")
    parser.set_defaults(model=environment.get("MODEL"))

    def add(option: str, variable: str, text: str, type_: Callable[[str], Any] = str, **more: Any) -> None:
        # argparse converts a default that is a text, so a variable is checked like an option; it skips `choices` for it.
        default = environment.get(variable, more.pop("default", None))
        parser.add_argument(option, type=type_, default=default, help=f"{text} ({variable})", **more)

    parser.add_argument(
        "--repository", type=Path, required=True, metavar="DIR", help="the model repository to write to"
    )
    add("--name", "MODEL_NAME", "the name to serve it under; default: the last part of MODEL")
    add(
        "--revision",
        "MODEL_REVISION",
        "branch, tag or commit; default: main when it is first asked for, then that commit",
    )
    add("--device", "MODEL_DEVICE", "auto, gpu or cpu; default: as vLLM was built", _one_of(*DEVICES), default="auto")
    parser.add_argument("--gpu-device-ids", default="", metavar="ID[,…]", help="indices of visible GPUs, or UUIDs")
    add("--tensor-parallel-size", "TENSOR_PARALLEL_SIZE", "GPUs to split the model over", _positive, default=1)
    add("--max-model-len", "MAX_MODEL_LEN", "the longest context, in tokens", _positive)
    add("--max-num-seqs", "MAX_NUM_SEQS", "the most sequences at a time", _positive)
    add("--gpu-memory-utilization", "GPU_MEMORY_UTILIZATION", "the share of each GPU's memory", _share)
    add("--dtype", "MODEL_DTYPE", f"number format of the weights: {', '.join(DTYPES)}", _one_of(*DTYPES))
    add("--leave-gb", "MODEL_LEAVE_GB", "memory to leave for other programs, of each GPU or of this machine", _size)
    add("--tool-parser", "TOOL_PARSER", f"vLLM's parser of tool calls, or {NONE}; default: by the family")
    add("--reasoning-parser", "REASONING_PARSER", f"vLLM's parser of reasoning, or {NONE}; default: by the family")
    return parser


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(choices)}")
        return text

    return check


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return share


def _size(text: str) -> float:
    size = float(text)
    if size < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return size
