"""Writing files' documents: contract section 3, POST, PATCH and PUT."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.documents import receipt
from cella.api.openapi.files import ADD_FILES, CHANGE_FILE, PROCESS_AGAIN, REPLACE_FILE
from cella.errors import BadRequest
from cella.http.bodies import read_document, read_object
from cella.http.conditions import require_match
from cella.http.services import actor_of, services
from cella.names import clean_filename

MAX_DOCUMENTS = 250
"""Documents that one request may bring."""

router = APIRouter(tags=["Files"])


@router.post("/api/files", **ADD_FILES)
async def add_files(request: Request) -> Response:
    """Add documents without bytes, one or several; all of them or none.

    This is for places that keep the original's documents. Uploads make their own.
    """
    change, pacing = services(request).change, services(request).pacing
    change.admit(await actor_of(request))
    body = await read_document(request, pacing.upload_stall, pacing.upload_stall_bytes)
    actor = await actor_of(request)
    if isinstance(body, list):
        added = await change.add_all(actor, _several(body))
        return json_answer({"_status": "OK", "_items": [receipt(file) for file in added]}, 201)
    file = await change.add(actor, _cleaned(body))
    headers = {"ETag": f'"{file.etag}"', "Location": f"/api/files/{file.id}"}
    return json_answer(receipt(file), 201, headers)


@router.patch("/api/files/{file_id}", **CHANGE_FILE)
async def change_file(request: Request) -> Response:
    """Change some fields of the file's document. Needs `If-Match`.

    Fields that are not sent stay, null removes one, and what is sent unchanged is passed over.
    """
    return await _edit(request, whole=False)


@router.put("/api/files/{file_id}", **REPLACE_FILE)
async def replace_file(request: Request) -> Response:
    """Replace what may be set of the file's document. Needs `If-Match`.

    A `description` that is not sent is removed. What Cella sets itself stays, sent or not.
    """
    return await _edit(request, whole=True)


@router.post("/api/files/{file_id}/process", **PROCESS_AGAIN)
async def process_again(request: Request) -> Response:
    """Have a file that failed worked on again, from where it failed. `If-Match` is optional."""
    if_match = request.headers.get("if-match")

    def precondition(etag: str) -> None:
        if if_match is not None:
            require_match(if_match, etag)

    file = await services(request).again.work(
        await actor_of(request), request.path_params["file_id"], precondition
    )
    return json_answer(receipt(file), headers={"ETag": f'"{file.etag}"'})


async def _edit(request: Request, *, whole: bool) -> Response:
    change, pacing = services(request).change, services(request).pacing
    file_id = request.path_params["file_id"]
    if_match = request.headers.get("if-match")

    def precondition(etag: str) -> None:
        require_match(if_match, etag)

    await change.permit(await actor_of(request), file_id, precondition)
    body = await read_object(request, pacing.upload_stall, pacing.upload_stall_bytes)
    actor = await actor_of(request)
    file = await change.edit(actor, file_id, precondition, _cleaned(body), whole=whole)
    return json_answer(receipt(file), headers={"ETag": f'"{file.etag}"'})


def _several(documents: list[Any]) -> list[dict[str, Any]]:
    if not 0 < len(documents) <= MAX_DOCUMENTS:
        raise BadRequest(f"The array must have 1 to {MAX_DOCUMENTS} documents.")
    for at, document in enumerate(documents):
        if not isinstance(document, dict):
            raise BadRequest(f"Item {at} of the array must be a JSON object.")
    return [_cleaned(document) for document in documents]


def _cleaned(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the name of its file as uploads keep it."""
    filename = document.get("filename")
    if not isinstance(filename, str):
        return document
    return {**document, "filename": clean_filename(filename)}
