"""Buckets as folders: contract section 8, and the same a page at a time."""

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.openapi.browse import BROWSE, BROWSE_GCS, BROWSE_GCS_AT, BROWSE_TOP
from cella.clock import http_date
from cella.flows.browse import Blob, Folder
from cella.http.queries import max_results
from cella.http.services import actor_of, services
from cella.names import readable

MOST = 1000
"""Children of one answer in the original's form."""

router = APIRouter(tags=["Browse"])

_GROUP = "group_storage"
_NAME_SHOWN = 255


@router.head("/api/storage/gcs/{bucket}/{subdir}", include_in_schema=False)
@router.get("/api/storage/gcs/{bucket}/{subdir}", **BROWSE_GCS)
async def browse_gcs(request: Request) -> Response:
    """What lies in a project's bucket below a folder, as the original showed it.

    It is the bucket in `gcs` where that store is configured, else the one in the server's own.
    Children are told by their paths below the folder; what is not there has none. Where there are
    more than fit into one answer, `_links.next` leads on.
    """
    return await _browse_gcs(request, "")


@router.head("/api/storage/gcs/{bucket}/{subdir}/{path:path}", include_in_schema=False)
@router.get("/api/storage/gcs/{bucket}/{subdir}/{path:path}", **BROWSE_GCS_AT)
async def browse_gcs_at(request: Request) -> Response:
    """One blob below a folder of a project's bucket, or what lies in a folder there."""
    return await _browse_gcs(request, request.path_params["path"].strip("/"))


@router.head("/api/storage/browse/{project_id}", include_in_schema=False)
@router.get("/api/storage/browse/{project_id}", **BROWSE_TOP)
async def browse_top(request: Request) -> Response:
    """The folders of a project's bucket, a page at a time. Files lie in the folder `_`."""
    return await _browse(request, "")


@router.head("/api/storage/browse/{project_id}/{path:path}", include_in_schema=False)
@router.get("/api/storage/browse/{project_id}/{path:path}", **BROWSE)
async def browse(request: Request) -> Response:
    """One blob of a project's bucket, or what lies in a folder there, a page at a time."""
    return await _browse(request, request.path_params["path"].strip("/"))


async def _browse_gcs(request: Request, path: str) -> Response:
    flow, parameters = services(request).browse, request.path_params
    bucket, subdir = parameters["bucket"], parameters["subdir"]
    found = await flow.look(
        await actor_of(request),
        bucket,
        f"{subdir}/{path}" if path else subdir,
        backend=flow.backend_of_original(),
        after=request.query_params.get("after", ""),
        most=MOST,
    )
    return json_answer(_document(request, found, path))


async def _browse(request: Request, path: str) -> Response:
    found = await services(request).browse.look(
        await actor_of(request),
        request.path_params["project_id"],
        path,
        backend=request.query_params.get("backend"),
        after=request.query_params.get("after", ""),
        most=max_results(request.query_params),
    )
    return json_answer(_document(request, found, path))


def _document(request: Request, found: Blob | Folder, path: str) -> dict[str, Any]:
    if isinstance(found, Blob):
        return {
            "name": found.name,
            "size": found.length,
            "content_type": found.content_type,
            "updated": http_date(int(found.modified)),
            "signed_url": found.signed_url,
            "public_url": found.public_url,
        }
    below = f"{path}/" if path else ""
    blobs = [
        {"text": item.name, "path": below + item.name, "type": item.content_type}
        for item in found.items
        if item.content_type is not None
    ]
    folders = [
        {"text": item.name, "path": below + item.name, "type": _GROUP, "children": True}
        for item in found.items
        if item.content_type is None
    ]
    document: dict[str, Any] = {
        "name": readable(path.rpartition("/")[2])[:_NAME_SHOWN] or ".",
        "type": _GROUP,
        "children": blobs + folders,
    }
    if found.following is not None:
        document["_links"] = {
            "next": {"title": "next page", "href": _next(request, found.following)}
        }
    return document


def _next(request: Request, following: str) -> str:
    """Where the folder goes on, relative to /api, as in lists."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    here = quote(request.scope["path"].removeprefix("/api/"))
    return f"{here}?{urlencode([*kept, ('after', following)], quote_via=quote)}"
