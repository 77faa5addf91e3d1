"""vLLM, on an event loop of its own. With config.py the only file that knows vLLM, which is imported in `start`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..configuration import multi_lora as lora
from ..configuration.config import EngineConfig, engine_args
from ..contract.parsed import ParserNames
from ..contract.pooling import MOST_INPUTS, Lora, Pool
from ..contract.request import Generate
from ..errors import BadRequest, ConfigError, Unavailable
from ..metrics.meter import Meter
from ..official.request import OfficialEmbed, OfficialGenerate
from ..serving.inquiry import Inquiries
from ..serving.official_embedding import Embedding, OfficialAsker, pool_of
from .adapters import Adapters
from .controls import control
from .interface import Asker, Facts, Plan, Reply, Sink, Vitals
from .loop import Courses, Delivery, Generation, LoopThread, Step
from .official_decoding import OfficialDecoding
from .parsing import ParsedGeneration, Parsers
from .queue_limits import limit_queue
from .rendering import Rendering, most_images, must_render
from .repeated import RepeatedGeneration
from .stats import stat_logger
from .versions import asks_for_token_logprobs, can_limit_queue
from .vllm_pooling import LoraControl, Pooling, lora_request
from .watchdog import Watchdog

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest
    from vllm.inputs.engine import TokensInput
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.output_processor import RequestOutputCollector

    OpenAIRequest = ChatCompletionRequest | CompletionRequest

logger = logging.getLogger(__name__)

# How long EngineCore may take to leave by itself after SIGTERM. It has nothing to save, and on a CPU it takes long.
CORE_TIMEOUT = 1.0
LOOP_TIMEOUT = 2.0


class VllmEngine:
    """See `interface.Engine`."""

    def __init__(
        self, config: EngineConfig, adapters: Adapters, watchdog: Watchdog, meter: Meter | None = None
    ) -> None:
        """`adapters`, and `watchdog`, which runs already, outlive this engine: another may follow it in the same process."""
        self._config = config
        # What the configuration gets wrong is found before there is anything to close.
        self._parser_names = ParserNames.of(config)
        self._adapters = adapters
        self._loop = LoopThread("vllm")
        self._courses = Courses(self)
        self._watchdog = watchdog
        self._meter = meter
        self._steps = 0
        self._is_warm = False
        self._llm: AsyncLLM | None = None
        self._decoding: Decoding | None = None
        self._official: OfficialDecoding | None = None
        self._parsers: Parsers | None = None
        self._inquiries = Inquiries()
        self._pooling: Pooling | None = None
        self._lora: LoraControl | None = None
        self._stopped = False

    def start(self) -> Facts:
        if self._stopped:
            raise Unavailable("the engine was stopped before it began")
        self._loop.start()
        return self._loop.run(self._start())

    def submit(self, request: Generate, sink: Sink) -> None:
        self._loop.post(self._courses.run(request, sink))

    def abort(self, rid: str) -> None:
        self._loop.post(self._courses.abort(rid))
        self._loop.post(self._inquiries.abort(rid))

    def ask(self, request: Pool | Lora, asker: Asker) -> None:
        self._loop.post(self._inquiries.run(request.rid, self._answer(request), asker))

    def embed(self, request: OfficialEmbed, embedding: Embedding) -> None:
        self.ask(pool_of(request), OfficialAsker(embedding))

    def loras(self) -> list[str] | None:
        return self._adapters.names if lora.is_on(self._config.arguments) and self._adapters.offered else None

    def stats(self) -> Mapping[str, Any]:
        llm = self._llm
        if llm is None:
            return {"engine": "vllm", "alive": False}
        return {
            "engine": "vllm",
            "alive": not llm.errored,
            "unfinished": llm.output_processor.get_num_unfinished_requests(),
        }

    def vitals(self) -> Vitals:
        llm = self._llm
        if llm is None:
            return Vitals(False, self._steps, 0)
        return Vitals(not llm.errored, self._steps, llm.output_processor.get_num_unfinished_requests())

    def processor_seconds(self) -> float:
        # Not all of this process: the poller works for requests that stand still, too.
        return self._watchdog.processor_seconds() + self._loop.processor_seconds()

    def control(self, op: str, options: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        return self._loop.post(control(self._running(), op, options))

    def _running(self) -> AsyncLLM:
        if (llm := self._llm) is None or llm.errored:
            raise Unavailable("the engine is not running")
        return llm

    def count_step(self) -> bool:
        """A sign of life, for the diagnosis. Whether it was for a client, which the warm-up is not."""
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
        self._watchdog.kill_family()

    async def _answer(self, request: Pool | Lora) -> Reply:
        llm, pooling, lora = self._llm, self._pooling, self._lora
        if llm is None or pooling is None or lora is None or self._stopped:
            raise Unavailable("the engine is not running")
        if llm.errored:
            raise Unavailable("the engine is dead")
        return await (pooling.answer(request) if isinstance(request, Pool) else lora.answer(request))

    async def open(self, request: Generate) -> Generation:
        llm, decoding, parsers = self._llm, self._decoding, self._parsers
        if llm is None or decoding is None or parsers is None or self._stopped:
            if llm is not None and self._pooling is not None and not self._stopped:
                raise BadRequest("this model does not generate text", param="op")
            raise Unavailable("the engine is not running")
        if llm.errored:
            raise Unavailable("the engine is dead")
        if isinstance(request, OfficialGenerate):
            return await self._open_official(llm, request)
        openai = await decoding.check(request)
        prompt = await decoding.render(request, openai)
        reader = parsers.reader(openai, prompt["prompt_token_ids"], adjusted=request.conversation is not None)
        params, plan = decoding.plan(request, openai, len(prompt["prompt_token_ids"]))
        queue = await llm.add_request(
            request.rid,
            prompt,
            params,
            priority=openai.priority,
            prompt_text=request.prompt,
            lora_request=None if request.adapter is None else lora_request(self._adapters.get(request.adapter)),
            **({} if reader is None else reader.engine_arguments),
        )
        generation: Generation = VllmGeneration(llm, queue, plan, self.count_step)
        if openai.n is not None and openai.n > plan.choices:
            generation = RepeatedGeneration(generation, openai.n)
        return generation if reader is None else ParsedGeneration(generation, reader)

    async def _open_official(self, llm: AsyncLLM, request: OfficialGenerate) -> VllmGeneration:
        if (official := self._official) is None:
            raise Unavailable("the engine is not running")
        prompt, params, plan, lora_request = await official.prepare(request)
        queue = await llm.add_request(
            request.rid, prompt, params, lora_request=lora_request, prompt_text=request.prompt
        )
        return VllmGeneration(llm, queue, plan, self.count_step)

    async def _start(self) -> Facts:
        import vllm
        import vllm.envs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        # After a restart vLLM would read what the last start had cached, and some variables it sets itself.
        vllm.envs.disable_envs_cache()
        args = engine_args(self._config)
        # With this context the engine has the batch sizes of `vllm serve`.
        context = UsageContext.OPENAI_API_SERVER
        vllm_config = args.create_engine_config(context)
        if can_limit_queue(vllm_config.scheduler_config):
            limit_queue(
                vllm_config.scheduler_config,
                self._config.arguments,
                context_length=vllm_config.model_config.max_model_len,
                ranks=vllm_config.parallel_config.data_parallel_size,
                prompts=2 * MOST_INPUTS if vllm_config.model_config.runner_type == "pooling" else 1,
            )
        self._llm = llm = AsyncLLM.from_vllm_config(
            vllm_config,
            usage_context=context,
            stat_loggers=self._stat_loggers(),
            enable_log_requests=args.enable_log_requests,
            disable_log_stats=args.disable_log_stats,
        )
        supported = await llm.get_supported_tasks()
        tasks = tuple(task for task in ("generate", "embed", "classify") if task in supported)
        if not tasks:
            raise ConfigError(f"{self._config.source}: the model {args.model} can only {', '.join(supported)}")
        if llm.model_config.score_type in ("bi-encoder", "cross-encoder") and tasks != ("generate",):
            tasks += ("score",)
        self._pooling = Pooling(llm, [task for task in tasks if task != "generate"], self._adapters, self.count_step)
        self._lora = LoraControl(llm, self._adapters, enabled=args.enable_lora)
        await self._lora.restore()
        _warn_of_amx(str(llm.model_config.dtype))
        if "generate" in tasks:
            loras = lora.load(self._config.source.parent, self._config.arguments)
            self._official = OfficialDecoding(llm, loras or {})
            self._parsers = Parsers(self._parser_names, llm.renderer.get_tokenizer(), llm.model_config)
            self._decoding = Decoding(llm, Rendering(llm, self._parser_names))
            await self._warm_up()
        self._is_warm = True
        # Reading environment variables costs a fifth of vLLM's time per token otherwise.
        vllm.envs.enable_envs_cache()
        return Facts(
            engine="vllm",
            engine_version=vllm.__version__,
            context_length=llm.model_config.max_model_len,
            vocab_size=llm.model_config.get_vocab_size(),
            tasks=tasks,
            files=_files(llm.model_config.tokenizer or llm.model_config.model),
            tool_parser=self._parser_names.tool,
            reasoning_parser=self._parser_names.reasoning,
            renders=self._config.settings.renderer == "backend" or must_render(llm),
            images=most_images(llm.renderer),
        )

    def _stat_loggers(self) -> list[Any]:
        # Who writes "disable_log_stats": true wants vLLM to count nothing, and then there is nothing to report.
        if self._meter is None or self._config.arguments.get("disable_log_stats"):
            return []
        return [stat_logger(self._meter, self.count_step)]

    async def _warm_up(self) -> None:
        """One token with log probabilities, whose kernels are compiled at first use: by a user's request, it would hold
        up everyone's for that long (20 s on a small CPU)."""
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


def _nobody_waits(output: object) -> None:
    """What still comes of a request that has ended here."""


class VllmGeneration:
    """See `loop.Generation`."""

    __slots__ = ("_count_step", "_llm", "_queue", "plan")

    def __init__(
        self, llm: AsyncLLM, queue: RequestOutputCollector, plan: Plan, count_step: Callable[[], object]
    ) -> None:
        self._llm = llm
        self._queue = queue
        self._count_step = count_step
        self.plan = plan

    async def follow(self, step: Step) -> bool:
        delivery, count_step = Delivery(step), self._count_step

        def put(output: RequestOutput | Exception) -> None:
            if isinstance(output, Exception):
                delivery.fail(output)
            else:
                count_step()
                delivery.push(output)

        # vLLM's output handler fills the queue and wakes who waits for it. It runs on this loop too, so that it can as well
        # call us.
        self._queue.put = put
        try:
            if (output := self._queue.get_nowait()) is not None:
                put(output)
            return await delivery.until_end()
        finally:
            self._queue.put = _nobody_waits

    async def abort(self) -> None:
        await self._llm.abort(self._queue.request_id, internal=True)


class Decoding:
    """From an OpenAI body to a prompt and sampling parameters, by vLLM's own request classes and helpers.

    Built when the engine starts: importing the classes takes seconds, and pydantic builds their validators at first use.
    """

    def __init__(self, llm: AsyncLLM, rendering: Rendering) -> None:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
        from vllm.entrypoints.openai.completion.protocol import CompletionRequest
        from vllm.entrypoints.serve.utils.api_utils import get_max_tokens

        self._rendering = rendering
        # Where the prompt has been rendered elsewhere, the classes want to see one all the same.
        self._classes: dict[str, tuple[type[OpenAIRequest], dict[str, Any]]] = {
            "chat": (ChatCompletionRequest, {"messages": [{"role": "user", "content": "-"}]}),
            "completions": (CompletionRequest, {"prompt": "-"}),
        }
        self._get_max_tokens = get_max_tokens
        self._renderer = llm.renderer
        self._model_config = llm.model_config
        self._has_priorities = llm.vllm_config.scheduler_config.policy == "priority"
        self._defaults = llm.model_config.get_diff_sampling_param()
        self._most_tokens = _most_tokens(llm.model_config, self._defaults)
        for request_class, prompt in self._classes.values():
            request_class.model_validate(prompt).to_sampling_params(1, self._defaults)

    async def check(self, request: Generate) -> OpenAIRequest:
        """The body as vLLM's request; raises what vLLM raises, and BadRequest for a field that vLLM would ignore."""
        # A chat may be long, and its images have to be written out: not on the loop.
        return self._check(request) if request.conversation is None else await asyncio.to_thread(self._check, request)

    def _check(self, request: Generate) -> OpenAIRequest:
        request_class, prompt = self._classes[request.api]
        if request.conversation is not None:
            prompt = {"messages": request.conversation.with_images()}
        for name in request.body:
            if name not in request_class.model_fields:
                raise BadRequest(f"this engine does not know the field {name!r}", param=name)
        openai = request_class.model_validate({**request.body, **prompt, "request_id": request.rid})
        if openai.priority and not self._has_priorities:
            raise BadRequest("priorities need scheduling_policy 'priority' in model.json", param="priority")
        return openai

    async def render(self, request: Generate, openai: OpenAIRequest) -> TokensInput:
        """The prompt as token ids; text is tokenised off the loop. Raises when it is too long for the model."""
        rendered = await self._rendered(request, openai)
        if len(rendered["prompt_token_ids"]) >= self._model_config.max_model_len:
            raise BadRequest(
                f"the prompt has {len(rendered['prompt_token_ids'])} tokens, which leaves no room for an answer in the "
                f"model's context of {self._model_config.max_model_len}",
                param=None if request.conversation is None else "messages",
                code="context_length_exceeded",
            )
        return rendered

    async def _rendered(self, request: Generate, openai: OpenAIRequest) -> TokensInput:
        if request.conversation is not None:
            return await self._rendering.render(request.conversation, cast("ChatCompletionRequest", openai))
        prompt = (
            {"prompt": request.prompt} if request.token_ids is None else {"prompt_token_ids": list(request.token_ids)}
        )
        extras = {"cache_salt": openai.cache_salt} if openai.cache_salt is not None else None
        (rendered,) = await self._renderer.render_cmpl_async(
            [prompt], openai.build_tok_params(self._model_config), prompt_extras=extras
        )
        return rendered

    def plan(self, request: Generate, openai: OpenAIRequest, prompt_tokens: int) -> tuple[SamplingParams, Plan]:
        """What the engine is to do. One choice is planned for several that could only be equal."""
        if self._is_greedy(openai):
            openai = openai.model_copy(update={"n": 1})
        params = openai.to_sampling_params(
            self._get_max_tokens(
                self._model_config.max_model_len,
                _asked_tokens(openai),
                prompt_tokens,
                self._defaults,
                self._most_tokens,
            ),
            self._defaults,
        )
        alternatives = -1 if asks_for_token_logprobs(openai) else params.logprobs
        return params, Plan(
            params.n, prompt_tokens, alternatives, bool(openai.return_token_ids), params.prompt_logprobs
        )

    def _is_greedy(self, openai: OpenAIRequest) -> bool:
        default: float = self._defaults.get("temperature", 1.0)
        # vLLM's own limit, below which it takes the likeliest token.
        return (default if openai.temperature is None else openai.temperature) < 1e-5


def _warn_of_amx(dtype: str) -> None:
    """docs/adr/0004: on such a CPU vLLM 0.32 may compute nonsense in bfloat16, and nothing else would say so."""
    from vllm.platforms import current_platform

    on_cpu = current_platform.is_cpu()
    if on_cpu and dtype == "torch.bfloat16" and "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        logger.warning(
            'this CPU has AMX, with which vLLM\'s bfloat16 can be wrong: "dtype": "float32" in model.json is not'
        )


def _asked_tokens(openai: OpenAIRequest) -> int | None:
    newer = getattr(openai, "max_completion_tokens", None)
    return openai.max_tokens if newer is None else newer


def _most_tokens(model_config: Any, defaults: Mapping[str, Any]) -> int | None:
    # As `vllm serve`: a generation config chosen by the operator limits every request, the model's own does not.
    if model_config.generation_config not in ("auto", "vllm"):
        return defaults.get("max_tokens")
    return model_config.override_generation_config.get("max_new_tokens")


def _files(model: str) -> Path | None:
    """The folder of the tokenizer's files; for a model named by its hub name, the one in the local cache."""
    if Path(model).is_dir():
        return Path(model).resolve()
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, "config.json")
    return Path(cached).parent if isinstance(cached, str) else None
