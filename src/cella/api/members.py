"""The routes below `/api/p`: projects made by name, their members, what they hold."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.access.rules import allowed_methods
from cella.api.answers import json_answer
from cella.api.documents import member_document, project_document
from cella.api.openapi.projects import (
    CREATE_PROJECT,
    GET_ALLOWED,
    GET_MEMBERS,
    GET_QUOTAS,
    POST_MEMBER,
)
from cella.errors import BadRequest
from cella.http.bodies import read_object
from cella.http.services import actor_of, services
from cella.ids import is_id
from cella.model import METHODS

router = APIRouter(tags=["Projects"])

_USUAL_CATEGORY = "film"


@router.post("/api/p/create", **CREATE_PROJECT)
async def create_project(request: Request) -> Response:
    """Make a project from its name alone, sent as `project_name` or as `name`."""
    service = services(request)
    service.organise.admit(await actor_of(request))
    sent = await _read_object(request)
    document = {"category": _USUAL_CATEGORY}
    name = sent.get("project_name", sent.get("name"))
    if name is not None:
        document["name"] = name
    project = await service.organise.found(await actor_of(request), document)
    headers = {"Location": f"/api/projects/{project.id}", "ETag": f'"{project.etag}"'}
    # Its own group may do everything, and who made it is in there.
    return json_answer(project_document(project, list(METHODS)), 201, headers)


@router.head("/api/p/users", include_in_schema=False)
@router.get("/api/p/users", **GET_MEMBERS)
async def get_members(request: Request) -> Response:
    """The members of the project's own group."""
    actor = await actor_of(request)
    members = await services(request).members.all(actor, _id(request.query_params, "project_id"))
    documents = [member_document(member) for member in members]
    return json_answer({"_status": "OK", "_items": documents})


@router.post("/api/p/users", **POST_MEMBER)
async def post_member(request: Request) -> Response:
    """Add a user to the project's own group, or remove one; twice is as good as once.

    Who is added may be named by `user`, the user name or the address, in the place of `user_id`.
    """
    service = services(request)
    service.members.admit(await actor_of(request))
    sent = await _read_object(request)
    actor = await actor_of(request)
    project_id = _id(sent, "project_id")
    match sent:
        case {"action": "add", "user": str(name)} if "user_id" not in sent:
            member = await service.members.add_named(actor, project_id, name)
        case {"action": "add"}:
            member = await service.members.add(actor, project_id, _id(sent, "user_id"))
        case {"action": "remove"}:
            member = await service.members.remove(actor, project_id, _id(sent, "user_id"))
        case _:
            raise BadRequest('`action` must be "add" or "remove".')
    return json_answer(member_document(member, status="OK"))


@router.head("/api/p/{project_id}/quotas", include_in_schema=False)
@router.get("/api/p/{project_id}/quotas", **GET_QUOTAS)
async def get_quotas(request: Request) -> Response:
    """What the project's files take: their originals and variations, deleted ones included."""
    stats = await services(request).look.totals(
        await actor_of(request), request.path_params["project_id"]
    )
    return json_answer({"file_size_quota": None, "file_size_used": stats.bytes})


@router.head("/api/p/{project_id}/{node_type}", include_in_schema=False)
@router.options("/api/p/{project_id}/{node_type}", include_in_schema=False)
@router.get("/api/p/{project_id}/{node_type}", status_code=204, **GET_ALLOWED)
async def get_allowed(request: Request) -> Response:
    """What the asker may do in the project, whatever the type of node: see the header `Allowed`."""
    actor = await actor_of(request)
    project = await services(request).look.project(actor, request.path_params["project_id"])
    allowed = ", ".join(sorted(allowed_methods(actor, project, METHODS)))
    return Response(
        status_code=204,
        headers={"Allowed": allowed, "Cache-Control": "private, no-cache", "Vary": "Authorization"},
    )


async def _read_object(request: Request) -> dict[str, Any]:
    pacing = services(request).pacing
    return await read_object(request, pacing.upload_stall, pacing.upload_stall_bytes)


def _id(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name)
    if not isinstance(value, str) or not is_id(value):
        raise BadRequest(f"`{name}` must be an id: 24 lower-case hex digits.")
    return value
