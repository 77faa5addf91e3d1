"""The application: settings in, an ASGI app out. Resources live in the lifespan."""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from gateway import log as log_setup
from gateway import memory, metrics
from gateway.apis import APIS
from gateway.core import Core
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.pooler import Pooler
from gateway.dispatch.responder import Responder
from gateway.limits.admission import Admission
from gateway.limits.callers import KnownKey, anybody, known_keys
from gateway.middleware.api_key import ApiKey
from gateway.middleware.body_limit import BodyLimit
from gateway.middleware.head import HeadAsGet
from gateway.middleware.rate_limit import RateLimit
from gateway.middleware.request_context import RequestContext
from gateway.middleware.shortcut import Shortcut
from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.models.loader import ModelLoader
from gateway.prompting.images.reading import ImageLimits, Images
from gateway.prompting.images.remote import Fetcher
from gateway.prompting.lanes import Lanes
from gateway.prompting.segment_cache import SegmentCache
from gateway.prompting.turn import Prompting
from gateway.settings import Settings
from gateway.triton.client import TritonClient
from gateway.version import VERSION
from gateway.web import documented, error_handlers

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The gateway. Without `settings` they are read from the environment, as uvicorn's workers do."""
    settings = settings or Settings()
    log_setup.set_up(settings.log_level)
    keys = known_keys(settings)
    if not keys and settings.host not in ("127.0.0.1", "::1", "localhost"):
        log.warning("listening on %s without API keys: everybody who reaches this port is let in", settings.host)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Core], None]:
        memory.share_two_heaps()
        lanes = Lanes()
        lanes.start()
        async with _core(settings, lanes) as core:
            _settle()
            yield {"core": core}

    app = FastAPI(
        title="Triton gateway",
        description="The OpenAI API in front of NVIDIA Triton.",
        version=VERSION,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would carry the key to whatever scheme and host the request claims
        strict_content_type=False,  # BodyLimit has checked it, and answers in OpenAI's shape
    )
    for api in APIS:
        app.include_router(api.router)
    error_handlers.install(app)
    documented.install(app, [chunk for api in APIS for chunk in api.chunks])
    return _guarded(app, settings, keys)


def _guarded(app: FastAPI, settings: Settings, keys: Sequence[KnownKey]) -> ASGIApp:
    """The application behind its middleware, the innermost first. It stands around FastAPI and not within: what FastAPI
    puts around its own would be in the way of every request and every token."""
    stack: ASGIApp = Shortcut(HeadAsGet(app), [route for api in APIS for route in api.json_routes])
    stack = BodyLimit(stack, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    stack = RateLimit(stack)
    public = {(method, route.path) for api in APIS for route in api.routes for method in api.public_methods(route)}
    stack = ApiKey(stack, keys, anybody(settings), public)
    return RequestContext(stack, {route.path: api.dialect for api in APIS for route in api.routes})


def _settle() -> None:
    """What is there now stays; the collector need not walk it again. And a collection every 700 allocations is for programs
    that make fewer of them: figures in docs/performance.md."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Runs beside the block and has ended, cancelled, when the block has."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _core(settings: Settings, lanes: Lanes) -> AsyncGenerator[Core, None]:
    """Everything that runs as long as the application does; stopped in the reverse order."""
    async with AsyncExitStack() as stack:
        folder = settings.runtime_dir or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="triton-gateway-"))
        )
        clients = [
            TritonClient(
                address,
                sessions=settings.travel == "auto",
                session_age_s=settings.session_age_s,
                by_proxy=settings.triton_by_proxy,
                repository_secret=settings.triton_repository_secret,
            )
            for address in settings.triton_urls
        ]
        for client in clients:
            stack.push_async_callback(client.close)
        loader = ModelLoader(folder / "files", lanes, SegmentCache(settings.segment_cache_bytes))
        catalog = Catalog(clients, loader, settings.discovery_interval_s, settings.aliases)
        health = _health(settings, catalog, folder)
        fetcher = _fetcher(settings)
        stack.push_async_callback(fetcher.close)
        admission = _admission(settings)
        await stack.enter_async_context(_in_background(catalog.keep_fresh()))
        await stack.enter_async_context(_in_background(health.keep_watch()))
        yield Core(
            settings=settings,
            catalog=catalog,
            health=health,
            prompting=Prompting(
                Images(_image_limits(settings), fetcher),
                settings.template_arguments,
                reads_controls=settings.special_tokens_in_messages,
            ),
            admission=admission,
            dispatcher=Dispatcher(
                catalog,
                health,
                stall_timeout_s=settings.stall_timeout_s,
                separate_caches=settings.separate_prefix_caches,
            ),
            responder=Responder(admission, accept_timeout_s=settings.accept_timeout_s),
            pooler=Pooler(catalog, health, timeout_s=settings.infer_timeout_s),
        )


def _health(settings: Settings, catalog: Catalog, folder: Path) -> Health:
    return Health(
        catalog,
        folder / "health",
        required=settings.required_models,
        fresh_s=settings.health_fresh_s,
        stale_s=settings.health_stale_s,
    )


def _admission(settings: Settings) -> Admission:
    """This worker's share of the permits."""
    return Admission(
        limit=max(1, settings.max_in_flight // settings.workers),
        queue=settings.max_queued // settings.workers,
        max_wait_s=settings.max_queue_wait_s,
        on_change=_show_admission,
    )


def _fetcher(settings: Settings) -> Fetcher:
    return Fetcher(
        settings.image_hosts,
        timeout_s=settings.image_timeout_s,
        max_bytes=settings.max_image_bytes,
        private_addresses=settings.image_private_addresses,
    )


def _image_limits(settings: Settings) -> ImageLimits:
    return ImageLimits(settings.max_images, settings.max_image_bytes, settings.max_image_pixels)


def _show_admission(admission: Admission) -> None:
    metrics.IN_FLIGHT.set(admission.in_flight)
    metrics.QUEUED.set(admission.queued)
