"""Signing in with a name and a password: contract section 1."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.openapi.people import MAKE_TOKEN
from cella.errors import BadRequest
from cella.http.bodies import read_object
from cella.http.clients import client_address
from cella.http.services import services

router = APIRouter(tags=["Users"])


@router.post("/api/auth/make-token", **MAKE_TOKEN)
async def make_token(request: Request) -> Response:
    """A token for a user name and a password, in a form or as JSON."""
    service = services(request)
    document = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    username, password = (document.get(name) for name in ("username", "password"))
    if not isinstance(username, str) or not isinstance(password, str):
        raise BadRequest("Send the texts `username` and `password`, as a form or as JSON.")
    address = client_address(request, service.proxies)
    token = await service.login.token(username, password, address)
    return json_answer({"token": token}, headers={"Cache-Control": "no-store"})
