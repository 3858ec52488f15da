"""What lists of files can be asked for and sorted by: contract.md, section 4.1."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from cella.catalog.fields import (
    Condition,
    Embedded,
    Field,
    Fields,
    Many,
    Member,
    Members,
    Refused,
    Value,
)
from cella.catalog.places import Inside
from cella.catalog.tables import files
from cella.db.nested import Parsed

ANCHORS = frozenset(
    {
        *("_id", "project", "user", "name", "filename", "file_path"),
        *("md5", "sha256", "processing.job_id"),
    }
)
"""The fields that are indexed: which of them is pinned is found without looking at others."""

_SORTED_CHARACTERS = 200
_SPELLED = Refused("links are spelled when a document is read, and never stored")

_PROCESSING = {
    "status": Member("text"),
    "backend": Member("text", "local"),
    "job_id": Member("text"),
    "error": Member("text"),
}
_MEDIA: Members = {
    "container": Member("text"),
    "seconds": Refused("it has fractions; `duration` has the whole seconds"),
    "video_codec": Member("text"),
    "audio_codec": Member("text"),
    "frame_rate": Member("text"),
    "variable_frame_rate": Member("boolean", False),
    "frames": Member("number"),
    "rotation": Member("number", 0),
    "hdr": Member("text"),
    "audio_tracks": Member("number", 0),
    "channels": Member("number"),
    "sample_rate": Member("number"),
}
_VARIATION: Members = {
    "size": Member("text"),
    "format": Member("text"),
    "content_type": Member("text"),
    "width": Member("number"),
    "height": Member("number"),
    "duration": Member("number"),
    "length": Member("number"),
    "md5": Member("text", ""),
    "sha256": Member("text"),
    "file_path": Member("text"),
    "is_public": Member("boolean", False),
    "link": _SPELLED,
}
_VALUES: dict[str, Value] = {
    "_id": Value(files.c.id, "id", required=True),
    "_created": Value(files.c.created, "date", required=True),
    "_updated": Value(files.c.updated, "date", required=True),
    "_etag": Value(files.c.etag, "text", required=True),
    "user": Value(files.c.user_id, "id", required=True),
    "name": Value(files.c.name, "text", required=True),
    "filename": Value(files.c.filename, "text", required=True),
    "description": Value(files.c.description, "text"),
    "content_type": Value(files.c.content_type, "text", required=True),
    "length": Value(files.c.length, "number", required=True),
    "length_aggregate_in_bytes": Value(files.c.length_aggregate, "number", required=True),
    "md5": Value(files.c.md5, "text", required=True),
    "sha256": Value(files.c.sha256, "text"),
    "backend": Value(files.c.backend, "text", required=True),
    "file_path": Value(files.c.file_path, "text"),
    "format": Value(files.c.format, "text"),
    "size": Value(files.c.size, "text"),
    "width": Value(files.c.width, "number"),
    "height": Value(files.c.height, "number"),
    "duration": Value(files.c.duration, "number"),
    "status": Value(files.c.status, "text", required=True),
    "processing.job_id": Value(files.c.job_id, "text"),
}
_FIELDS: dict[str, Field] = {
    **_VALUES,
    "media": Embedded(files.c.media, _MEDIA),
    "processing": Embedded(files.c.processing, _PROCESSING),
    "link": _SPELLED,
    "link_expires": _SPELLED,
}


_in_processing = Inside(
    "processing", Parsed(files.c.processing), _PROCESSING, files.c.processing
).value


def _beginning(text: sa.ColumnElement[Any] | None) -> Value:
    """Long texts are sorted by their first characters only: a cursor has to hold them."""
    return Value(sa.func.substr(text, 1, _SORTED_CHARACTERS, type_=sa.Text), "text")


SORTABLE: Mapping[str, Value] = {
    **_VALUES,
    "project": Value(files.c.project, "id"),
    "description": _beginning(files.c.description),
    "processing.status": _in_processing("status", _PROCESSING["status"]),
    "processing.backend": _in_processing("backend", _PROCESSING["backend"]),
    "processing.job_id": _beginning(files.c.job_id),
    "processing.error": _beginning(_in_processing("error", _PROCESSING["error"]).expression),
}
"""What lists of files can be sorted by."""


def file_fields(
    *, deleted: bool, loose: bool, shown: Callable[[sa.ColumnElement[Any]], Condition] | None
) -> Fields:
    """What can be asked of files that all are `deleted` or all are not, and `loose` or not.

    Loose ones have no project. `shown` tells which variations who asks may know of; None is all.
    """
    return Fields(
        {
            **_FIELDS,
            "_deleted": Value(sa.true() if deleted else sa.false(), "boolean", required=True),
            "project": Value(None, "id") if loose else Value(files.c.project, "id", required=True),
            "variations": Many(files.c.variations, _VARIATION, shown),
        },
        searched=("filename", "description"),
    )
