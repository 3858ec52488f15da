"""What services do on behalf of a studio, and the root of the API: contract section 1."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.openapi.people import BADGER, ROOT
from cella.http.bodies import read_object
from cella.http.services import actor_of, services

router = APIRouter(tags=["Users"])


@router.head("/api", include_in_schema=False)
@router.get("/api", **ROOT)
async def root() -> Response:
    """Nothing but a sign of life, as in the original."""
    return json_answer({})


@router.post("/api/service/badger", status_code=204, **BADGER)
async def badger(request: Request) -> Response:
    """Grant a role to a user, or revoke it. For services with the roles service and badger."""
    service = services(request)
    service.accounts.admit_badger(await actor_of(request))
    document = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    wanted = (document.get(name) for name in ("action", "role", "user_email"))
    await service.accounts.badge(await actor_of(request), *wanted)
    return Response(status_code=204)
