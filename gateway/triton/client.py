"""One Triton, by its gRPC address: unary calls and inference streams, with errors translated."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc
import grpc.aio

from gateway.triton import status
from gateway.triton.protocol import SERVICE, pb
from gateway.triton.sessions import Sessions
from gateway.triton.stall import StallWatch, never
from gateway.triton.tensors import FINAL_RESPONSE

log = logging.getLogger(__name__)

_END_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 1.0
_STATISTICS_TIMEOUT_S = 5.0

_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    # After a restart of Triton the next request must find it at once: gRPC's own back-off grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Which requests are tried again is decided above, where it is known what the client has seen.
    ("grpc.enable_retries", 0),
)

REPOSITORY_SECRET_HEADER = "triton-grpc-protocol-gateway-secret"
"""A Triton that is started with `--grpc-restricted-protocol=model-repository:gateway-secret=VALUE` wants VALUE in it:
https://github.com/triton-inference-server/server/blob/main/docs/customization_guide/inference_protocols.md."""

_RESTRICTED = "This protocol is restricted"
"""How Triton 2.51 answers what `--grpc-restricted-protocol` keeps from us."""
_SECRET_HINT = "; set triton_repository_secret to the value that this Triton was started with"
_AROUND_THE_REASON = re.compile(r"^load failed for model '[^']*': (?:version \d+ is at UNAVAILABLE state: )?")
_ENDED = re.compile(r"Stub process '[^']*' is not healthy|Failed core proc\(s\): \{[^}]*: -\d", re.ASCII)
"""Triton's words, and vLLM's, for a process that was killed or has crashed while it loaded a model."""

_NO_PROXY = ("grpc.enable_http_proxy", 0)
"""gRPC would obey `http_proxy` even for loopback, and reads `no_proxy` in lower case only."""


class RepositoryModel(NamedTuple):
    """A model as Triton lists it. `state` is `READY`, `LOADING`, `UNAVAILABLE`, … or empty for one that was never loaded;
    `reason` is what Triton has to say of it."""

    name: str
    version: str
    state: str
    reason: str

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self.state == "READY"


class ModelControlFailed(Exception):
    """Triton did not load or unload a model. The text is Triton's reason, on one line, for the operator.

    `may_pass`: another try may succeed with the same files, because the model's process ended without a word, or Triton
    could not be asked.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class TritonClient:
    """A channel to one Triton. Made in the event loop that uses it; `close` it there.

    `in_flight` counts the open calls, for choosing between replicas. All calls raise GatewayError and nothing else.
    """

    def __init__(
        self,
        address: str,
        *,
        sessions: bool = True,
        session_age_s: float = 3600.0,
        by_proxy: bool = False,
        repository_secret: str | None = None,
    ) -> None:
        """`address` is a gRPC target. Without `sessions` every request has a call of its own. `by_proxy`: whether
        a proxy that the environment names is used. `repository_secret`: what Triton wants with calls that concern its
        model repository, see `REPOSITORY_SECRET_HEADER`."""
        self.address = address
        self.in_flight = 0
        self._repository_metadata = ((REPOSITORY_SECRET_HEADER, repository_secret),) if repository_secret else None
        self._ending: set[asyncio.Future[object]] = set()
        self._channel: Any = grpc.aio.insecure_channel(
            address, options=_CHANNEL_OPTIONS if by_proxy else (*_CHANNEL_OPTIONS, _NO_PROXY)
        )
        self._infer_stream: Any = self._channel.stream_stream(
            SERVICE + "ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        self.sessions = Sessions(self._infer_stream, allowed=sessions, max_age_s=session_age_s)
        self._unary: dict[str, Any] = {
            name: self._channel.unary_unary(
                SERVICE + name,
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            for name, request, response in (
                ("RepositoryIndex", pb.RepositoryIndexRequest, pb.RepositoryIndexResponse),
                ("RepositoryModelLoad", pb.RepositoryModelLoadRequest, pb.RepositoryModelLoadResponse),
                ("RepositoryModelUnload", pb.RepositoryModelUnloadRequest, pb.RepositoryModelUnloadResponse),
                ("ModelConfig", pb.ModelConfigRequest, pb.ModelConfigResponse),
                ("ModelInfer", pb.ModelInferRequest, pb.ModelInferResponse),
                ("ModelStatistics", pb.ModelStatisticsRequest, pb.ModelStatisticsResponse),
            )
        }

    async def close(self) -> None:
        """Close the sessions and the channel; open calls end with an error.

        Calls that were left are waited for, since gRPC tells the event loop of their end, which may be closed after this.
        """
        await self.sessions.close()
        if self._ending:
            await asyncio.wait(self._ending, timeout=_CLOSE_TIMEOUT_S)
        await self._channel.close(grace=None)

    async def repository_index(self) -> list[RepositoryModel]:
        """Every model in Triton's repositories, an entry for each version."""
        request = pb.RepositoryIndexRequest()
        index = await self._call("RepositoryIndex", request, timeout_s=5, metadata=self._repository_metadata)
        return [RepositoryModel(model.name, model.version, model.state, model.reason) for model in index.models]

    async def load_model(self, name: str) -> None:
        """Load a model, or load it anew; returns when it takes requests. Raises ModelControlFailed."""
        await self._control("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name=name))

    async def unload_model(self, name: str) -> None:
        """Unload a model; its requests in flight are finished. Raises ModelControlFailed."""
        await self._control("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name=name))

    async def model_config(self, model: str) -> Any:
        """The completed ModelConfig of a model."""
        response = await self._call("ModelConfig", pb.ModelConfigRequest(name=model), timeout_s=5)
        return response.config

    async def finished(self) -> dict[str, int] | None:
        """How many requests each model has finished since it was loaded; None where Triton counts none."""
        try:
            said = await self._unary["ModelStatistics"](pb.ModelStatisticsRequest(), timeout=_STATISTICS_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return None
        counts: Counter[str] = Counter()
        for model in said.model_stats:
            counts[model.name] += model.inference_stats.success.count + model.inference_stats.fail.count
        return dict(counts)

    async def infer(self, request: Any, *, timeout_s: float) -> Any:
        """One ModelInferResponse for one ModelInferRequest."""
        self.in_flight += 1
        try:
            return await self._call("ModelInfer", request, timeout_s=timeout_s)
        finally:
            self.in_flight -= 1

    async def _control(self, name: str, request: Any) -> None:
        try:
            await self._unary[name](request, metadata=self._repository_metadata)
        except grpc.aio.AioRpcError as error:
            said = " ".join((error.details() or error.code().name).split())
            may_pass = _ENDED.search(said) is not None or error.code() in (
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.CANCELLED,
            )
            raise ModelControlFailed(_AROUND_THE_REASON.sub("", said).rstrip(" ;."), may_pass=may_pass) from error

    async def _call(
        self, name: str, request: Any, *, timeout_s: float, metadata: tuple[tuple[str, str], ...] | None = None
    ) -> Any:
        try:
            return await self._unary[name](request, timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            hint = _SECRET_HINT if _RESTRICTED in (error.details() or "") else ""
            log.warning("%s at %s failed: %s: %s%s", name, self.address, error.code().name, error.details(), hint)
            raise status.from_rpc_error(error) from error

    async def stream(
        self, request: Any, *, stall_timeout_s: float, is_lost: Callable[[], bool] = never
    ) -> AsyncGenerator[Any, None]:
        """The ModelInferResponses of one decoupled request, on a call of its own.

        Leaving the generator early cancels the call, and Triton tells the backend. A call that will not be answered any
        more ends with UpstreamTimeout or Unavailable: see `StallWatch`.
        """
        self.in_flight += 1
        call = self._infer_stream(_one(request))
        loop = asyncio.get_running_loop()
        reader = _Reader(loop.time())
        watch = StallWatch(reader, stall_timeout_s, call.cancel, is_lost=is_lost)
        complete = False
        try:
            async for message in call:
                reader.waiting_since = None
                complete = _is_final(message.infer_response)
                if message.error_message:
                    log.warning("stream at %s failed: %s", self.address, message.error_message)
                    raise status.from_text(message.error_message)
                yield message.infer_response
                reader.waiting_since = loop.time()
        except asyncio.CancelledError:
            if watch.error is None:
                raise
            log.warning("stream at %s fell silent: %s", self.address, watch.error)
            raise watch.error from None
        except grpc.aio.AioRpcError as error:
            log.warning("stream at %s broke: %s: %s", self.address, error.code().name, error.details())
            raise status.from_rpc_error(error) from error
        finally:
            watch.close()
            self.in_flight -= 1
            if complete:
                # Over in a moment, and not cancelled: Triton 2.51 may be unable to unload a model whose call was cancelled
                # just then.
                self._let_end(_to_its_end(call))
            else:
                call.cancel()
                self._let_end(call.code())

    def _let_end(self, work: Coroutine[Any, Any, object]) -> None:
        """Nobody needs to wait for this but `close`."""
        ending = asyncio.ensure_future(work)
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


@dataclass(slots=True)
class _Reader:
    """Of a call, as `StallWatch` sees it."""

    waiting_since: float | None


def _is_final(response: Any) -> bool:
    """Whether Triton says that nothing more will come for the request."""
    parameters = response.parameters
    return FINAL_RESPONSE in parameters and parameters[FINAL_RESPONSE].bool_param


async def _to_its_end(call: Any) -> None:
    try:
        with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError):
            async with asyncio.timeout(_END_TIMEOUT_S):
                async for _ in call:
                    continue
    finally:
        call.cancel()


async def _one(request: Any) -> AsyncIterable[Any]:
    """A request stream of one message; that it ends tells Triton that no more will come."""
    yield request
