"""The loop: start Triton, what loads its models, and the gateway; watch them, restart what fails, stop everything."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.console import Progress, Throttle, complain, say
from gateway.cli.control_groups import memory_kills
from gateway.cli.errors import Problem
from gateway.cli.supervise import processes, shared_memory
from gateway.cli.supervise.advice import Failure, advice
from gateway.cli.supervise.health import LOAD_TIMEOUT_S, Health, Verdict
from gateway.cli.supervise.loading import Loading, unloaded_model, worth_showing
from gateway.cli.supervise.readiness import Prober, ProbeResult
from gateway.cli.supervise.service import Service
from gateway.cli.supervise.stubs import Stubs

_TICK_S = 0.25
_PROGRESS_S = 5.0
_NOTE_MEMORY_S = 10.0
_FAILED_GRACE_S = 2.0
"""The grace period of a program that no longer works, and so is unlikely to end properly."""


@dataclass(frozen=True)
class Hooks:
    """The functions that the supervisor needs from its environment."""

    ask_readiness: Callable[[], ProbeResult]
    on_first_ready: Callable[[], None]
    verbose: bool = False
    load_timeout_s: float = LOAD_TIMEOUT_S
    find_obstacle: Callable[[], Problem | None] = lambda: None
    """Asked before Triton starts again: what it finds is raised, because no start would help."""


class Supervisor:
    """Runs until `stop` is set. One instance for one run."""

    def __init__(
        self, triton: Service, reconciler: Service, gateway: Service, hooks: Hooks, stop: threading.Event
    ) -> None:
        """Starts nothing; `run` does."""
        self._triton = triton
        self._reconciler = reconciler
        self._gateway = gateway
        self._hooks = hooks
        self._stop = stop
        self._prober = Prober(hooks.ask_readiness)
        self._was_ready = False
        self._was_idle = False
        self._health = Health(0.0)
        self._loading = Loading()
        self._stubs = Stubs()
        self._memory_kills = 0
        self._progress = Progress(_PROGRESS_S)
        self._note_memory = Throttle(_NOTE_MEMORY_S)
        self._shared_memory: set[Path] = set()

    def run(self) -> None:
        """Serve until `stop` is set, then end all processes and remove all files in /dev/shm.

        Raises a Problem if Triton or the gateway does not come up the first time, because waiting would not help.
        """
        processes.become_subreaper()
        shared_memory.remove(shared_memory.left_by_the_dead())
        try:
            now = time.monotonic()
            self._start_triton(now)
            self._gateway.start(now)
            self._prober.start()
            while not self._stop.wait(_TICK_S):
                self._tick(time.monotonic())
        finally:
            self._shut_down()

    def _tick(self, now: float) -> None:
        self._read_logs()
        self._revive(self._triton, now)
        self._revive(self._reconciler, now)
        self._revive(self._gateway, now)
        if self._triton.process is not None:
            self._judge(now)
            self._check_stubs(now)
        if self._note_memory.due():
            self._remember_shared_memory()
            self._remember_stubs()
        processes.reap_orphans(self._own_pids())

    def _start_triton(self, now: float) -> None:
        self._triton.start(now)
        self._reconciler.start(now)
        self._health = Health(now, load_timeout_s=self._hooks.load_timeout_s)
        self._loading = Loading()
        self._stubs = Stubs()
        self._memory_kills = memory_kills()

    def _revive(self, service: Service, now: float) -> None:
        """Detect an exit, and start the program again when the wait is over."""
        reason = service.exit_reason()
        if reason is not None:
            self._restart(service, now, f"ended by itself ({reason})")
        elif service is self._reconciler and self._triton.process is None:
            return  # it starts with Triton
        elif service.process is None and now >= service.not_before:
            say(f"Starting {_inside(service)} again")
            if service is self._triton:
                if obstacle := self._hooks.find_obstacle():
                    raise obstacle
                self._start_triton(now)
            else:
                service.start(now)
                if service is self._gateway:
                    self._health.forget_answers()

    def _restart(self, service: Service, now: float, reason: str) -> None:
        """End the processes that are left of the run, and set the time of the next start."""
        self._read_logs()
        lines = worth_showing(service.log.tail(200))
        complain(f"{service.program.name} {reason}. Its log, {service.log.path}, says:")
        for line in lines[-12:]:
            complain(f"    {line}")
        told = self._advice(service, reason, lines)
        if not (self._was_ready or self._was_idle):
            fix = told or f"read {service.log.path}; `make doctor` checks the machine and the set-up."
            raise Problem(f"{service.program.name} {reason} before it had served once.", fix)
        if told:
            complain(f"  Fix: {told}")
        self._remember_shared_memory()
        if service is self._triton:
            self._reconciler.stop()
        service.stop(_FAILED_GRACE_S)
        lived = self._health.healthy_for(now) if service is self._triton else now - service.started
        wait = service.backoff.after(lived)
        service.not_before = time.monotonic() + wait
        if service is self._triton:
            self._forget_shared_memory()
        complain(f"Starting {_inside(service)} again in {wait:.0f} s.")

    def _advice(self, service: Service, reason: str, lines: list[str]) -> str | None:
        return advice(Failure(reason, lines, service.program.command, memory_kills() - self._memory_kills))

    def _judge(self, now: float) -> None:
        answer = self._prober.latest
        loading = self._loading
        match self._health.feed(now, answer, serving=loading.serving, idle=loading.idle, tried=loading.tried):
            case Verdict.BECAME_READY:
                self._became_ready(now)
            case Verdict.RESTART_TRITON:
                self._restart(self._triton, now, f"does not answer ({answer.reason})")
            case Verdict.RESTART_GATEWAY if self._gateway.process is not None:
                self._restart(self._gateway, now, f"does not answer ({answer.reason})")
            case _:
                self._say_progress(now)

    def _became_ready(self, now: float) -> None:
        self._remember_stubs()
        self._remember_shared_memory()
        if self._was_ready:
            say(f"Ready again, {now - self._health.started:.0f} s after Triton's start.")
            return
        self._was_ready = True
        self._hooks.on_first_ready()

    def _remember_stubs(self) -> None:
        commands = {pid: processes.command_line(pid) for pid in self._triton.members()}
        self._read_logs()  # a load is told before its process begins
        self._stubs.remember(commands, self._loading.waiting)

    def _check_stubs(self, now: float) -> None:
        if lost := self._stubs.lost(now, self._loading.loaded, processes.is_alive):
            pid = "" if lost.pid is None else f" (pid {lost.pid})"
            self._restart(self._triton, now, f"has lost the process of {lost.model}{pid}")

    def _say_progress(self, now: float) -> None:
        if self._health.ready_since is not None:
            return
        if self._health.waits_for_models:
            self._say_idle()
        else:
            self._progress.tell(self._step(), f"… {now - self._health.started:.0f} s")

    def _step(self) -> str:
        if self._loading.serving:
            return "Triton serves; waiting for a first token"
        if self._loading.waiting:
            return f"loading {', '.join(self._loading.waiting)}"
        return "starting Triton"

    def _say_idle(self) -> None:
        if not self._was_idle:
            complain("Triton runs, and no model can be served. One that is mended or added comes up by itself.")
        self._was_idle = True

    def _read_logs(self) -> None:
        read = self._triton.log.size
        for service in (self._triton, self._reconciler, self._gateway):
            for line in service.log.new_lines():
                self._heed(service, line)
                if self._hooks.verbose:
                    say(f"{service.program.name}: {line}")
        if self._triton.log.size != read:
            self._health.quiet_since = time.monotonic()

    def _heed(self, service: Service, line: str) -> None:
        if service is self._triton:
            self._loading.feed_triton(line)
            self._stubs.forget(unloaded_model(line))
        elif service is self._gateway:
            self._stubs.heed(line, time.monotonic())
        elif service is self._reconciler and (news := self._loading.feed(line)):
            complain(news)
            if told := self._advice(self._triton, news, self._triton.log.tail(50)):
                complain(f"  Fix: {told}")

    def _remember_shared_memory(self) -> None:
        self._shared_memory |= shared_memory.mapped_by(self._triton.members())

    def _forget_shared_memory(self) -> None:
        shared_memory.remove(self._shared_memory)
        self._shared_memory = set()

    def _own_pids(self) -> list[int]:
        services = (self._triton, self._reconciler, self._gateway)
        return [service.process.pid for service in services if service.process is not None]

    def _shut_down(self) -> None:
        """Stop the gateway first: this ends its streams, for which Triton would wait."""
        self._prober.stop()
        self._remember_shared_memory()
        self._gateway.stop()
        self._reconciler.stop()
        self._triton.stop(None if self._loading.serving else _FAILED_GRACE_S)
        processes.reap_orphans([])
        self._forget_shared_memory()


def _inside(service: Service) -> str:
    """The name as it is written inside a sentence."""
    return service.program.name.replace("The ", "the ")
