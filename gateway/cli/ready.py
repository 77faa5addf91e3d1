"""`triton-gateway ready`: for the health checks of containers."""

from pathlib import Path

from gateway.cli.console import say
from gateway.cli.layout import Layout
from gateway.cli.supervise import readiness
from gateway.cli.supervise.readiness import State


def ready(layout: Layout, host: str, port: int) -> bool:
    """Whether the gateway there is ready; if not, the reason is printed. Where this user runs Triton, too, it is ready only
    when all models have been tried once: one that answers says nothing of those that are still loading."""
    if layout.running.exists() and not started_mark(layout.running).exists():
        say("starting: the models have not all been tried")
        return False
    answer = readiness.ask(host, port)
    if answer.state is not State.READY:
        say(f"{answer.state.value}: {answer.reason}")
    return answer.state is State.READY


def started_mark(running: Path) -> Path:
    """The file that is there from the first time that everything is ready until the end of the run."""
    return running.with_name("started")
