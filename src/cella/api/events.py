"""What happens to a file, told as it happens."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.documents import ProcessingDocument, processing_document
from cella.api.openapi.events import FOLLOW_FILE
from cella.errors import CellaError
from cella.flows.look import Look, Seen
from cella.http import problems
from cella.http.clients import client_address
from cella.http.events import HEADERS, MEDIA_TYPE, Event, EventsResponse
from cella.http.services import actor_of, services
from cella.model import Actor

router = APIRouter(tags=["Files"])


class Told(msgspec.Struct, omit_defaults=True):
    """What is told of a file: the parts of its document that work on it changes."""

    id: str = msgspec.field(name="_id")
    etag: str = msgspec.field(name="_etag")
    status: str
    processing: ProcessingDocument | None = None


@router.head("/api/files/{file_id}/events", include_in_schema=False)
@router.get("/api/files/{file_id}/events", **FOLLOW_FILE)
async def follow_file(request: Request) -> Response:
    """How the work on the file goes, as server-sent events.

    There is an event `file` at once and whenever something changes, with the document's `_id`,
    `_etag`, `status` and `processing`. When nothing more is being made of the file, or it cannot
    be seen any longer, an event `end` follows: close the connection then, or a browser comes back.
    """
    service, actor = services(request), await actor_of(request)
    file_id = request.path_params["file_id"]
    await service.look.file(actor, file_id)
    if request.method == "HEAD":
        return Response(headers=HEADERS, media_type=MEDIA_TYPE)
    return EventsResponse(
        _events(service.look, partial(actor_of, request), file_id),
        place=service.following.held_by(actor.user or client_address(request, service.proxies)),
        seconds=service.pacing.event_seconds,
        stall=service.pacing.download_stall,
    )


async def _events(
    look: Look, who: Callable[[], Awaitable[Actor]], file_id: str
) -> AsyncGenerator[Event, None]:
    try:
        async with aclosing(look.follow(who, file_id)) as changes:
            async for seen in changes:
                yield Event("file", _told(seen))
        yield Event("end", {})
    except CellaError as error:
        yield Event("end", {"code": problems.status_of(error), "name": error.code})


def _told(seen: Seen) -> Told:
    file = seen.file
    return Told(file.id, file.etag, file.status, processing_document(seen))
