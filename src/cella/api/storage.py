"""Uploads: contract sections 1.1 and 7, and the same with a raw body for scripts."""

import re
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.openapi.storage import STORE, STORE_AT, UPLOAD_FORM, UPLOAD_RAW
from cella.errors import BadRequest
from cella.http.bodies import announced_length, paced
from cella.http.multipart import MultipartLimits, Part, open_part
from cella.http.services import Services, actor_of, services
from cella.links.urls import ROUTE
from cella.model import File
from cella.names import clean_filename, decode_path_name, plain_name

router = APIRouter(tags=["Upload"])

_LIMITS = MultipartLimits()
_NAME = "name"
_UNKNOWN = "application/octet-stream"
_FORM = "application/x-www-form-urlencoded"
_WHOLE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)
_ASYNC = re.compile(r"(?:^|[,;])\s*respond-async\s*(?:$|[,;])", re.IGNORECASE)


@router.post("/api/storage/stream/{project_id}", **UPLOAD_FORM)
async def upload_form(request: Request) -> Response:
    """Upload one file as the part `file` of a form (`multipart/form-data`).

    The answer comes when the file is durable, and, for pictures, when their previews are there
    or `upload_wait` has passed. With `Prefer: respond-async` (RFC 7240) it does not wait.
    """
    service = services(request)
    project_id = request.path_params["project_id"]
    permit = await service.receive.admit(
        await actor_of(request), project_id, _least_of_form(request)
    )
    with service.receive.slot(permit):
        part = await _open_form(request, service, "file")
        file = await service.receive.store(
            permit, clean_filename(part.filename), part.content_type, part.body
        )
    return await _answer(request, service, file)


@router.put("/api/storage/stream/{project_id}/{filename:path}", **UPLOAD_RAW)
async def upload_raw(request: Request) -> Response:
    """Upload one file as the request's body, under the name at the end of the address."""
    service = services(request)
    project_id, filename = request.path_params["project_id"], request.path_params["filename"]
    length = announced_length(request)
    permit = await service.receive.admit(await actor_of(request), project_id, length)
    raw_path: bytes = request.scope["raw_path"].partition(b"?")[0].rstrip(b"/")
    raw_name = raw_path.partition(f"/stream/{project_id}/".encode())[2]
    with service.receive.slot(permit):
        file = await service.receive.store(
            permit,
            clean_filename(decode_path_name(raw_name) or filename),
            _declared(request),
            _body(request, service),
        )
    return await _answer(request, service, file)


@router.post(ROUTE, **STORE)
@router.post(ROUTE + "/{path:path}", name="store_at", **STORE_AT)
async def store(request: Request) -> Response:
    """Store one file without a project: the part `data` of a form, under its field `name`.

    The answer has a link that works as it is for whoever has it. Of the name only letters,
    digits, blanks, dots and underscores are kept; a path in the address means nothing.
    """
    service = services(request)
    permit = await service.receive.admit(await actor_of(request), None, _least_of_form(request))
    with service.receive.slot(permit):
        part = await _open_form(request, service, "data", _NAME)
        file = await service.receive.store(
            permit,
            clean_filename(part.filename),
            part.content_type or _UNKNOWN,
            _until_named(part),
            named=lambda: _name_in(part),
        )
    return json_answer({"url": service.serve.link(file)})


async def _open_form(request: Request, service: Services, field: str, *texts: str) -> Part:
    header = request.headers.get("content-type", "")
    return await open_part(_body(request, service), header, field, _LIMITS, texts)


def _body(request: Request, service: Services) -> AsyncIterator[bytes]:
    """The request's body; raises `BadRequest` where it is but a part of a file.

    RFC 9110, section 14.5, for PUT; jQuery File Upload sends such parts as forms, if it is told to.
    """
    given = request.headers.get("content-range")
    whole = None if given is None else _WHOLE.fullmatch(given)
    if given is not None and (whole is None or int(whole[1]) + 1 != int(whole[2])):
        raise BadRequest(
            "The Content-Range tells of a part of a file, and parts are not put together here: "
            "send the whole file in one request."
        )
    return paced(request, service.pacing.upload_stall, service.pacing.upload_stall_bytes)


def _least_of_form(request: Request) -> int | None:
    """Bytes that the file in a form has at least, where the request tells its length."""
    length = announced_length(request)
    return None if length is None else max(0, length - _LIMITS.outside)


async def _until_named(part: Part) -> AsyncIterator[bytes]:
    """The file of a form, which is complete only when the form has told its name as well."""
    async for block in part.body:
        yield block
    _name_in(part)


def _name_in(part: Part) -> str:
    """The name that a form gives its file; raises `BadRequest` where there is none."""
    if _NAME not in part.texts:
        raise BadRequest(f"The form has no field '{_NAME}'.")
    name = plain_name(part.texts[_NAME])
    if not name:
        raise BadRequest(
            f"Of the form's field '{_NAME}' nothing is left: a name needs letters or digits."
        )
    return clean_filename(name)


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
