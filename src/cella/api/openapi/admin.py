"""Running the place, described."""

from cella.access.passwords import LONGEST, SHORTEST
from cella.api.openapi.errors import answers
from cella.api.openapi.parts import (
    A_DATE,
    A_FILE,
    A_PROJECT,
    A_USER,
    AN_ETAG,
    COUNT,
    DATE,
    ID,
    TEXT,
    USER_ID,
    Answers,
    Schema,
    an_id,
    an_object,
    json_body,
    overridden,
    parameter,
    ref,
    route,
    with_headers,
)
from cella.api.openapi.reading import RECEIPT
from cella.api.openapi.writing import ADDRESS, as_json

_A_JOB = "5d2c42a08b0a4c7d9e6f1a2e"
_A_KEPT_ONE = "5d2c42a08b0a4c7d9e6f1a2f"
_USERNAME: Schema = {"type": "string", "minLength": 1, "maxLength": 128}
_PASSWORD: Schema = {
    "type": "string",
    "format": "password",
    "minLength": SHORTEST,
    "maxLength": LONGEST,
}
_COUNTS = an_object({"ready": COUNT, "running": COUNT, "dead": COUNT})
_PROGRESS = an_object(
    {
        "percent": {"type": "integer", "minimum": 0, "maximum": 100},
        "step": TEXT,
        "seconds_left": {"anyOf": [COUNT, {"type": "null"}]},
    }
)

SCHEMAS: dict[str, Schema] = {
    "Overview": an_object(
        {
            "counted": DATE,
            "backends": {
                "type": "array",
                "items": an_object({"backend": TEXT, "files": COUNT, "bytes": COUNT}),
            },
            "projects": {
                "type": "array",
                "items": an_object({"_id": ID, "name": TEXT, "files": COUNT, "bytes": COUNT}),
                "description": "Those that hold most.",
            },
            "jobs": {"type": "object", "additionalProperties": _COUNTS},
            "health": an_object({"database": TEXT, "store": TEXT}),
        },
        description="What is stored where, jobs by kind and state, and `ok` for what works.",
    ),
    "Job": an_object(
        {
            "_id": ID,
            "_created": DATE,
            "kind": TEXT,
            "subject": {**TEXT, "description": "The id of what it is about."},
            "state": {"enum": ["ready", "running", "dead"]},
            "attempts": COUNT,
            "max_attempts": COUNT,
            "run_at": DATE,
            "worker": TEXT,
            "error": {**TEXT, "description": "Why the last attempt failed."},
            "progress": _PROGRESS,
            "is_cancelled": {"const": True},
        },
        ["_id", "_created", "kind", "subject", "state", "attempts", "max_attempts", "run_at"],
        description="Background work that is not done yet, or was given up.",
    ),
    "Token": an_object(
        {
            "_id": ID,
            "_created": DATE,
            "user": ID,
            "username": TEXT,
            "expires": DATE,
            "subclient": TEXT,
        },
        ["_id", "_created", "user", "username"],
        description="A token, without its secret.",
    ),
    "UserNew": an_object(
        {
            "username": {
                **_USERNAME,
                "description": "Letters and digits of any script, and signs of `.@+-_`.",
            },
            "email": {"type": "string", "maxLength": 128, "pattern": f"^({ADDRESS})?$"},
            "roles": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"},
            },
            "password": _PASSWORD,
        },
        ["username"],
        additionalProperties=False,
        description="Somebody who may sign in.",
    ),
    "PasswordNew": an_object(
        {"password": _PASSWORD},
        additionalProperties=False,
        description="What somebody is to sign in with.",
    ),
    "TokenNew": an_object(
        {
            "username": _USERNAME,
            "days": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 36500,
                "description": "How long it is valid; until it is revoked where missing.",
            },
        },
        ["username"],
        additionalProperties=False,
        description="Whom to make a token for.",
    ),
}
"""Components."""

_REPORTS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "backend": TEXT,
            "began": DATE,
            "ended": DATE,
            "blobs": COUNT,
            "bytes": COUNT,
            "findings": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["backend", "began", "blobs", "bytes", "findings"],
        "description": "Counts by what was found, and the first findings.",
    },
}
_REPORT_EXAMPLE = {
    "backend": "local",
    "began": A_DATE,
    "ended": A_DATE,
    "blobs": 4112,
    "bytes": 91225346048,
    "findings": [],
}
_JOB_EXAMPLE = {
    "_id": _A_JOB,
    "_created": A_DATE,
    "kind": "encode",
    "subject": A_FILE,
    "state": "dead",
    "attempts": 8,
    "max_attempts": 8,
    "run_at": A_DATE,
    "error": "The store did not answer.",
}
_TOKEN_EXAMPLE = {"_id": _A_KEPT_ONE, "_created": A_DATE, "user": A_USER, "username": "ada"}
_JOB_ID = an_id("path", "job_id", "The job's id.", _A_JOB)
_BODY_ERRORS = (400, 403, 408, 413, 415, 501, 507)
_NOTHING: Answers = {204: {"description": "Done."}}


def _items(name: str, **more: Schema) -> Schema:
    items: Schema = {"type": "array", "items": ref("schemas", name)}
    return an_object({"_items": items, **more}, ["_items"])


GET_OVERVIEW = route(
    "What is stored where, and how all is",
    answers(
        {
            200: with_headers(
                json_body(
                    "The overview.",
                    ref("schemas", "Overview"),
                    {
                        "counted": A_DATE,
                        "backends": [{"backend": "local", "files": 4112, "bytes": 91225346048}],
                        "projects": [
                            {
                                "_id": A_PROJECT,
                                "name": "Spring",
                                "files": 4112,
                                "bytes": 91225346048,
                            }
                        ],
                        "jobs": {"encode": {"ready": 2, "running": 1, "dead": 0}},
                        "health": {"database": "ok", "store": "ok"},
                    },
                ),
                "Cache-Control",
            )
        },
        *(400, 403),
    ),
    login=True,
)
GET_REPORTS = route(
    "What sweep and verify found",
    answers(
        {
            200: with_headers(
                json_body(
                    "The last reports of each store.",
                    an_object({"sweep": _REPORTS, "verify": _REPORTS}),
                    {
                        "sweep": [
                            {
                                **_REPORT_EXAMPLE,
                                "rows": 4112,
                                "strays": 0,
                                "missing": 0,
                                "doubt": "",
                            }
                        ],
                        "verify": [{**_REPORT_EXAMPLE, "missing": 0, "cut": 0, "changed": 0}],
                    },
                ),
                "Cache-Control",
            )
        },
        403,
    ),
    login=True,
)
LIST_JOBS = route(
    "List jobs",
    answers(
        {
            200: with_headers(
                json_body(
                    "Jobs, the oldest first.",
                    _items("Job", _next={**ID, "description": "What `after` is on the next page."}),
                    {"_items": [_JOB_EXAMPLE]},
                ),
                "Cache-Control",
            )
        },
        *(400, 403),
    ),
    parameter(
        "query", "state", "Only these.", "dead", type="string", enum=["ready", "running", "dead"]
    ),
    parameter("query", "kind", "Only these.", "encode"),
    an_id("query", "after", "Those after the job of this id.", _A_JOB) | {"required": False},
    login=True,
)
RETRY_JOB = route("Try a job again", answers(_NOTHING, 403, 404, 409, 507), _JOB_ID, login=True)
CANCEL_JOB = route("Cancel a job", answers(_NOTHING, 403, 404, 409, 507), _JOB_ID, login=True)
REFRESH_LINKS = route("Have kept links renewed", answers(_NOTHING, 403, 507), login=True)
ADD_USER = route(
    "Add a user",
    answers(
        {
            201: with_headers(
                json_body(
                    "Added.",
                    RECEIPT,
                    {
                        "_id": A_USER,
                        "_created": A_DATE,
                        "_updated": A_DATE,
                        "_etag": AN_ETAG,
                        "_status": "OK",
                    },
                ),
                *("Cache-Control", "ETag", "Location"),
            )
        },
        *_BODY_ERRORS,
        409,
    ),
    body=as_json(
        ref("schemas", "UserNew"),
        ada={"username": "ada", "email": "ada@studio.example", "roles": ["subscriber"]},
    ),
    login=True,
)
SET_PASSWORD = route(
    "Give a user a password",
    answers(
        {204: with_headers({"description": "Done."}, "Cache-Control")},
        *_BODY_ERRORS,
        404,
    ),
    USER_ID,
    overridden("PUT"),
    body=as_json(ref("schemas", "PasswordNew"), ada={"password": "correct horse battery staple"}),
    login=True,
)
LIST_TOKENS = route(
    "List tokens",
    answers(
        {
            200: with_headers(
                json_body(
                    "Tokens, by name and age.", _items("Token"), {"_items": [_TOKEN_EXAMPLE]}
                ),
                "Cache-Control",
            )
        },
        *(403, 404),
    ),
    parameter("query", "username", "Only those of the user of this name.", "ada"),
    login=True,
)
ADD_TOKEN = route(
    "Make a token",
    answers(
        {
            201: with_headers(
                json_body(
                    "The token, shown this once.",
                    an_object({"token": TEXT}),
                    {"token": "qk2mZtYb8s5wJ3v9uX1cR7dN0hLfGpAeQiVoTyUaBzM"},
                ),
                "Cache-Control",
            )
        },
        *_BODY_ERRORS,
        404,
    ),
    body=as_json(ref("schemas", "TokenNew"), ada={"username": "ada", "days": 90}),
    login=True,
)
REMOVE_TOKEN = route(
    "Make a token invalid",
    answers(_NOTHING, 403, 404, 507),
    an_id("path", "token_id", "The token's id.", _A_KEPT_ONE),
    login=True,
)
