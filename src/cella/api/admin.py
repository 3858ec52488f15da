"""What administrators do to run the place: what is stored where, jobs, users and their tokens."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import msgspec
from fastapi import APIRouter
from msgspec import field
from starlette.requests import Request
from starlette.responses import Response

from cella.access import rules
from cella.api.answers import json_answer
from cella.api.documents import receipt
from cella.api.openapi.admin import (
    ADD_TOKEN,
    ADD_USER,
    CANCEL_JOB,
    GET_OVERVIEW,
    GET_REPORTS,
    LIST_JOBS,
    LIST_TOKENS,
    REFRESH_LINKS,
    REMOVE_TOKEN,
    RETRY_JOB,
    SET_PASSWORD,
)
from cella.catalog.people import Issued
from cella.clock import http_date
from cella.errors import BadRequest, NotFound
from cella.flows.refresh import LINKS_REFRESH
from cella.flows.sweep import Swept
from cella.flows.verify import Verified
from cella.http.bodies import read_object
from cella.http.services import Services, actor_of, services, session_of
from cella.ids import is_id
from cella.jobs.queue import Entry, Progress, State

router = APIRouter(tags=["Administration"])

_PAGE = 100
_NO_STORE = {"Cache-Control": "no-store"}


class JobDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A job, as it stands in the queue."""

    id: str = field(name="_id")
    created: str = field(name="_created")
    kind: str
    subject: str
    state: str
    attempts: int
    max_attempts: int
    run_at: str
    worker: str | None = None
    error: str | None = None
    progress: Progress | None = None
    is_cancelled: bool = False


class TokenDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A token, but not the secret, which nobody has."""

    id: str = field(name="_id")
    created: str = field(name="_created")
    user: str
    username: str
    expires: str | None = None
    subclient: str = ""


@router.head("/api/admin/overview", include_in_schema=False)
@router.get("/api/admin/overview", **GET_OVERVIEW)
async def get_overview(request: Request) -> Response:
    """What is stored where, what is being done, and whether all is well.

    What is stored is counted every half a minute at most.
    """
    service = await _run_by(request)
    holdings = await service.oversee.holdings()
    counts = await asyncio.to_thread(service.tend.counts)
    wrong = await service.health.ready()
    return json_answer(
        {
            "counted": http_date(int(holdings.told)),
            "backends": [each._asdict() for each in holdings.backends],
            "projects": [
                {"_id": each.id, "name": each.name, "files": each.files, "bytes": each.bytes}
                for each in holdings.projects
            ],
            "jobs": {kind: msgspec.to_builtins(number) for kind, number in counts.items()},
            "health": {part: wrong.get(part, "ok") for part in ("database", "store")},
        },
        headers=_NO_STORE,
    )


@router.head("/api/admin/reports", include_in_schema=False)
@router.get("/api/admin/reports", **GET_REPORTS)
async def get_reports(request: Request) -> Response:
    """What the last sweep and the last verification of each store came to, if there was one."""
    service = await _run_by(request)
    swept = [await service.sweep.last(backend) for backend in service.backends]
    verified = [await service.verify.last(backend) for backend in service.backends]
    return json_answer(
        {
            "sweep": [_report(each) for each in swept if each is not None],
            "verify": [_report(each) for each in verified if each is not None],
        },
        headers=_NO_STORE,
    )


@router.head("/api/admin/jobs", include_in_schema=False)
@router.get("/api/admin/jobs", **LIST_JOBS)
async def list_jobs(request: Request) -> Response:
    """Jobs, the oldest first, up to a hundred at once; what is done is forgotten."""
    service, asked = await _run_by(request), request.query_params
    after = asked.get("after")
    if after is not None and not is_id(after):
        raise BadRequest("`after` is the id of a job, as `_next` tells it.")
    found = await asyncio.to_thread(
        service.tend.listing,
        state=_state(asked.get("state")),
        kind=_text(asked.get("kind"), "kind"),
        limit=_PAGE + 1,
        after=after,
    )
    page = {"_items": [_job(job) for job in found[:_PAGE]]}
    if len(found) > _PAGE:
        return json_answer({**page, "_next": found[_PAGE - 1].id}, headers=_NO_STORE)
    return json_answer(page, headers=_NO_STORE)


@router.post("/api/admin/jobs/{job_id}/retry", status_code=204, **RETRY_JOB)
async def retry_job(request: Request) -> Response:
    """Have a job that was given up tried again."""
    service = await _run_by(request)
    await asyncio.to_thread(service.tend.retry, [_id(request, "job_id")])
    return Response(status_code=204)


@router.post("/api/admin/jobs/{job_id}/cancel", status_code=204, **CANCEL_JOB)
async def cancel_job(request: Request) -> Response:
    """Have a job not done; one that runs is stopped within a second."""
    service = await _run_by(request)
    await asyncio.to_thread(service.tend.cancel, [_id(request, "job_id")])
    return Response(status_code=204)


@router.post("/api/admin/links/refresh", status_code=204, **REFRESH_LINKS)
async def refresh_links(request: Request) -> Response:
    """Have links that take long to sign spelled again now, without waiting for the next time."""
    service = await _run_by(request)
    await asyncio.to_thread(service.tend.begin, LINKS_REFRESH)
    return Response(status_code=204)


@router.post("/api/admin/users", status_code=201, **ADD_USER)
async def add_user(request: Request) -> Response:
    """Add somebody who may sign in: with a password, if one is given, and with tokens.

    Names, roles and whether somebody is shut out are changed at `/api/users`.
    """
    document = await _document(request)
    known = {"username": str, "email": str, "roles": list, "password": str}
    given = _fitting(document, known, required=("username",))
    roles = given.get("roles", [])
    if not all(isinstance(role, str) for role in roles):
        raise BadRequest("`roles` is a list of texts.")
    service, password = services(request), given.get("password")
    hashed = None if password is None else await asyncio.to_thread(service.hash_password, password)
    user = await asyncio.to_thread(
        service.administer.add_user,
        given["username"],
        given.get("email", ""),
        roles,
        hashed=hashed,
    )
    headers = {"Location": f"/api/users/{user.id}"}
    return json_answer(receipt(user), 201, {**headers, "ETag": f'"{user.etag}"'})


@router.put("/api/admin/users/{user_id}/password", status_code=204, **SET_PASSWORD)
async def set_password(request: Request) -> Response:
    """Give a user a password; all browsers of the user are signed out, but this one."""
    document = await _document(request)
    given = _fitting(document, {"password": str}, required=("password",))
    service = services(request)
    known = await service.accounts.user(await actor_of(request), _id(request, "user_id"))
    hashed = await asyncio.to_thread(service.hash_password, given["password"])
    await asyncio.to_thread(
        service.administer.set_password, known.user, hashed, secret=session_of(request)
    )
    return Response(status_code=204, headers=_NO_STORE)


@router.head("/api/admin/tokens", include_in_schema=False)
@router.get("/api/admin/tokens", **LIST_TOKENS)
async def list_tokens(request: Request) -> Response:
    """The tokens that are kept, or those of the user of a name; never the secrets."""
    service = await _run_by(request)
    found = await asyncio.to_thread(
        service.administer.tokens, _text(request.query_params.get("username"), "username") or None
    )
    return json_answer({"_items": [_token(each) for each in found]}, headers=_NO_STORE)


@router.post("/api/admin/tokens", status_code=201, **ADD_TOKEN)
async def add_token(request: Request) -> Response:
    """Make a token for a user; the answer shows it this once."""
    document = await _document(request)
    given = _fitting(document, {"username": str, "days": (int, float)}, required=("username",))
    days = given.get("days")
    token = await asyncio.to_thread(services(request).administer.new_token, given["username"], days)
    return json_answer({"token": token}, 201, _NO_STORE)


@router.delete("/api/admin/tokens/{token_id}", status_code=204, **REMOVE_TOKEN)
async def remove_token(request: Request) -> Response:
    """Make a token invalid, at once; sessions that were begun with it end too."""
    service = await _run_by(request)
    await asyncio.to_thread(service.administer.revoke, [_id(request, "token_id")])
    return Response(status_code=204)


async def _run_by(request: Request) -> Services:
    """The services, for an administrator; raises `Forbidden` for others."""
    rules.may_run(await actor_of(request)).enforce()
    return services(request)


async def _document(request: Request) -> dict[str, Any]:
    pacing = (await _run_by(request)).pacing
    document = await read_object(request, pacing.upload_stall, pacing.upload_stall_bytes)
    await _run_by(request)
    return document


def _fitting(
    document: Mapping[str, Any],
    known: Mapping[str, type | tuple[type, ...]],
    *,
    required: Sequence[str],
) -> Mapping[str, Any]:
    """The document's fields, without nulls; raises `BadRequest` where one does not fit."""
    given = {name: value for name, value in document.items() if value is not None}
    for name in required:
        if name not in given:
            raise BadRequest(f"`{name}` is missing.")
    for name, value in given.items():
        if name not in known:
            raise BadRequest(f"There is no field `{name[:80]}` here.")
        if not isinstance(value, known[name]) or isinstance(value, bool):
            raise BadRequest(f"`{name}` has a value of the wrong type.")
        if isinstance(value, str):
            _text(value, name)
    return given


def _id(request: Request, name: str) -> str:
    """The id in the address; raises `NotFound` for what is none."""
    value = str(request.path_params[name])
    if not is_id(value):
        raise NotFound("There is no such thing.")
    return value


def _text(value: str | None, name: str) -> str | None:
    """The value; raises `BadRequest` for one with a NUL, which no text in a database has."""
    if value is not None and "\0" in value:
        raise BadRequest(f"`{name}` has a character that no text has.")
    return value


def _state(name: str | None) -> State | None:
    for state in get_args(State):
        if name == state:
            return cast(State, state)
    if name is None:
        return None
    raise BadRequest(f"`state` is one of {', '.join(get_args(State))}.")


def _report(report: Swept | Verified) -> dict[str, Any]:
    """The report with dates as the API writes them; `ended` is missing where it was broken off."""
    told: dict[str, Any] = msgspec.to_builtins(report)
    for name in ("began", "ended", "round_began"):
        seconds = told.pop(name, 0)
        if seconds:
            told[name] = http_date(seconds)
    return told


def _job(job: Entry) -> JobDocument:
    return JobDocument(
        id=job.id,
        created=http_date(int(job.created)),
        kind=job.kind,
        subject=job.subject,
        state=job.state,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        run_at=http_date(int(job.run_at)),
        worker=job.worker,
        error=job.error,
        progress=job.progress,
        is_cancelled=job.is_cancelled,
    )


def _token(issued: Issued) -> TokenDocument:
    token = issued.token
    return TokenDocument(
        id=token.id,
        created=http_date(token.created),
        user=token.user,
        username=issued.username,
        expires=None if token.expires is None else http_date(token.expires),
        subclient=token.subclient,
    )
