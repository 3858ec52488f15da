"""The files resource: contract section 3, as far as reading, deleting and undoing that go."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer, not_modified
from cella.api.documents import page_of, receipt
from cella.api.openapi.files import DELETE_FILE, GET_FILE, LIST_FILES, RESTORE_FILE
from cella.api.rendering import Renderer
from cella.clock import http_date
from cella.errors import PreconditionFailed
from cella.flows.look import Seen
from cella.http.conditions import Conditions, evaluate_document, require_match
from cella.http.queries import document_shape, file_query, next_link, wants_deleted
from cella.http.services import actor_of, services

router = APIRouter(tags=["Files"])


@router.head("/api/files", include_in_schema=False)
@router.get("/api/files", **LIST_FILES)
async def list_files(request: Request) -> Response:
    """The files that the reader may see, a page at a time, each with fresh links.

    The next page is at the address in `_links.next`, which costs the same however far it lies, or
    at the next number. `If-Modified-Since` is ignored: no single date tells whether a list changed.
    """
    service, actor = services(request), await actor_of(request)
    query = file_query(request.query_params)
    shape = document_shape(request.query_params)
    renderer = Renderer(service.rendered, service.look, actor, shape)
    page = await service.look.page(actor, query)
    headers = {"X-Total-Count": str(page.total)}
    if page.files:
        headers["Last-Modified"] = http_date(max(seen.file.updated for seen in page.files))
    following = None
    if page.next is not None:
        following = next_link("files", request.query_params, page.next)
    envelope = page_of(
        await renderer.documents(page.files),
        total=page.total,
        page=query.page,
        limit=query.limit,
        following=following,
    )
    return json_answer(envelope, headers=headers)


@router.head("/api/files/{file_id}", include_in_schema=False)
@router.get("/api/files/{file_id}", **GET_FILE)
async def get_file(request: Request) -> Response:
    """One file, with fresh links.

    A client whose copy is current gets a 304, but not where the links in that copy may have
    expired: as in the original, a new window of links counts as a modification for
    `If-Modified-Since` and voids an `If-None-Match` that came alone. With its project embedded a
    document is always sent: its etag does not tell whether the project changed. So it is while the
    file is worked on: the etag does not tell how far that is.
    """
    service, actor = services(request), await actor_of(request)
    shape = document_shape(request.query_params)
    seen = await service.look.file(
        actor, request.path_params["file_id"], deleted=wants_deleted(request.query_params)
    )
    modified = seen.fresh_since
    headers = {"ETag": f'"{seen.file.etag}"', "Last-Modified": http_date(modified)}
    outcome = evaluate_document(Conditions.of(request.headers), seen.file.etag, modified)
    if outcome == "failed":
        raise PreconditionFailed("The file is not the one that If-Match names.")
    may_be_stale = (
        shape.embeds_project or not seen.has_settled or _links_may_be_stale(request, seen)
    )
    if outcome == "not_modified" and not may_be_stale:
        return not_modified(headers)
    renderer = Renderer(service.rendered, service.look, actor, shape)
    return json_answer(await renderer.document(seen), headers=headers)


@router.delete("/api/files/{file_id}", status_code=204, **DELETE_FILE)
async def delete_file(request: Request) -> Response:
    """Delete the file, its original and its variations. Needs `If-Match`."""
    if_match = request.headers.get("if-match")
    await services(request).discard.delete(
        await actor_of(request),
        request.path_params["file_id"],
        lambda etag: require_match(if_match, etag),
    )
    return Response(status_code=204)


@router.post("/api/files/{file_id}/restore", **RESTORE_FILE)
async def restore_file(request: Request) -> Response:
    """Bring a deleted file back, as long as its bytes are kept (`discard_grace`).

    What was still to be done to it is done. A file that is not deleted stays as it is.
    """
    file = await services(request).restore.file(
        await actor_of(request), request.path_params["file_id"]
    )
    return json_answer(receipt(file), headers={"ETag": f'"{file.etag}"'})


def _links_may_be_stale(request: Request, seen: Seen) -> bool:
    return seen.fresh_since > seen.file.updated and "if-modified-since" not in request.headers
