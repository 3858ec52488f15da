"""Blender-ID, described."""

from cella.api.openapi.errors import answers
from cella.api.openapi.parts import (
    A_USER,
    ID,
    TEXT,
    Schema,
    an_object,
    json_body,
    route,
    with_headers,
)
from cella.api.openapi.writing import sent

SCHEMAS: dict[str, Schema] = {
    "SubclientToken": an_object(
        {
            "user_id": {"type": "string", "description": "The user's id at Blender-ID, or empty."},
            "subclient_id": {"type": "string", "minLength": 1},
            "token": {"type": "string", "minLength": 1, "description": "The sub-client's token."},
        },
        description="A token that Blender-ID gave to a sub-client.",
    )
}
"""Components."""

_STORED = an_object({"status": {"const": "success"}, "subclient_user_id": ID})
_EXAMPLE = {"status": "success", "subclient_user_id": A_USER}
_FAILED = an_object({"status": {"const": "fail"}, "error": TEXT})

STORE_SCST = route(
    "Hand over a sub-client's token",
    answers(
        {
            201: with_headers(
                json_body("Kept; the user is new here.", _STORED, _EXAMPLE), "Cache-Control"
            ),
            200: with_headers(json_body("Kept.", _STORED, _EXAMPLE), "Cache-Control"),
            403: with_headers(
                json_body(
                    "Blender-ID does not vouch for the token, or the user is disabled here.",
                    _FAILED,
                    {"status": "fail", "error": "BLENDER ID ERROR"},
                ),
                "Cache-Control",
            ),
        },
        *(400, 404, 408, 413, 415, 501, 507),
    ),
    body=sent(
        "SubclientToken",
        SCHEMAS["SubclientToken"],
        token={"user_id": "4112", "subclient_id": "studio-addon", "token": "x9kZ0c3QdJ"},
    ),
) | {"status_code": 201}
