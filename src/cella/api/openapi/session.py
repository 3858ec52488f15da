"""Sessions of browsers, described."""

from cella.access.passwords import LONGEST, SHORTEST
from cella.api.openapi.errors import answers
from cella.api.openapi.parts import (
    A_PROJECT,
    A_USER,
    COUNT,
    ID,
    TEXT,
    Answers,
    Schema,
    an_object,
    json_body,
    parameter,
    ref,
    route,
    with_headers,
)
from cella.api.openapi.writing import as_json, sent

_A_PROOF = "1e4f0c86a3b1d0e8d7b9a2c45f6e7d8c9b0a1f2e3d4c5b6a79880f1e2d3c4b5a"

SCHEMAS: dict[str, Schema] = {
    "Session": an_object(
        {
            "user": {
                "anyOf": [
                    an_object(
                        {
                            "_id": ID,
                            "username": TEXT,
                            "full_name": TEXT,
                            "email": TEXT,
                            "roles": {"type": "array", "items": TEXT},
                        }
                    ),
                    {"type": "null"},
                ]
            },
            "upload_limit": {
                "anyOf": [COUNT, {"type": "null"}],
                "description": "Bytes that the user's files must stay below; null for no limit.",
            },
            "csrf": {
                **TEXT,
                "description": "What changes by this session bring along as `X-CSRF-Token`.",
            },
            "has_password": {
                "const": True,
                "description": "There where the user can change a password of Cella's own.",
            },
            "sign_in": an_object(
                {"oidc": TEXT},
                description="Where browsers begin to sign in elsewhere, if they can.",
            ),
        },
        ["user", "upload_limit"],
        description="Who has signed in with this browser; nobody where `user` is null.",
    ),
    "SignIn": {
        "anyOf": [
            an_object({"username": TEXT, "password": {"type": "string", "format": "password"}}),
            an_object({"token": {"type": "string", "format": "password"}}),
        ],
        "description": "A name and a password, or a token.",
    },
    "PasswordChange": an_object(
        {
            "current": {"type": "string", "format": "password"},
            "new": {
                "type": "string",
                "format": "password",
                "minLength": SHORTEST,
                "maxLength": LONGEST,
            },
        },
        description="The password that one has, and the one that is to be.",
    ),
}
"""Components."""

_EXAMPLE = {
    "user": {
        "_id": A_USER,
        "username": "ada",
        "full_name": "Ada Lovelace",
        "email": "ada@studio.example",
        "roles": ["subscriber"],
    },
    "upload_limit": 33554432,
    "csrf": _A_PROOF,
    "has_password": True,
}
_SESSION = json_body("The session.", ref("schemas", "Session"), _EXAMPLE)
_ELSEWHERE: Answers = {
    302: with_headers(
        {"description": "On to the provider."}, "Cache-Control", "Location", "Set-Cookie"
    ),
    303: with_headers(
        {"description": "The provider cannot be reached; back to `/?signin=failed`."},
        *("Cache-Control", "Location", "Set-Cookie"),
    ),
}
_BACK: Answers = {
    303: with_headers(
        {"description": "Signed in, and on to the page; or not, and on to `/?signin=failed`."},
        *("Cache-Control", "Location", "Set-Cookie"),
    )
}
_READ: Answers = {200: with_headers(_SESSION, "Cache-Control")}
_BEGUN: Answers = {200: with_headers(_SESSION, "Cache-Control", "Set-Cookie")}
_PROOF = parameter("header", "X-CSRF-Token", "The session's `csrf`.", _A_PROOF)

GET_SESSION = route("Who has signed in with this browser", answers(_READ))
BEGIN_SESSION = route(
    "Sign in with this browser",
    answers(_BEGUN, 400, 403, 408, 413, 415, 429, 501, 507),
    body=as_json(
        ref("schemas", "SignIn"),
        password={"username": "ada", "password": "correct horse battery staple"},
        token={"token": "qk2mZtYb8s5wJ3v9uX1cR7dN0hLfGpAeQiVoTyUaBzM"},
    ),
)
END_SESSION = route(
    "Sign out",
    answers(
        {204: with_headers({"description": "Signed out."}, "Cache-Control", "Set-Cookie")},
        400,
        403,
        507,
    ),
    parameter(
        "query",
        "everywhere",
        "`true`: from all browsers of the user.",
        "true",
        type="string",
        enum=["true", "false"],
    ),
    _PROOF,
)
CHANGE_PASSWORD = route(
    "Change one's password",
    answers(
        {204: with_headers({"description": "Changed."}, "Cache-Control")},
        *(400, 403, 408, 409, 413, 415, 429, 501, 507),
    ),
    _PROOF,
    body=sent(
        "PasswordChange",
        SCHEMAS["PasswordChange"],
        ada={"current": "correct horse battery staple", "new": "staple battery horse correct"},
    ),
    login=True,
)
LEAVE = route(
    "Sign in at the OpenID provider",
    answers(_ELSEWHERE, 404),
    parameter("query", "to", "The path to come back to; `/` where it is none.", f"/p/{A_PROJECT}"),
)
ARRIVE = route(
    "Come back from the OpenID provider",
    answers(_BACK, 404),
    parameter("query", "code", "What the provider hands out for the sign-in.", "SplxlOBeZQQYbYS6"),
    parameter("query", "state", "Which sign-in it is.", "kH2Vn5c0XWq1rT8yUoP3sA"),
    parameter("query", "iss", "Which provider it was (RFC 9207).", "https://id.studio.example"),
)
