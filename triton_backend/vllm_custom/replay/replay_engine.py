"""A scripted engine with vLLM's interface and no model, for tests, and for benchmarks without a GPU.

It is chosen by `"engine": "replay"` in model.json, reads the tokenizer.json in the folder `model`, and plays the first
entry of the list `script` that fits the prompt (see script.py). `max_model_len` and `max_num_queued_reqs` limit it as they
limit vLLM.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ..configuration import hub
from ..configuration.config import EngineConfig, refuse_unknown
from ..contract.conversation import check_images
from ..contract.generate import Generate
from ..contract.lora import Lora
from ..contract.plan import Plan
from ..contract.pooling import Pool
from ..engine.adapters import Adapters
from ..engine.engine_requests import EngineRequests
from ..engine.generation import Generation
from ..engine.interface import Facts, GenerationSink, Result, ResultSink, Vitals
from ..engine.loop_thread import LoopThread
from ..engine.parser_names import ParserNames, refuse_tools
from ..engine.result_tasks import ResultTasks
from ..errors import BadRequest, ConfigError, Overloaded, Unavailable
from ..metrics.meter import Meter
from ..official.request import OfficialGenerate
from .body import ReplayParams, read_body
from .parsing import ReplayParsers
from .playback import Playback
from .replay_metrics import ReplayMetrics
from .replay_pooling import check_folder, replay_lora, replay_rows
from .replay_sampling import read_sampling
from .script import Entry, Line, cut, parse_script, scripted_error
from .step_clock import StepClock
from .tokens import Tokenizer

logger = logging.getLogger(__name__)

KEYS = {
    "model",
    "max_model_len",
    "max_num_queued_reqs",
    "script",
    "tasks",
    "images",
    "enable_lora",
    "served_model_name",
}
VERSION = "1"


class ReplayEngine:
    """See `interface.Engine`."""

    def __init__(self, config: EngineConfig, adapters: Adapters, meter: Meter | None = None) -> None:
        """`adapters` outlive this engine: another may follow it in the same process."""
        refuse_unknown(config, KEYS)
        self._config = config
        self._folder = Path(config.arguments["model"])
        self._context_length = int(config.arguments.get("max_model_len", 8192))
        self._script = parse_script(str(config.source), config.arguments.get("script", []))
        self._parsers: ReplayParsers | None = None
        # What the configuration gets wrong is found before there is anything to close.
        self._parser_names = ParserNames.of(config)
        self._adapters = adapters
        self._loop = LoopThread("replay")
        self._requests = EngineRequests(self)
        # How many images a prompt may have; their content does not matter.
        self._images = int(config.arguments.get("images", 0))
        self._renders = config.settings.renderer == "backend" or self._images > 0
        self._tasks = tuple(config.arguments.get("tasks", ("generate",)))
        self._result_tasks = ResultTasks()
        self._tokenizer: Tokenizer | None = None
        self._dead = asyncio.Event()
        self._most_requests = config.arguments.get("max_num_queued_reqs")
        self._metrics = ReplayMetrics(meter or Meter(), lambda: self._requests.count)
        self._clocks: dict[float, StepClock] = {}
        self._stopped = False

    def start(self) -> Facts:
        path = self._folder / "tokenizer.json"
        if not path.is_file():
            raise ConfigError(f"{path} is missing; the replay engine needs it to count tokens")
        self._tokenizer = Tokenizer(path)
        if self._parser_names != ParserNames(None, None):
            self._parsers = ReplayParsers(self._parser_names, self._folder)
        self._loop.start()
        self._loop.run(self._adapters.load_all(check_folder))
        return Facts(
            "replay",
            VERSION,
            self._context_length,
            self._tokenizer.vocab_size,
            self._tasks,
            self._folder,
            *self._parser_names,
            renders=self._renders,
            images=self._images,
            names=hub.names(self._config, {}),
        )

    def submit(self, request: Generate, sink: GenerationSink) -> None:
        self._loop.post(self._requests.run(request, sink))

    def abort(self, rid: str) -> None:
        self._loop.post(self._requests.abort(rid))
        self._loop.post(self._result_tasks.abort(rid))

    def submit_for_result(self, request: Pool | Lora, sink: ResultSink) -> None:
        self._loop.post(self._result_tasks.run(request.rid, self._result(request), sink))

    def loras(self) -> list[str] | None:
        return self._adapters.names if self._adapters.offered else None

    async def _result(self, request: Pool | Lora) -> Result:
        tokenizer = self._tokenizer
        if tokenizer is None or self._stopped or self._dead.is_set():
            raise Unavailable("the engine is not running")
        if isinstance(request, Lora):
            return await replay_lora(self._adapters, request)
        if request.lora is not None:
            self._adapters.get(request.lora)
        return await replay_rows(tokenizer, self._tasks, request)

    def stats(self) -> Mapping[str, Any]:
        return {"engine": "replay", "alive": not self._dead.is_set(), "unfinished": self._requests.count}

    def vitals(self) -> Vitals:
        return Vitals(not (self._dead.is_set() or self._stopped), self._metrics.steps, self._requests.count)

    def processor_seconds(self) -> float:
        """Next to nothing, so a script that pauses for longer than `stall_seconds` plays a wedged engine."""
        return self._loop.processor_seconds()

    def control(self, op: str, options: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        return self._loop.post(self._control(op))

    async def _control(self, op: str) -> Mapping[str, Any]:
        if self._dead.is_set():
            raise Unavailable("the engine is dead")
        return {"reset": True} if op == "reset_prefix_cache" else {"asleep": op == "sleep"}

    def stop(self, timeout: float) -> None:
        if not self._stopped:
            self._stopped = True
            if not self._loop.stop(timeout):
                logger.warning("the replay engine's event loop did not end")

    async def open(self, request: Generate) -> Generation:
        """See `generation.Opener`."""
        tokenizer = self._check_can_take(request)
        prompt, prompt_token_ids = tokenizer.prompt(request)
        prompt_tokens = len(prompt_token_ids)
        entry = next(entry for entry in self._script if entry.fits(prompt, request.body))
        await asyncio.sleep(entry.accept_seconds)
        if entry.refuse is not None:
            raise scripted_error(entry.refuse)
        params = self._params(request, prompt_tokens)
        lines = [self._line(tokenizer, entry, params, choice) for choice in range(params.choices)]
        plan = Plan(
            params.choices,
            prompt_tokens,
            params.alternatives,
            params.token_ids,
            params.prompt_alternatives,
            content_only=request.api == "chat",
        )
        request_metrics = self._metrics.opened(prompt_tokens, params.choices)
        playback = Playback(
            plan,
            entry,
            lines,
            stream=params.stream,
            prompt_token_ids=prompt_token_ids,
            name=tokenizer.name,
            death=self._dead,
            on_step=request_metrics.step,
            clock=self._clock(entry.step_seconds),
        )
        if isinstance(request, OfficialGenerate):
            return playback
        if self._parsers is None:
            refuse_tools(request.body)
            return playback
        return self._parsers.parsed(playback, request)

    def _check_can_take(self, request: Generate) -> Tokenizer:
        """Raises what stands against the request before its prompt is looked at."""
        tokenizer = self._tokenizer
        if tokenizer is None or self._stopped or self._dead.is_set():
            raise Unavailable("the engine is dead" if self._dead.is_set() else "the engine is not running")
        if self._most_requests is not None and self._requests.count > self._most_requests:
            raise Overloaded("the engine is busy and its queue is full")
        if request.adapter is not None:
            self._adapters.get(request.adapter)
        if request.conversation is not None:
            check_images(len(request.conversation.images), self._images)
        return tokenizer

    def _params(self, request: Generate, prompt_tokens: int) -> ReplayParams:
        """Raises BadRequest for a prompt that fills the context, or a parameter that cannot be honoured."""
        room = self._context_length - prompt_tokens
        if room <= 0:
            raise BadRequest(
                "the prompt is too long for the model",
                param=None if request.conversation is None else "messages",
                code="context_length_exceeded",
            )
        return read_sampling(request, room) if isinstance(request, OfficialGenerate) else read_body(request, room)

    def _clock(self, period: float | None) -> StepClock | None:
        """The clock of all entries with this `step_seconds`."""
        return None if period is None else self._clocks.setdefault(period, StepClock(period))

    def _line(self, tokenizer: Tokenizer, entry: Entry, params: ReplayParams, choice: int) -> Line:
        tokens = tokenizer.tokens(entry.text_of(choice, params.seed))
        return cut(tokens, entry.finish_reason, limit=params.max_tokens, stops=params.stops, keep_stop=params.keep_stop)
