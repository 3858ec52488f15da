"""Documents as they are read: their schemas, and an example of each.

The schemas follow from the types that are encoded (`cella.api.documents`); what those do not tell
is written down here.
"""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from cella.access.project_edits import CATEGORIES, STATUSES
from cella.api.documents import (
    FileDocument,
    MemberDocument,
    ProjectDocument,
    StrangerDocument,
    UserDocument,
)
from cella.api.openapi.parts import (
    A_CURSOR,
    A_DATE,
    A_FILE,
    A_GROUP,
    A_LINK,
    A_PROJECT,
    A_SIGNATURE,
    A_USER,
    AN_ETAG,
    COUNT,
    DATE,
    ETAG,
    ID,
    TEXT,
    Schema,
    an_object,
    ref,
)
from cella.model import FileStatus, ProcessingStatus
from cella.model.media import Hdr

_AUTOMATIC: dict[str, Schema] = {"_id": ID, "_created": DATE, "_updated": DATE, "_etag": ETAG}
_SHA256: Schema = {"pattern": "^[0-9a-f]{64}$"}

_TOLD: dict[str, dict[str, Schema]] = {
    "FileDocument": {
        **_AUTOMATIC,
        "_deleted": {"description": "True in deleted ones, which are shown on demand only."},
        "name": {"description": "For programs; uploads get one of their own."},
        "filename": {"description": "For people: the name that it came under."},
        "content_type": {"description": "Without parameters."},
        "format": {"description": "The second half of the type that was sent."},
        "width": {"minimum": 0, "description": "Pixels."},
        "height": {"minimum": 0, "description": "Pixels."},
        "duration": {"minimum": 0, "description": "Seconds."},
        "length": {"minimum": 0, "description": "Bytes."},
        "length_aggregate_in_bytes": {"minimum": 0, "description": "With all variations."},
        "md5": {"description": "Empty until it is worked out."},
        "sha256": _SHA256,
        "user": {**ID, "description": "Who uploaded it."},
        "project": {
            "type": ["string", "object"],
            "anyOf": [ID, ref("schemas", "EmbeddedProject")],
            "description": "Its id, or the whole project where that is wanted as `embedded`.",
        },
        "backend": {"description": "Where the bytes lie."},
        "file_path": {"description": "The blob's name there."},
        "status": {"enum": list(get_args(FileStatus))},
        "link": {
            "description": "Where the bytes are, until `link_expires`; empty where nobody has them."
        },
        "link_expires": DATE,
    },
    "ProcessingDocument": {
        "status": {"enum": list(get_args(ProcessingStatus))},
        "backend": {"enum": ["local", "zencoder"]},
        "error": {"description": "What went wrong, in a sentence."},
        "progress": {
            "minimum": 0,
            "maximum": 100,
            "description": "Per cent that are done. It changes without a new `_etag`.",
        },
        "step": {"description": "What is being done."},
        "seconds_left": {"minimum": 0, "description": "Until it is done, about."},
    },
    "Media": {
        "container": {"description": "The format of the file, as FFmpeg calls it."},
        "seconds": {"minimum": 0, "description": "How long it plays."},
        "frame_rate": {
            "pattern": "^[0-9]+/[0-9]+$",
            "description": "Frames a second, a fraction of whole numbers.",
        },
        "frames": {"minimum": 0},
        "rotation": {
            "enum": [0, 90, 180, 270],
            "description": "Degrees by which the stored picture is turned clockwise to be shown.",
        },
        "hdr": {"enum": list(get_args(Hdr)), "description": "The transfer function of HDR film."},
        "audio_tracks": COUNT,
        "channels": COUNT,
        "sample_rate": {"minimum": 0, "description": "Hz."},
    },
    "VariationDocument": {
        "size": {
            "description": "s, b, t, m, l or h; of films 720p and the like, poster, hls, sprites; "
            "of sounds peaks and waveform."
        },
        "width": {"minimum": 0, "description": "Pixels."},
        "height": {"minimum": 0, "description": "Pixels."},
        "duration": {"minimum": 0, "description": "Seconds."},
        "length": {"minimum": 0, "description": "Bytes."},
        "sha256": _SHA256,
        "is_public": {"description": "Whether its link is for everybody, and for good."},
    },
    "ProjectDocument": {
        **_AUTOMATIC,
        "user": {**ID, "description": "The owner."},
        "category": {"enum": list(CATEGORIES)},
        "status": {"enum": list(STATUSES)},
        "is_private": {"description": "Whether strangers may not read it."},
        "allowed_methods": {"description": "What who asks may do in it."},
    },
    "UserGrantDocument": {"user": ID},
    "GroupGrantDocument": {"group": ID},
    "MemberDocument": {"_id": ID, "_status": {"const": "OK"}},
    "UserDocument": {
        **_AUTOMATIC,
        "groups": {"type": "array", "items": ID},
        "disabled": {"description": "There only where it is true."},
    },
}
_PROJECTED = frozenset(
    {
        *(
            "FileDocument",
            "VariationDocument",
            "ProcessingDocument",
            "Media",
            "UserDocument",
            "StrangerDocument",
        ),
        *("ProjectDocument", "PermissionsDocument", "UserGrantDocument", "GroupGrantDocument"),
    }
)
_PROJECTION = " A `projection` may leave out what is not required."


def _read(name: str, schema: Schema) -> Schema:
    """The schema of what is read: fields without a value are left out, so there are no nulls."""
    told = _TOLD.get(name, {})
    described = {
        **{key: value for key, value in schema.items() if key != "title"},
        "properties": {
            field: _without_null(each) | told.get(field, {})
            for field, each in schema["properties"].items()
        },
    }
    if name not in _PROJECTED:
        return described
    required = [field for field in schema["required"] if field in _AUTOMATIC]
    return {**described, "required": required, "description": schema["description"] + _PROJECTION}


def _without_null(schema: Schema) -> Schema:
    some: list[Schema] = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(some) == 1:
        return some[0]
    return {key: value for key, value in schema.items() if key != "default"}


_references, _documents = msgspec.json.schema_components(
    [FileDocument, ProjectDocument, UserDocument, MemberDocument, StrangerDocument],
    ref_template="#/components/schemas/{name}",
)
FILE, PROJECT, USER, MEMBER, STRANGER = _references

FILE_EXAMPLE = {
    "_id": A_FILE,
    "_created": A_DATE,
    "_updated": A_DATE,
    "_etag": AN_ETAG,
    "name": "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d.jpg",
    "filename": "plate 0041.jpg",
    "content_type": "image/jpeg",
    "format": "jpeg",
    "width": 6000,
    "height": 4000,
    "length": 9437184,
    "length_aggregate_in_bytes": 9443205,
    "md5": "5d41402abc4b2a76b9719d911017c592",
    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "user": A_USER,
    "project": A_PROJECT,
    "backend": "local",
    "file_path": "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d.jpg",
    "status": "complete",
    "variations": [
        {
            "size": "t",
            "content_type": "image/jpeg",
            "width": 160,
            "height": 106,
            "length": 6021,
            "md5": "7d793037a0760186574b0282f2f435e7",
            "sha256": "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7",
            "file_path": "9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d-t.jpg",
            "is_public": True,
            "link": f"{A_LINK}-t.jpg",
        }
    ],
    "link": f"{A_LINK}.jpg?{A_SIGNATURE}",
    "link_expires": "Fri, 18 Dec 2026 00:00:00 GMT",
}
PROJECT_EXAMPLE = {
    "_id": A_PROJECT,
    "_created": A_DATE,
    "_updated": A_DATE,
    "_etag": AN_ETAG,
    "_deleted": False,
    "name": "Spring",
    "url": "spring",
    "user": A_USER,
    "category": "film",
    "summary": "A shepherd girl and her dog.",
    "status": "published",
    "is_private": True,
    "permissions": {
        "world": [],
        "users": [],
        "groups": [{"group": A_GROUP, "methods": ["GET", "POST", "PUT", "DELETE"]}],
    },
    "allowed_methods": ["GET", "POST", "PUT", "DELETE"],
}
STRANGER_EXAMPLE = {"full_name": "Ada Lovelace", "email": "ada@studio.example"}
MEMBER_EXAMPLE = {"_id": A_USER, "username": "ada", **STRANGER_EXAMPLE}
USER_EXAMPLE = {
    "_id": A_USER,
    "_created": A_DATE,
    "_updated": A_DATE,
    "_etag": AN_ETAG,
    "username": "ada",
    **STRANGER_EXAMPLE,
    "roles": ["subscriber"],
    "groups": [A_GROUP],
    "settings": {"email_communications": 1},
}
RECEIPT_EXAMPLE = {
    "_id": A_FILE,
    "_created": A_DATE,
    "_updated": A_DATE,
    "_etag": AN_ETAG,
    "_status": "OK",
}

RECEIPT = ref("schemas", "Receipt")
RECEIPTS = an_object({"_status": {"const": "OK"}, "_items": {"type": "array", "items": RECEIPT}})

_read_documents = {name: _read(name, schema) for name, schema in _documents.items()}
SCHEMAS: dict[str, Schema] = {
    **_read_documents,
    "EmbeddedProject": {**_read_documents["ProjectDocument"], "required": []},
    "Receipt": an_object(
        {**_AUTOMATIC, "_deleted": {"const": False}, "_status": {"const": "OK"}},
        [*_AUTOMATIC, "_status"],
        description="What whoever wrote a document gets back: its automatic fields.",
    ),
    "PageMeta": an_object(
        {
            "page": {"type": "integer", "minimum": 1, "description": "What was asked for."},
            "max_results": {"type": "integer", "minimum": 1, "maximum": 250},
            "total": {**COUNT, "description": "How many there are on all pages."},
        }
    ),
    "PageLinks": an_object(
        {
            "next": an_object(
                {
                    "title": TEXT,
                    "href": {"type": "string", "description": "Relative to `/api/`."},
                },
                description="The next page; it costs the same however far it lies.",
            )
        },
        description="There only where there is a next page.",
    ),
}
"""Components."""


def a_list_of(schema: Schema) -> Schema:
    """The schema of a page of documents."""
    return an_object(
        {
            "_items": {"type": "array", "items": schema, "maxItems": 250},
            "_meta": ref("schemas", "PageMeta"),
            "_links": ref("schemas", "PageLinks"),
        },
        ["_items", "_meta"],
    )


def a_list_example(resource: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The first of several pages, with one document."""
    href = f"{resource}?sort=-_created&max_results=1&cursor={A_CURSOR}"
    return {
        "_items": [document],
        "_meta": {"page": 1, "max_results": 1, "total": 4112},
        "_links": {"next": {"title": "next page", "href": href}},
    }
