"""The projects resource: contract section 3."""

import msgspec
from fastapi import APIRouter
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from cella.access.rules import allowed_methods
from cella.api.answers import json_answer, not_modified
from cella.api.documents import page_of, project_document, receipt
from cella.api.openapi.projects import (
    DELETE_PROJECT,
    GET_PROJECT,
    LIST_PROJECTS,
    PATCH_PROJECT,
    POST_PROJECT,
    PUT_PROJECT,
)
from cella.catalog.project_listing import ProjectQuery
from cella.clock import http_date
from cella.errors import BadRequest, PreconditionFailed
from cella.http.bodies import read_document, read_object
from cella.http.conditions import Conditions, evaluate_document, require_match
from cella.http.projections import Projection
from cella.http.queries import document_shape, file_query, next_link, wants_deleted
from cella.http.services import actor_of, services
from cella.model import METHODS, Actor, Project

router = APIRouter(tags=["Projects"])


@router.head("/api/projects", include_in_schema=False)
@router.get("/api/projects", **LIST_PROJECTS)
async def list_projects(request: Request) -> Response:
    """The projects that the reader may see, a page at a time, oldest first.

    The next page is at the address in `_links.next`, or at the next number.
    """
    actor, query = await actor_of(request), _query(request.query_params)
    projection = document_shape(request.query_params).projection
    page = await services(request).look.projects(actor, query)
    headers = {"X-Total-Count": str(page.total)}
    if page.projects:
        headers["Last-Modified"] = http_date(max(project.updated for project in page.projects))
    following = None
    if page.next is not None:
        following = next_link("projects", request.query_params, page.next)
    envelope = page_of(
        (_document(actor, project, projection) for project in page.projects),
        total=page.total,
        page=query.page,
        limit=query.limit,
        following=following,
    )
    return json_answer(envelope, headers=headers)


@router.post("/api/projects", **POST_PROJECT)
async def post_projects(request: Request) -> Response:
    """Make a project, or several: all of them, or none where one does not fit."""
    service = services(request)
    service.organise.admit(await actor_of(request))
    sent = await read_document(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    actor = await actor_of(request)
    if isinstance(sent, dict):
        project = await service.organise.found(actor, sent)
        headers = {"Location": f"/api/projects/{project.id}", "ETag": f'"{project.etag}"'}
        return json_answer(receipt(project), 201, headers)
    if not all(isinstance(document, dict) for document in sent):
        raise BadRequest("The body must be a JSON object, or an array of objects.")
    projects = await service.organise.found_many(actor, sent)
    return json_answer({"_status": "OK", "_items": [receipt(each) for each in projects]}, 201)


@router.head("/api/projects/{project_id}", include_in_schema=False)
@router.get("/api/projects/{project_id}", **GET_PROJECT)
async def get_project(request: Request) -> Response:
    """One project."""
    actor, projection = await actor_of(request), document_shape(request.query_params).projection
    project = await services(request).look.project(
        actor, request.path_params["project_id"], deleted=wants_deleted(request.query_params)
    )
    headers = {"ETag": f'"{project.etag}"', "Last-Modified": http_date(project.updated)}
    outcome = evaluate_document(Conditions.of(request.headers), project.etag, project.updated)
    if outcome == "failed":
        raise PreconditionFailed("The project is not the one that If-Match names.")
    if outcome == "not_modified":
        return not_modified(headers)
    return json_answer(_document(actor, project, projection), headers=headers)


@router.put("/api/projects/{project_id}", **PUT_PROJECT)
async def put_project(request: Request) -> Response:
    """Replace what clients may set of the project. Needs `If-Match`."""
    return await _change(request, partial=False)


@router.patch("/api/projects/{project_id}", **PATCH_PROJECT)
async def patch_project(request: Request) -> Response:
    """Change the fields that are named. Needs `If-Match`."""
    return await _change(request, partial=True)


@router.delete("/api/projects/{project_id}", status_code=204, **DELETE_PROJECT)
async def delete_project(request: Request) -> Response:
    """Delete the project and all of its files. Needs `If-Match`."""
    if_match = request.headers.get("if-match")
    await services(request).organise.delete(
        await actor_of(request),
        request.path_params["project_id"],
        lambda etag: require_match(if_match, etag),
    )
    return Response(status_code=204)


def _query(parameters: QueryParams) -> ProjectQuery:
    return ProjectQuery(**msgspec.structs.asdict(file_query(parameters)))


def _document(actor: Actor, project: Project, projection: Projection | None) -> object:
    document = project_document(project, allowed_methods(actor, project, METHODS))
    return document if projection is None else projection.of(msgspec.to_builtins(document))


async def _change(request: Request, *, partial: bool) -> Response:
    service = services(request)
    if_match = request.headers.get("if-match")
    document = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    project = await service.organise.change(
        await actor_of(request),
        request.path_params["project_id"],
        document,
        lambda etag: require_match(if_match, etag),
        partial=partial,
    )
    return json_answer(
        {**receipt(project), "_deleted": False}, headers={"ETag": f'"{project.etag}"'}
    )
