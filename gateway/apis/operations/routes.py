"""Endpoints for those who run the gateway: probes, metrics, version."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from gateway import metrics
from gateway.version import VERSION
from gateway.web.api import Api
from gateway.web.core import CoreOf

router = APIRouter()
OPERATIONS = Api(router, public=frozenset({"/livez", "/readyz", "/health"}))


@router.get("/livez")
async def livez() -> dict[str, str]:
    """200 while the event loop turns: a failure means this process should be restarted."""
    return {"status": "live"}


@router.get("/readyz")
@router.get("/health")
async def readyz(core: CoreOf) -> JSONResponse:
    """200 when every required model has answered lately, else 503. The body says which, and how long ago.

    It is public: it shows states, and neither reasons nor paths.
    """
    ready = core.health.is_ready()
    models = {
        model.model: {
            "ready": model.ready,
            "state": model.state,
            "last_success_s_ago": None if model.age_s is None else round(model.age_s, 1),
        }
        for model in core.health.report()
    }
    body = {"status": "ready" if ready else "not ready", "models": models}
    return JSONResponse(body, status_code=200 if ready else 503)


@router.get("/version")
async def version() -> dict[str, str]:
    """The version of the gateway."""
    return {"version": VERSION}


@router.get("/metrics")
async def prometheus_metrics() -> Response:
    """Prometheus metrics of all workers."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
