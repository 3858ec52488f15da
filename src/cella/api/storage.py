"""Uploads: contract section 1.1, and the same with a raw body for scripts."""

import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api import openapi
from cella.api.answers import json_answer
from cella.http.bodies import announced_length, paced
from cella.http.multipart import MultipartLimits, open_part
from cella.http.names import clean_filename, decode_path_name
from cella.http.services import Services, actor_of, services
from cella.model import File

router = APIRouter(tags=["Upload"])

_LIMITS = MultipartLimits()
_UNKNOWN = "application/octet-stream"
_FORM = "application/x-www-form-urlencoded"
_ASYNC = re.compile(r"(?:^|[,;])\s*respond-async\s*(?:$|[,;])", re.IGNORECASE)


@router.post("/api/storage/stream/{project_id}", **openapi.UPLOAD_FORM)
async def upload_form(request: Request) -> Response:
    """Upload one file as the part `file` of a form (`multipart/form-data`).

    The answer comes when the file is durable, and, for pictures, when their previews are there
    or `upload_wait` has passed. With `Prefer: respond-async` (RFC 7240) it does not wait.
    """
    service = services(request)
    project_id = request.path_params["project_id"]
    length = announced_length(request)
    least = None if length is None else max(0, length - _LIMITS.outside)
    permit = await service.receive.admit(await actor_of(request), project_id, least)
    body = paced(request, service.pacing.upload_stall, service.pacing.upload_stall_bytes)
    part = await open_part(body, request.headers.get("content-type", ""), "file", _LIMITS)
    file = await service.receive.store(
        permit, clean_filename(part.filename), part.content_type, part.body
    )
    return await _answer(request, service, file)


@router.put("/api/storage/stream/{project_id}/{filename:path}", **openapi.UPLOAD_RAW)
async def upload_raw(request: Request) -> Response:
    """Upload one file as the request's body, under the name at the end of the address."""
    service = services(request)
    project_id, filename = request.path_params["project_id"], request.path_params["filename"]
    length = announced_length(request)
    permit = await service.receive.admit(await actor_of(request), project_id, length)
    raw_path: bytes = request.scope["raw_path"].partition(b"?")[0].rstrip(b"/")
    raw_name = raw_path.partition(f"/stream/{project_id}/".encode())[2]
    file = await service.receive.store(
        permit,
        clean_filename(decode_path_name(raw_name) or filename),
        _declared(request),
        paced(request, service.pacing.upload_stall, service.pacing.upload_stall_bytes),
    )
    return await _answer(request, service, file)


def _declared(request: Request) -> str:
    """The type of a raw body. What clients send unasked says nothing of the file."""
    declared = request.headers.get("content-type", "")
    return _UNKNOWN if declared in ("", _FORM) else declared


async def _answer(request: Request, service: Services, file: File) -> Response:
    headers = {"Location": f"/api/files/{file.id}"}
    if _ASYNC.search(request.headers.get("prefer", "")):
        headers["Preference-Applied"] = "respond-async"
    else:
        await service.receive.settle(file)
    return json_answer({"status": "ok", "file_id": file.id}, 201, headers)
