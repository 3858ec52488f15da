"""Buckets as folders, described."""

from cella.api.openapi.errors import answers
from cella.api.openapi.parts import (
    A_DATE,
    A_LINK,
    A_PROJECT,
    A_SIGNATURE,
    COUNT,
    DATE,
    JSON,
    PROJECT_ID,
    TEXT,
    Answers,
    Schema,
    an_id,
    an_object,
    parameter,
    ref,
    route,
    with_headers,
)

_URL: Schema = {"type": ["string", "null"], "description": "None where the reader has none."}
_GROUP: Schema = {"const": "group_storage"}
SCHEMAS: dict[str, Schema] = {
    "Blob": an_object(
        {
            "name": TEXT,
            "size": {**COUNT, "description": "Bytes."},
            "content_type": TEXT,
            "updated": DATE,
            "signed_url": _URL,
            "public_url": _URL,
        },
        additionalProperties=False,
        description="A blob in a bucket.",
    ),
    "Folder": an_object(
        {
            "name": {**TEXT, "description": "`.` for the root."},
            "type": _GROUP,
            "children": {
                "type": "array",
                "description": "Blobs first, then folders.",
                "items": an_object(
                    {
                        "text": {**TEXT, "description": "The name."},
                        "path": TEXT,
                        "type": {**TEXT, "description": "`group_storage`, or a media type."},
                        "children": {"const": True},
                    },
                    ["text", "path", "type"],
                    additionalProperties=False,
                ),
            },
            "_links": an_object(
                {"next": an_object({"title": TEXT, "href": TEXT})},
                description="Where the rest is, relative to /api.",
            ),
        },
        ["name", "type", "children"],
        additionalProperties=False,
        description="A folder in a bucket.",
    ),
}
"""Components."""

_NAME = "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d.jpg"
_FOUND: Answers = {
    200: with_headers(
        {
            "description": "A blob or a folder; a folder without children where there is neither.",
            "content": {
                JSON: {
                    "schema": {"anyOf": [ref("schemas", "Blob"), ref("schemas", "Folder")]},
                    "examples": {
                        "folder": {
                            "value": {
                                "name": ".",
                                "type": "group_storage",
                                "children": [{"text": _NAME, "path": _NAME, "type": "image/jpeg"}],
                            }
                        },
                        "blob": {
                            "value": {
                                "name": _NAME,
                                "size": 61368,
                                "content_type": "image/jpeg",
                                "updated": A_DATE,
                                "signed_url": f"{A_LINK}-t.jpg?{A_SIGNATURE}",
                                "public_url": f"{A_LINK}-t.jpg",
                            }
                        },
                    },
                }
            },
        },
        "Cache-Control",
    )
}
_ANSWERS = answers(_FOUND, 403, 404)
_BUCKET = an_id("path", "bucket", "The project's id.", A_PROJECT)
_SUBDIR = parameter("path", "subdir", "The folder; files lie in `_`.", "_")
_PATH = parameter("path", "path", "A path in it, slashes and all.", _NAME)
_AFTER = parameter(
    "query", "after", "Where an earlier page ended: take it from its `_links.next`.", _NAME
)
_PAGE = (
    parameter(
        "query",
        "max_results",
        "1 to 250. What is no such number counts as 250.",
        25,
        type=["integer", "string"],
    ),
    _AFTER,
    parameter("query", "backend", "Another store than the server's own.", "local"),
)
BROWSE_GCS = route("Browse a bucket", _ANSWERS, _BUCKET, _SUBDIR, _AFTER)
BROWSE_GCS_AT = route("Browse a path in a bucket", _ANSWERS, _BUCKET, _SUBDIR, _PATH, _AFTER)
BROWSE_TOP = route("Browse the bucket of a project", _ANSWERS, PROJECT_ID, *_PAGE)
BROWSE = route(
    "Browse a path in the bucket of a project",
    _ANSWERS,
    PROJECT_ID,
    parameter("path", "path", "A path in it, slashes and all.", f"_/{_NAME}"),
    *_PAGE,
)
