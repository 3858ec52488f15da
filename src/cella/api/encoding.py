"""What encoders elsewhere tell us: contract, section 4.6."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from cella.api.openapi.encoding import NOTIFICATIONS
from cella.errors import BadRequest, NotFound
from cella.http.bodies import read_object
from cella.http.services import services

router = APIRouter(tags=["Encoding"])

_SECRET = b"x-zencoder-notification-secret"
_UNKNOWN = "Not found, but that's okay."
_FAILED = "You failed, but that's okay."


@router.post("/api/encoding/zencoder/notifications", status_code=204, **NOTIFICATIONS)
async def zencoder_notifications(request: Request) -> Response:
    """Take what Zencoder tells of a job. Any number of times, in any order.

    Where no file waits for the job the answer is 404, so that Zencoder tells it again later.
    """
    service = services(request)
    # Starlette would hand the header over as Latin-1.
    headers = dict(request.scope["headers"])
    service.notified.admit(headers.get(_SECRET))
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind.strip().lower() != "application/json":
        raise BadRequest("Notifications are JSON: send the Content-Type application/json.")
    document = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    try:
        heard = await service.notified.take(document)
    except NotFound:
        return PlainTextResponse(_UNKNOWN, 404)
    return PlainTextResponse(_FAILED) if heard == "failed" else Response(status_code=204)
