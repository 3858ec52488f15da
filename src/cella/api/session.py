"""Signing in with a browser: a session in a cookie that no script can read.

The page learns from `GET /api/session` who has signed in, and what changes have to come along with
(`X-CSRF-Token`).
"""

from collections.abc import Sequence

import msgspec
from fastapi import APIRouter
from msgspec import field
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.openapi.session import (
    BEGIN_SESSION,
    CHANGE_PASSWORD,
    END_SESSION,
    GET_SESSION,
)
from cella.errors import BadRequest
from cella.http.bodies import read_object
from cella.http.clients import client_address
from cella.http.services import SESSION_COOKIE, Services, actor_of, services, session_of
from cella.model import User

OIDC = "/api/session/oidc"
"""Where browsers begin to sign in at the OpenID provider."""

router = APIRouter(tags=["Users"])

NO_STORE = {"Cache-Control": "no-store"}
"""The headers of what is about a session."""


class HolderDocument(msgspec.Struct, kw_only=True):
    """Who has signed in."""

    id: str = field(name="_id")
    username: str
    full_name: str
    email: str
    roles: Sequence[str]


class WaysDocument(msgspec.Struct, kw_only=True):
    """Where browsers begin to sign in elsewhere."""

    oidc: str


class SessionDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a page has to know of its session; `upload_limit` is in bytes, null for none."""

    user: HolderDocument | None
    upload_limit: int | None
    csrf: str | None = None
    has_password: bool = False
    sign_in: WaysDocument | None = None


@router.head("/api/session", include_in_schema=False)
@router.get("/api/session", **GET_SESSION)
async def get_session(request: Request) -> Response:
    """Who has signed in with this browser, if anybody. Never refused."""
    return await _told(services(request), session_of(request))


@router.post("/api/session", **BEGIN_SESSION)
async def begin_session(request: Request) -> Response:
    """Sign in with a name and a password, or with a token of Cella's own."""
    service = services(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Any page can have a browser send a form; with JSON the browser asks us first.
        raise BadRequest("Send JSON, with the Content-Type application/json.")
    document = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    match document:
        case {"token": str(token)}:
            secret = await service.sessions.begin(token)
        case {"username": str(username), "password": str(password)}:
            address = client_address(request, service.proxies)
            secret = await service.login.session(username, password, address)
        case _:
            raise BadRequest("Send the texts `username` and `password`, or the text `token`.")
    answer = await _told(service, secret)
    set_session(answer, service, secret, service.sessions.seconds)
    return answer


@router.delete("/api/session", status_code=204, **END_SESSION)
async def end_session(request: Request) -> Response:
    """Sign out here, or with `everywhere` from all browsers. Tokens stay valid."""
    service, secret = services(request), session_of(request)
    wanted = request.query_params.get("everywhere", "false")
    if wanted not in ("true", "false"):
        raise BadRequest("`everywhere` is true or false.")
    if secret is not None:
        await actor_of(request)
        await service.sessions.end(secret, everywhere=wanted == "true")
    answer = Response(status_code=204, headers=NO_STORE)
    set_session(answer, service, "", 0)
    return answer


@router.post("/api/session/password", status_code=204, **CHANGE_PASSWORD)
async def change_password(request: Request) -> Response:
    """Give oneself another password, by the one that one has. All other browsers are signed out."""
    service = services(request)
    service.login.admit(await actor_of(request))
    document = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    match document:
        case {"current": str(current), "new": str(new)}:
            address = client_address(request, service.proxies)
            actor, secret = await actor_of(request), session_of(request)
            await service.login.change_password(actor, current, new, address, secret)
        case _:
            raise BadRequest("Send the texts `current` and `new`.")
    return Response(status_code=204, headers=NO_STORE)


async def _told(service: Services, secret: str | None) -> Response:
    holder = None if secret is None else await service.sessions.holder(secret)
    ways = WaysDocument(oidc=OIDC) if service.federate.is_offered else None
    if holder is None:
        document = SessionDocument(user=None, upload_limit=None, sign_in=ways)
    else:
        document = SessionDocument(
            user=_holder(holder.user),
            upload_limit=holder.upload_limit,
            csrf=holder.proof,
            has_password=holder.has_password,
            sign_in=ways,
        )
    return json_answer(document, headers=NO_STORE)


def _holder(user: User) -> HolderDocument:
    return HolderDocument(
        id=user.id,
        username=user.username,
        full_name=user.full_name,
        email=user.email,
        roles=user.roles,
    )


def set_session(answer: Response, service: Services, secret: str, seconds: int) -> None:
    """Have the browser keep the secret of its session for so long."""
    answer.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=seconds,
        path="/api",
        secure=service.is_https,
        httponly=True,
        samesite="strict",
    )
