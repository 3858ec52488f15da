"""Signing in with a browser at an OpenID provider: on the way there, and back again.

Browsers are sent here, not scripts: whatever goes wrong leads back to the page, which says so.
"""

import logging
import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.openapi.session import ARRIVE, LEAVE
from cella.api.session import NO_STORE, OIDC, set_session
from cella.errors import CellaError, NotFound
from cella.flows.federate import SECONDS
from cella.http.clients import client_address
from cella.http.services import Services, services

_COOKIE = "cella_sign_in"
_FAILED = "/?signin=failed"

# Of this server, whatever a browser makes of it: `//` and `/\` begin the name of another.
_PATH = re.compile(r"/(?!/)[!-\[\]-~]{0,1023}")

_log = logging.getLogger("cella.identity")

router = APIRouter(tags=["Users"])


@router.head(OIDC, include_in_schema=False)
@router.get(OIDC, status_code=302, response_class=Response, **LEAVE)
async def leave(request: Request) -> Response:
    """Go to the provider, to sign in there and come back to `to`."""
    service = services(request)
    to = request.query_params.get("to", "/")
    try:
        leaving = await service.federate.begin(to if _PATH.fullmatch(to) else "/")
    except NotFound:
        raise
    except CellaError as error:
        return _failed(service, error)
    answer = _redirect(302, leaving.url)
    _set_cookie(answer, service, leaving.kept, SECONDS)
    return answer


@router.head(f"{OIDC}/callback", include_in_schema=False)
@router.get(f"{OIDC}/callback", status_code=303, response_class=Response, **ARRIVE)
async def arrive(request: Request) -> Response:
    """Come back from the provider, signed in or not."""
    service = services(request)
    address = client_address(request, service.proxies)
    kept = request.cookies.get(_COOKIE, "")
    try:
        arrived = await service.federate.finish(kept, request.query_params, address)
    except NotFound:
        raise
    except CellaError as error:
        return _failed(service, error)
    answer = _redirect(303, arrived.to)
    _set_cookie(answer, service, "", 0)
    set_session(answer, service, arrived.secret, service.sessions.seconds)
    return answer


def _failed(service: Services, error: CellaError) -> Response:
    _log.warning("nobody was signed in by the OIDC provider: %s", error.message)
    answer = _redirect(303, _FAILED)
    _set_cookie(answer, service, "", 0)
    return answer


def _redirect(status: int, to: str) -> Response:
    # The address that leads here has the code in it, which no other page is to be told.
    headers = {**NO_STORE, "Location": to, "Referrer-Policy": "no-referrer"}
    return Response(status_code=status, headers=headers)


def _set_cookie(answer: Response, service: Services, kept: str, seconds: int) -> None:
    # Lax, because the provider's page leads back here.
    answer.set_cookie(
        _COOKIE,
        kept,
        max_age=seconds,
        path=OIDC,
        secure=service.is_https,
        httponly=True,
        samesite="lax",
    )
