"""All constraints in a fresh tiny engine, the one that is named first.

    python -m tests.vllm_env.constraint_order FOLDER FIRST

A process of its own, because the watchdog ends the process of an engine that has been stopped. What was wrong is written
into the file `wrong` of the folder.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from tests.triton_backend.vllm_custom.conftest import MODEL_PY, Backend, arguments
from tests.vllm_env.constraints import CONSTRAINTS, FIELDS, SMALL, SMOLLM2, write_model


def judge(name: str, records: list[list[Any]]) -> str | None:
    """What is wrong with the answer to a constraint; None if it is right."""
    _, wanted = CONSTRAINTS[name]
    last = records[-1]
    if wanted.startswith(FIELDS):
        return None if last[1] == "error" and last[3] == "bad_request" and last[5] == wanted else f"{name}: {last}"
    if last[1] != "end":
        return f"{name}: {last}"
    deltas = [record for record in records if record[1] == "delta"]
    calls = [call for record in deltas for call in (record[5] or {}).get("tool_calls", [])]
    text = "".join(call["arguments"] for call in calls) if calls else "".join(record[3] for record in deltas)
    return None if re.fullmatch(wanted, text) else f"{name}: {text!r}"


def main(folder: Path, first: str) -> None:
    write_model(folder / "toy", SMOLLM2, **SMALL, vllm_custom={"tool_parser": "hermes"})
    model = MODEL_PY.TritonPythonModel()
    model.initialize(arguments(folder / "toy"))
    backend = Backend(model)

    def ask(name: str) -> str | None:
        body = {"max_tokens": 48, "temperature": 0, **CONSTRAINTS[name][0]}
        return judge(name, backend.ask("generate", api="chat", prompt="Say it.", body=body).finish(120))

    wrong = [ask(name) for name in (first, *(name for name in CONSTRAINTS if name != first), first)]
    health = backend.ask("health").finish()[0][3]
    (folder / "wrong").write_text("\n".join(filter(None, [*wrong, f"{health}" if health["restarts"] else None])))
    backend.stop()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
