"""The users resource: contract section 2.5."""

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer, not_modified
from cella.api.documents import (
    StrangerDocument,
    UserDocument,
    page_of,
    receipt,
    stranger_document,
    user_document,
)
from cella.api.openapi.people import (
    GET_ME,
    GET_USER,
    LIST_USERS,
    PATCH_ME,
    PATCH_USER,
    PUT_ME,
    PUT_USER,
)
from cella.catalog.user_listing import UserQuery
from cella.clock import http_date
from cella.errors import BadRequest, PreconditionFailed
from cella.http.bodies import read_object
from cella.http.conditions import Conditions, evaluate_document, require_match
from cella.http.projections import Projection
from cella.http.queries import document_shape, file_query, next_link
from cella.http.services import actor_of, services
from cella.model import User

router = APIRouter(tags=["Users"])

_ME = "me"
"""What stands for the id of who asks."""


@router.head("/api/users/me", include_in_schema=False)
@router.get("/api/users/me", **GET_ME)
async def get_me(request: Request) -> Response:
    """The user whose token came along."""
    projection = document_shape(request.query_params).projection
    me = await services(request).accounts.me(await actor_of(request))
    return _whole(request, me, projection)


@router.head("/api/users", include_in_schema=False)
@router.get("/api/users", **LIST_USERS)
async def list_users(request: Request) -> Response:
    """All users for administrators, for others themselves alone."""
    parameters = request.query_params
    query, projection = _query(parameters), document_shape(parameters).projection
    page = await services(request).accounts.page(await actor_of(request), query)
    headers = {"X-Total-Count": str(page.total)}
    if page.users:
        headers["Last-Modified"] = http_date(max(user.updated for user in page.users))
    envelope = page_of(
        (_projected(user_document(user), projection) for user in page.users),
        total=page.total,
        page=query.page,
        limit=query.limit,
        following=None if page.next is None else next_link("users", parameters, page.next),
    )
    return json_answer(envelope, headers=headers)


@router.head("/api/users/{user_id}", include_in_schema=False)
@router.get("/api/users/{user_id}", **GET_USER)
async def get_user(request: Request) -> Response:
    """One user: the whole for oneself and for administrators, name and address for others."""
    projection = document_shape(request.query_params).projection
    known = await services(request).accounts.user(
        await actor_of(request), request.path_params["user_id"]
    )
    if not known.whole:
        return json_answer(_projected(stranger_document(known.user), projection))
    return _whole(request, known.user, projection)


@router.put("/api/users/{user_id}", **PUT_USER)
@router.put("/api/users/me", name="put_me", **PUT_ME)
async def put_user(request: Request) -> Response:
    """Replace what users may set of themselves. Needs `If-Match`."""
    return await _change(request, whole=True)


@router.patch("/api/users/{user_id}", **PATCH_USER)
@router.patch("/api/users/me", name="patch_me", **PATCH_ME)
async def patch_user(request: Request) -> Response:
    """Change the fields that are named, which needs `If-Match`, or do what `op` says."""
    return await _change(request, whole=False)


async def _change(request: Request, *, whole: bool) -> Response:
    service, actor = services(request), await actor_of(request)
    user_id, if_match = request.path_params.get("user_id", _ME), request.headers.get("if-match")
    if user_id == _ME and actor.user is not None:
        user_id = actor.user
    service.accounts.admit(actor, user_id)
    document = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    actor = await actor_of(request)

    def require(etag: str) -> None:
        require_match(if_match, etag)

    def require_if_given(etag: str) -> None:
        if if_match is not None:
            require(etag)

    if whole or "op" not in document:
        user = await service.accounts.change(actor, user_id, document, require, whole=whole)
    elif document.pop("op") == "set-username":
        user = await service.accounts.rename(actor, user_id, document, require_if_given)
    else:
        raise BadRequest("`op` knows set-username only.")
    return json_answer(receipt(user), headers=_validators(user))


def _query(parameters: QueryParams) -> UserQuery:
    query = file_query(parameters)
    return UserQuery(
        where=query.where,
        sort=query.sort,
        limit=query.limit,
        page=query.page,
        cursor=query.cursor,
    )


def _projected(
    document: UserDocument | StrangerDocument, projection: Projection | None
) -> UserDocument | StrangerDocument | dict[str, Any]:
    return document if projection is None else projection.of(msgspec.to_builtins(document))


def _whole(request: Request, user: User, projection: Projection | None) -> Response:
    outcome = evaluate_document(Conditions.of(request.headers), user.etag, user.updated)
    if outcome == "failed":
        raise PreconditionFailed("The user is not the one that If-Match names.")
    if outcome == "not_modified":
        return not_modified(_validators(user))
    return json_answer(_projected(user_document(user), projection), headers=_validators(user))


def _validators(user: User) -> dict[str, str]:
    return {"ETag": f'"{user.etag}"', "Last-Modified": http_date(user.updated)}
