"""The files resource: contract section 3, as far as reading and deleting go."""

from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api import openapi
from cella.api.answers import json_answer, not_modified, remembered
from cella.api.documents import file_document, page_of
from cella.clock import http_date
from cella.errors import PreconditionFailed
from cella.flows.look import Seen
from cella.http.conditions import Conditions, evaluate_document, require_match
from cella.http.queries import file_query
from cella.http.services import actor_of, services

router = APIRouter(tags=["Files"])


@router.head("/api/files", include_in_schema=False)
@router.get("/api/files", **openapi.LIST_FILES)
async def list_files(request: Request) -> Response:
    """The files that the reader may see, a page at a time, each with fresh links."""
    service = services(request)
    query = file_query(request.query_params)
    page = await service.look.page(await actor_of(request), query)
    headers = {"X-Total-Count": str(page.total)}
    if page.files:
        headers["Last-Modified"] = http_date(max(seen.file.updated for seen in page.files))
    documents = [
        remembered(service.rendered, seen.state, partial(file_document, seen))
        for seen in page.files
    ]
    return json_answer(
        page_of(documents, total=page.total, page=query.page, limit=query.limit), headers=headers
    )


@router.head("/api/files/{file_id}", include_in_schema=False)
@router.get("/api/files/{file_id}", **openapi.GET_FILE)
async def get_file(request: Request) -> Response:
    """One file, with fresh links.

    A client whose copy is current gets a 304, but not where the links in that copy may have
    expired: as in the original, a new window of links counts as a modification for
    `If-Modified-Since` and voids an `If-None-Match` that came alone.
    """
    seen = await services(request).look.file(
        await actor_of(request), request.path_params["file_id"]
    )
    modified = seen.fresh_since
    headers = {"ETag": f'"{seen.file.etag}"', "Last-Modified": http_date(modified)}
    outcome = evaluate_document(Conditions.of(request.headers), seen.file.etag, modified)
    if outcome == "failed":
        raise PreconditionFailed("The file is not the one that If-Match names.")
    if outcome == "not_modified" and not _links_may_be_stale(request, seen):
        return not_modified(headers)
    return json_answer(file_document(seen), headers=headers)


@router.delete("/api/files/{file_id}", status_code=204, **openapi.DELETE_FILE)
async def delete_file(request: Request) -> Response:
    """Delete the file, its original and its variations. Needs `If-Match`."""
    if_match = request.headers.get("if-match")
    await services(request).discard.delete(
        await actor_of(request),
        request.path_params["file_id"],
        lambda etag: require_match(if_match, etag),
    )
    return Response(status_code=204)


def _links_may_be_stale(request: Request, seen: Seen) -> bool:
    return seen.fresh_since > seen.file.updated and "if-modified-since" not in request.headers
