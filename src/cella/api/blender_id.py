"""Tokens of Blender-ID's sub-clients, handed over by add-ons (contract, section 1)."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cella.api.answers import json_answer
from cella.api.openapi.blender_id import STORE_SCST
from cella.errors import BadRequest
from cella.http.bodies import read_object
from cella.http.services import services

router = APIRouter(tags=["Users"])

_FAILED = {"status": "fail", "error": "BLENDER ID ERROR"}


@router.post("/api/blender_id/store_scst", **STORE_SCST)
async def store_scst(request: Request) -> Response:
    """Have Blender-ID vouch for a sub-client's token, and take it from then on for an hour.

    It signs in as Basic, with the token as user name and the sub-client's id as password.
    `user_id` may be empty; else the token must be that user's.
    """
    service = services(request)
    service.signin.require_blender_id()
    form = await read_object(
        request, service.pacing.upload_stall, service.pacing.upload_stall_bytes
    )
    user_id, subclient, token = (_text(form, name) for name in ("user_id", "subclient_id", "token"))
    for name, value in (("subclient_id", subclient), ("token", token)):
        if not value:
            raise BadRequest(f"The form's field '{name}' is empty.")
    settled = await service.signin.store_subclient_token(user_id, subclient, token)
    if settled is None:
        return json_answer(_FAILED, 403)
    return json_answer(
        {"status": "success", "subclient_user_id": settled.user.id}, 201 if settled.is_new else 200
    )


def _text(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"The form has no field '{name}'.")
    return value
