"""The projects resource, as far as reading goes."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.access.rules import allowed_methods
from cella.api import openapi
from cella.api.answers import json_answer
from cella.api.documents import page_of, project_document
from cella.http.queries import max_results, page
from cella.http.services import actor_of, services
from cella.model import METHODS

router = APIRouter(tags=["Projects"])


@router.head("/api/projects", include_in_schema=False)
@router.get("/api/projects", **openapi.LIST_PROJECTS)
async def list_projects(request: Request) -> Response:
    """The projects that the reader may see, oldest first."""
    actor = await actor_of(request)
    limit, number = max_results(request.query_params), page(request.query_params)
    total, projects = await services(request).look.projects(actor, limit, number)
    documents = (
        project_document(project, allowed_methods(actor, project, METHODS)) for project in projects
    )
    return json_answer(
        page_of(documents, total=total, page=number, limit=limit),
        headers={"X-Total-Count": str(total)},
    )


@router.head("/api/projects/{project_id}", include_in_schema=False)
@router.get("/api/projects/{project_id}", **openapi.GET_PROJECT)
async def get_project(request: Request) -> Response:
    """One project."""
    actor = await actor_of(request)
    project = await services(request).look.project(actor, request.path_params["project_id"])
    document = project_document(project, allowed_methods(actor, project, METHODS))
    return json_answer(document, headers={"ETag": f'"{project.etag}"'})
