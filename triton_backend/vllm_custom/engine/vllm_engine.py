"""vLLM, on an event loop of its own.

Of the backend, only the files of this folder, configuration/config.py and replay/parsing.py import vLLM, and most do so
when an engine starts: it takes seconds.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..configuration import hub, multi_lora
from ..configuration.config import STRUCTURED, EngineConfig, engine_args
from ..contract.generate import Generate
from ..contract.lora import Lora
from ..contract.pooling import MOST_INPUTS, Pool
from ..errors import BadRequest, ConfigError, Unavailable
from ..gpus.turns import Turn
from ..metrics.meter import Meter
from .adapters import Adapters
from .engine_requests import EngineRequests
from .generation import Generation
from .interface import Facts, GenerationSink, Result, ResultSink, Vitals
from .loop_thread import LoopThread
from .parser_names import ParserNames
from .queue_limits import limit_queue
from .refusal import StartLog
from .rendering import most_images, must_render
from .result_tasks import ResultTasks
from .structured_backend import choose_backend
from .versions import can_limit_queue
from .vllm_control import control
from .vllm_lora import LoraControl
from .vllm_metrics import stat_logger
from .vllm_opener import VllmOpener
from .vllm_pooling import Pooling
from .watchdog import Watchdog

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

logger = logging.getLogger(__name__)

# In seconds. How long EngineCore may take to leave by itself after SIGTERM: it has nothing to save, and on a CPU it is slow.
CORE_TIMEOUT = 1.0
LOOP_TIMEOUT = 2.0


class VllmEngine:
    """See `interface.Engine`."""

    def __init__(
        self, config: EngineConfig, adapters: Adapters, watchdog: Watchdog, turn: Turn, meter: Meter | None = None
    ) -> None:
        """`adapters`, and `watchdog`, which runs already, outlive this engine: another may follow it in the same process.
        The engine starts within `turn`, so that engines on one GPU start one after the other.

        Raises ConfigError, before there is anything to close.
        """
        self._config = config
        self._parser_names = ParserNames.of(config)
        self._adapters = adapters
        self._loop = LoopThread("vllm")
        self._requests = EngineRequests(self)
        self._result_tasks = ResultTasks()
        self._watchdog = watchdog
        self._turn = turn
        self._start_log = StartLog()
        self._meter = meter
        self._steps = 0
        self._is_warm = False
        self._llm: AsyncLLM | None = None
        # None for a model that does not generate.
        self._opener: VllmOpener | None = None
        self._pooling: Pooling | None = None
        self._lora: LoraControl | None = None
        self._stopped = False

    def start(self) -> Facts:
        if self._stopped:
            raise Unavailable("the engine was stopped before it began")
        self._loop.start()
        try:
            with self._turn():
                facts = self._loop.run(self._start())
        except Exception as error:
            raise self._start_log.explain(error) from error
        self._start_log.end()
        return facts

    def submit(self, request: Generate, sink: GenerationSink) -> None:
        self._loop.post(self._requests.run(request, sink))

    def submit_for_result(self, request: Pool | Lora, sink: ResultSink) -> None:
        self._loop.post(self._result_tasks.run(request.rid, self._result(request), sink))

    def abort(self, rid: str) -> None:
        self._loop.post(self._requests.abort(rid))
        self._loop.post(self._result_tasks.abort(rid))

    def loras(self) -> list[str] | None:
        return self._adapters.names if multi_lora.is_on(self._config.arguments) and self._adapters.offered else None

    def stats(self) -> Mapping[str, Any]:
        llm = self._llm
        if llm is None:
            return {"engine": "vllm", "alive": False}
        unfinished = llm.output_processor.get_num_unfinished_requests()
        return {"engine": "vllm", "alive": not llm.errored, "unfinished": unfinished}

    def vitals(self) -> Vitals:
        llm = self._llm
        if llm is None:
            return Vitals(False, self._steps, 0)
        return Vitals(not llm.errored, self._steps, llm.output_processor.get_num_unfinished_requests())

    def processor_seconds(self) -> float:
        # Not all of this process: its poller works also for requests that stand still.
        return self._watchdog.processor_seconds() + self._loop.processor_seconds()

    def control(self, op: str, options: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        if (llm := self._llm) is None or llm.errored:
            raise Unavailable("the engine is not running")
        return self._loop.post(control(llm, op, options))

    def count_step(self) -> bool:
        """A sign of life, for the diagnosis. Returns whether the step was for a client, which the warm-up is not."""
        self._steps += 1
        return self._is_warm

    def stop(self, timeout: float) -> None:
        if self._stopped:
            return
        self._stopped = True
        try:
            self._loop.run(self._stop(), timeout)
        except FutureTimeoutError:
            logger.warning("vLLM did not stop within %s s", timeout)
        except Exception:
            logger.exception("vLLM did not stop cleanly")
        if not self._loop.stop(LOOP_TIMEOUT):
            logger.warning("vLLM's event loop did not end")
        self._watchdog.kill_descendants()
        self._start_log.close(os.environ)

    # On the engine's event loop.

    async def open(self, request: Generate) -> Generation:
        """See `generation.Opener`."""
        opener = self._opener
        if opener is None or self._stopped:
            if self._pooling is not None and not self._stopped:
                raise BadRequest("this model does not generate text", param="op")
            raise Unavailable("the engine is not running")
        self._check_alive()
        return await opener.open(request)

    async def _result(self, request: Pool | Lora) -> Result:
        pooling, lora = self._pooling, self._lora
        if pooling is None or lora is None or self._stopped:
            raise Unavailable("the engine is not running")
        self._check_alive()
        return await (pooling.pool(request) if isinstance(request, Pool) else lora.perform(request))

    def _check_alive(self) -> None:
        if self._llm is None:
            raise Unavailable("the engine is not running")
        if self._llm.errored:
            raise Unavailable("the engine is dead")

    async def _start(self) -> Facts:
        import vllm
        import vllm.envs
        import vllm.logger
        from vllm.usage.usage_lib import UsageContext

        # After a restart vLLM would read what the last start had cached, and some variables it sets itself.
        vllm.envs.disable_envs_cache()
        self._start_log.begin(vllm.logger.DEFAULT_LOGGING_CONFIG, self._config.arguments, os.environ)
        with hub.failure_named(self._config, os.environ):
            args = engine_args(self._config)
            # With this context the engine has the batch sizes of `vllm serve`.
            self._llm = llm = self._make_llm(args, UsageContext.OPENAI_API_SERVER)
        tasks = await self._tasks(llm, args.model)
        pooling_tasks = [task for task in tasks if task != "generate"]
        self._pooling = Pooling(llm, pooling_tasks, self._adapters, self.count_step)
        self._lora = LoraControl(llm, self._adapters, enabled=args.enable_lora)
        await self._lora.load_all()
        _warn_of_amx(str(llm.model_config.dtype))
        if "generate" in tasks:
            self._opener = VllmOpener(llm, self._config, self._parser_names, self._adapters, self.count_step)
            await self._warm_up()
        self._is_warm = True
        # Reading environment variables costs a fifth of vLLM's time per token otherwise.
        vllm.envs.enable_envs_cache()
        return self._facts(llm, vllm.__version__, tasks)

    def _make_llm(self, args: AsyncEngineArgs, context: UsageContext) -> AsyncLLM:
        from vllm.v1.engine.async_llm import AsyncLLM

        vllm_config = args.create_engine_config(context)
        choose_backend(vllm_config, self._config.arguments.get(STRUCTURED))
        if can_limit_queue(vllm_config.scheduler_config):
            limit_queue(
                vllm_config.scheduler_config,
                self._config.arguments,
                context_length=vllm_config.model_config.max_model_len,
                ranks=vllm_config.parallel_config.data_parallel_size,
                prompts=2 * MOST_INPUTS if vllm_config.model_config.runner_type == "pooling" else 1,
            )
        return AsyncLLM.from_vllm_config(
            vllm_config,
            usage_context=context,
            stat_loggers=self._stat_loggers(),
            enable_log_requests=args.enable_log_requests,
            disable_log_stats=args.disable_log_stats,
        )

    async def _tasks(self, llm: AsyncLLM, model: str) -> tuple[str, ...]:
        """Those of the contract that the model can do. Raises ConfigError where there are none."""
        supported = await llm.get_supported_tasks()
        tasks = tuple(task for task in ("generate", "embed", "classify") if task in supported)
        if not tasks:
            raise ConfigError(f"{self._config.source}: the model {model} can only {', '.join(supported)}")
        if llm.model_config.score_type in ("bi-encoder", "cross-encoder") and tasks != ("generate",):
            tasks += ("score",)
        return tasks

    def _facts(self, llm: AsyncLLM, version: str, tasks: tuple[str, ...]) -> Facts:
        return Facts(
            engine="vllm",
            engine_version=version,
            context_length=llm.model_config.max_model_len,
            vocab_size=llm.model_config.get_vocab_size(),
            tasks=tasks,
            files=_files(llm.model_config.tokenizer or llm.model_config.model),
            tool_parser=self._parser_names.tool,
            reasoning_parser=self._parser_names.reasoning,
            renders=self._config.settings.renderer == "backend" or must_render(llm),
            images=most_images(llm.renderer),
            names=hub.names(self._config, os.environ),
        )

    def _stat_loggers(self) -> list[Any]:
        # With "disable_log_stats": true vLLM is to count nothing, and then there is nothing to report.
        if self._meter is None or self._config.arguments.get("disable_log_stats"):
            return []
        return [stat_logger(self._meter, self.count_step)]

    async def _warm_up(self) -> None:
        """Generate one token with log probabilities, whose kernels are compiled at first use (20 s on a small CPU): at a
        user's request this would hold up everyone's."""
        body = {"max_tokens": 1, "logprobs": True, "top_logprobs": 1}
        generation = await self.open(Generate("warm-up", "chat", body, None, [0]))
        await generation.follow(lambda output: True)

    async def _stop(self) -> None:
        llm, self._llm = self._llm, None
        if llm is None:
            return
        # On the loop, because vLLM closes its sockets directly only there. From another thread they would be left to a
        # loop that is about to end, and the process would spin on them for ever.
        llm.shutdown(timeout=CORE_TIMEOUT)
        await asyncio.sleep(0)


def _warn_of_amx(dtype: str) -> None:
    """docs/adr/0004: on such a CPU vLLM 0.32 may compute nonsense in bfloat16, and nothing else would say so."""
    from vllm.platforms import current_platform

    on_cpu = current_platform.is_cpu()
    if on_cpu and dtype == "torch.bfloat16" and "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        logger.warning(
            'this CPU has AMX, with which vLLM\'s bfloat16 can be wrong: "dtype": "float32" in model.json is not'
        )


def _files(model: str) -> Path | None:
    """The folder of the tokenizer's files; for a model named by its hub name, the one in the local cache."""
    if Path(model).is_dir():
        return Path(model).resolve()
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, "config.json")
    return Path(cached).parent if isinstance(cached, str) else None
