"""Following a file, described."""

from cella.api.openapi.errors import answers
from cella.api.openapi.parts import (
    A_FILE,
    AN_ETAG,
    COUNT,
    FILE_ID,
    TEXT,
    an_object,
    route,
    with_headers,
)
from cella.http.events import EventsResponse

_EVENT = an_object(
    {
        "event": {"enum": ["file", "end"]},
        "data": {**TEXT, "description": "JSON: parts of the file's document, or of an error."},
        "retry": {**COUNT, "description": "Milliseconds after which to come back."},
    },
    [],
    description="One of the events, by the names of its lines.",
)
_EXAMPLE = {
    "event": "file",
    "data": f'{{"_id":"{A_FILE}","_etag":"{AN_ETAG}","status":"processing","processing":'
    '{"status":"processing","backend":"local","progress":41,"step":"Encoding","seconds_left":12}}',
}

FOLLOW_FILE = route(
    "Follow a file",
    answers(
        {
            200: with_headers(
                {
                    "description": "Events, until nothing more is being made of the file.",
                    "content": {"text/event-stream": {"schema": _EVENT, "example": _EXAMPLE}},
                },
                "Cache-Control",
            )
        },
        *(403, 404),
    ),
    FILE_ID,
) | {"response_class": EventsResponse, "status_code": 200}
