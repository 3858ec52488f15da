"""What encoders elsewhere tell us, described."""

from typing import Any

from cella.api.openapi.errors import answers
from cella.api.openapi.parts import JSON, TEXT, Schema, an_object, parameter, route

_COUNT: Schema = {"type": "integer", "minimum": 0}
_OUTPUT = an_object(
    {
        "format": TEXT,
        "url": TEXT,
        "width": _COUNT,
        "height": _COUNT,
        "file_size_in_bytes": _COUNT,
        "md5_checksum": {"type": ["string", "null"]},
    },
    [],
    description="A film that came of the job.",
)
SCHEMAS: dict[str, Schema] = {
    "ZencoderNotification": an_object(
        {
            "job": an_object(
                {
                    "id": {"type": ["integer", "string"]},
                    "state": {"type": "string", "description": "`finished`, `failed` …"},
                }
            ),
            "input": an_object({"duration_in_ms": _COUNT}, []),
            "outputs": {"type": "array", "items": _OUTPUT},
        },
        ["job"],
        description="What has become of a job.",
    )
}
"""Components."""

_EXAMPLE = {
    "job": {"id": 9944999, "state": "finished"},
    "input": {"duration_in_ms": 100840},
    "outputs": [
        {
            "format": "mpeg4",
            "url": "https://zencoder.example/9944999.mp4",
            "width": 1920,
            "height": 1080,
            "file_size_in_bytes": 3310832,
            "md5_checksum": "84b5ea0d0cd1ef1d1a8d6d8c1d3ba4a0",
        }
    ],
}


def _text(description: str, example: str) -> dict[str, Any]:
    content = {"text/plain": {"schema": TEXT, "example": example}}
    return {"description": description, "content": content}


NOTIFICATIONS = route(
    "Take a notification of Zencoder",
    answers(
        {
            204: {"description": "Taken."},
            200: _text("Taken; the job has failed.", "You failed, but that's okay."),
            404: _text("No file waits for the job.", "Not found, but that's okay."),
        },
        *(400, 401, 403, 408, 413, 415, 501, 507),
    ),
    parameter(
        "header",
        "X-Zencoder-Notification-Secret",
        "The secret that Zencoder shares with the server.",
        "the secret of `zencoder_notifications_secret`",
    ),
    body={
        JSON: {
            "schema": {"$ref": "#/components/schemas/ZencoderNotification"},
            "example": _EXAMPLE,
        }
    },
)
