"""For load balancers and supervisors. Neither answer tells a stranger anything."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.openapi.health import HEALTHZ, READYZ
from cella.http.services import services

router = APIRouter(tags=["Health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", **HEALTHZ)
async def healthz() -> Response:
    """Whether the process lives."""
    return json_answer({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", **READYZ)
async def readyz(request: Request) -> Response:
    """Whether it can work: the database and the store answer."""
    wrong = await services(request).health.ready()
    if wrong:
        return json_answer({"status": "not ready", "wrong": wrong}, 503)
    return json_answer({"status": "ready"})
