"""The users resource, as far as oneself goes."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api import openapi
from cella.api.answers import json_answer
from cella.api.documents import user_document
from cella.http.services import actor_of, services

router = APIRouter(tags=["Users"])


@router.head("/api/users/me", include_in_schema=False)
@router.get("/api/users/me", **openapi.GET_ME)
async def get_me(request: Request) -> Response:
    """The user whose token came along."""
    user = await services(request).look.me(await actor_of(request))
    return json_answer(user_document(user), headers={"ETag": f'"{user.etag}"'})
