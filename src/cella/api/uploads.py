"""Uploads in pieces, as tus has them (https://tus.io/protocols/resumable-upload, 1.0.0).

Of its extensions there are creation, creation-with-upload, expiration and termination. An upload
lies below the project that its file is for. `Cella-State` and `Cella-File` tell what has become of
it, and so does a GET, which tus leaves to servers.
"""

import base64
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cella.aio import uninterrupted
from cella.api.answers import json_answer
from cella.api.openapi.uploads import (
    ABOUT_UPLOADS,
    APPEND_UPLOAD,
    BEGIN_UPLOAD,
    END_UPLOAD,
    READ_UPLOAD,
)
from cella.clock import http_date
from cella.errors import BadRequest, UnsupportedType, UnsupportedVersion
from cella.http import problems
from cella.http.bodies import announced_length, paced
from cella.http.services import actor_of, services
from cella.model import Upload
from cella.names import clean_filename, readable

_VERSION = "1.0.0"
_EXTENSIONS = "creation,creation-with-upload,expiration,termination"
_CONTENT = "application/offset+octet-stream"
_UNKNOWN = "application/octet-stream"
_MAX_METADATA = 8192
_MAX_LENGTH = 1 << 50
_NO_STORE = {"Cache-Control": "no-store"}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class UploadDocument(msgspec.Struct, omit_defaults=True):
    """An upload in pieces."""

    id: str = msgspec.field(name="_id")
    created: str = msgspec.field(name="_created")
    project: str
    user: str
    filename: str
    length: int
    received: int
    state: str
    expires: str
    file: str | None = None
    reason: str | None = None


class _TusRoute(APIRoute):
    """Its answers, and its refusals, tell which version they speak, as tus wants it."""

    def get_route_handler(self) -> Handler:
        """The handler, which needs the version of whoever sends a change."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                _check_version(request)
                answer = await handler(request)
            except Exception as error:
                answer = problems.answer(error)
            answer.headers["Tus-Resumable"] = _VERSION
            return answer

        return handle


router = APIRouter(tags=["Upload"], route_class=_TusRoute)


@router.options("/api/uploads/{project_id}", response_class=Response, **ABOUT_UPLOADS)
async def about_uploads(_: Request) -> Response:
    """Which version of tus there is, and which of its extensions."""
    headers = {
        "Tus-Version": _VERSION,
        "Tus-Extension": _EXTENSIONS,
        "Tus-Max-Size": str(_MAX_LENGTH),
    }
    return Response(headers=headers)


@router.post("/api/uploads/{project_id}", **BEGIN_UPLOAD)
async def begin_upload(request: Request) -> Response:
    """Begin an upload; its bytes follow by PATCH, over as many connections as it takes.

    The first of them may come along as the body, in the Content-Type
    `application/offset+octet-stream`. Where that breaks off the upload is dropped, as nobody was
    told of it: so send along only what is quickly sent.
    """
    service, project_id = services(request), request.path_params["project_id"]
    if "upload-defer-length" in request.headers:
        raise BadRequest("Upload-Defer-Length is not known here: send Upload-Length.")
    length = _number(request, "upload-length")
    metadata = _metadata(request.headers.get("upload-metadata", ""))
    filename = metadata.get("filename") or metadata.get("name", "")
    declared_type = readable(metadata.get("filetype") or metadata.get("type", "")) or _UNKNOWN
    actor = await actor_of(request)
    upload = await service.gather.begin(
        actor, project_id, clean_filename(filename), declared_type, length
    )
    headers = {"Location": f"/api/uploads/{project_id}/{upload.id}"}
    if _type_of(request) == _CONTENT:
        try:
            upload = await service.gather.append(
                actor, project_id, upload.id, 0, announced_length(request), _body(request)
            )
        except BaseException:
            # What went wrong is told, and not what becomes of that; else it goes when it expires.
            with suppress(Exception):
                await uninterrupted(service.gather.end(actor, project_id, upload.id))
            raise
        headers["Upload-Offset"] = str(upload.received)
    return json_answer(_document(upload), 201, {**headers, **_NO_STORE, **_state(upload)})


@router.head("/api/uploads/{project_id}/{upload_id}", include_in_schema=False)
@router.get("/api/uploads/{project_id}/{upload_id}", **READ_UPLOAD)
async def read_upload(request: Request) -> Response:
    """How far an upload is, for its uploader and for administrators.

    `state` is `receiving`, `storing` (all bytes are there, and are made one file), `complete`, with
    the id of the `file`, or `failed`, with the `reason`.
    """
    upload = await services(request).gather.look(
        await actor_of(request), request.path_params["project_id"], request.path_params["upload_id"]
    )
    headers = {"Upload-Offset": str(upload.received), "Upload-Length": str(upload.length)}
    return json_answer(_document(upload), headers={**headers, **_NO_STORE, **_state(upload)})


@router.patch("/api/uploads/{project_id}/{upload_id}", **APPEND_UPLOAD)
async def append_to_upload(request: Request) -> Response:
    """Go on with an upload. What has come before the connection breaks off is kept.

    The answer to the last byte comes when the file is there, or after `upload_wait`.
    """
    if _type_of(request) != _CONTENT:
        raise UnsupportedType(f"Send the bytes with the Content-Type {_CONTENT}.")
    upload = await services(request).gather.append(
        await actor_of(request),
        request.path_params["project_id"],
        request.path_params["upload_id"],
        _number(request, "upload-offset"),
        announced_length(request),
        _body(request),
    )
    headers = {"Upload-Offset": str(upload.received)}
    return Response(status_code=204, headers={**headers, **_state(upload)})


@router.delete("/api/uploads/{project_id}/{upload_id}", **END_UPLOAD)
async def end_upload(request: Request) -> Response:
    """End an upload that is not complete, and drop what has come of it."""
    await services(request).gather.end(
        await actor_of(request), request.path_params["project_id"], request.path_params["upload_id"]
    )
    return Response(status_code=204)


def _body(request: Request) -> Any:
    pacing = services(request).pacing
    return paced(request, pacing.upload_stall, pacing.upload_stall_bytes)


def _document(upload: Upload) -> UploadDocument:
    return UploadDocument(
        id=upload.id,
        created=http_date(upload.created),
        project=upload.project,
        user=upload.user,
        filename=upload.filename,
        length=upload.length,
        received=upload.received,
        state=upload.state,
        expires=http_date(upload.expires),
        file=upload.file,
        reason=upload.reason,
    )


def _state(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Expires": http_date(upload.expires), "Cella-State": upload.state}
    return headers if upload.file is None else {**headers, "Cella-File": upload.file}


def _check_version(request: Request) -> None:
    """Only who changes something has to tell it, and OPTIONS is how a client finds out."""
    version = request.headers.get("tus-resumable")
    is_reading = request.method in ("GET", "HEAD") and version is None
    if request.method != "OPTIONS" and not is_reading and version != _VERSION:
        raise UnsupportedVersion(
            f"Send the header Tus-Resumable: {_VERSION}, which is what is spoken here.", _VERSION
        )


def _type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdecimal()) or len(text) > 18 or int(text) > _MAX_LENGTH:
        title = name.title()
        raise BadRequest(f"The header {title} has to be a number of bytes, {_MAX_LENGTH} at most.")
    return int(text)


def _metadata(header: str) -> Mapping[str, str]:
    """Pairs of a key and a value in Base64 (RFC 4648), which may be missing."""
    if len(header) > _MAX_METADATA:
        raise BadRequest(f"Upload-Metadata has more than {_MAX_METADATA} characters.")
    found: dict[str, str] = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            raise BadRequest(
                f"Upload-Metadata: the value of {key[:40]!r} is not UTF-8 in Base64."
            ) from None
    return found
