"""`python -m gateway.repository FOLDER…`: have Triton load the models in these folders, as long as both live.

It says on stdout, a line of UTF-8 each, what happens: `loading NAME`, `loaded NAME`, `failed NAME: reason`,
`refused NAME: reason`, `unloaded NAME`, `trouble: reason`, and once `done: …` when each model has been tried.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError
from gateway.mistakes import what_is_wrong
from gateway.repository.reconciler import Reconciler
from gateway.settings import Settings
from gateway.triton.client import TritonClient

_RETRY_S: Final = 0.2


async def _main(repositories: Sequence[Path], settings: Settings) -> None:
    triton = TritonClient(
        settings.triton_urls[0],
        sessions=False,
        by_proxy=settings.triton_by_proxy,
        repository_secret=settings.triton_repository_secret,
    )
    task = asyncio.create_task(_reconcile(triton, Reconciler(triton, repositories, settings.state_dir, _say)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await asyncio.wait([task])
    finally:
        await triton.close()
    if not task.cancelled():
        task.result()


async def _reconcile(triton: TritonClient, reconciler: Reconciler) -> None:
    await _until_it_listens(triton)
    await reconciler.run()


async def _until_it_listens(triton: TritonClient) -> None:
    while True:
        try:
            await triton.repository_index()
        except GatewayError:
            await asyncio.sleep(_RETRY_S)
        else:
            return


def _say(line: str) -> None:
    """The name of a folder may be any bytes."""
    sys.stdout.buffer.write(" ".join(line.splitlines()).encode(errors="backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 2 when the settings are wrong, which stderr explains."""
    try:
        settings = Settings()
    except ValueError as error:
        sys.stderr.writelines(f"{line}\n" for line in what_is_wrong(error))
        return 2
    # Not resolved: `load` and `unload` name the folders as they were given.
    asyncio.run(_main([Path(argument).absolute() for argument in arguments], settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
