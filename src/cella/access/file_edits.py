"""What of a file's document its clients may write: pure decisions over what they are handed.

Clients send documents back whole, as they were shown them. So what is Cella's own may come back
unchanged, and is passed over; where it comes back changed it is refused, field by field. Nobody
steers where bytes lie. The schema is that of contract.md, section 4.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import msgspec

from cella.fields import READ_ONLY, REQUIRED_FIELD, Field, Issues, check
from cella.model import Actor, File, FileStatus, Processing, ProcessingStatus, Variation

MAX_LENGTH = (1 << 53) - 1
"""Bytes that a file and its variations may be said to have: what JSON holds exactly (RFC 8259)."""

_TOKEN = r"[A-Za-z0-9!#$&^_.+-]+"  # noqa: S105 - RFC 6838 section 4.2, without its lengths
_ID = Field(kind="objectid")
_LABEL = Field(kind="string", shortest=1, longest=255, required=True)
_TEXT = Field(kind="string", longest=1 << 16, nullable=True)
_WORD = Field(kind="string", longest=64, nullable=True)
_COUNT = Field(kind="integer", least=0, nullable=True)
_LENGTH = Field(kind="integer", least=0, most=MAX_LENGTH)
_MD5 = Field(kind="string", longest=32)
_TYPE = Field(kind="string", longest=255, pattern=f"{_TOKEN}/{_TOKEN}", required=True)
_OURS = Field(kind="string", nullable=True)

_VARIATION = {
    "size": _WORD,
    "format": _WORD,
    "content_type": _TYPE,
    "width": _COUNT,
    "height": _COUNT,
    "duration": _COUNT,
    "length": msgspec.structs.replace(_LENGTH, required=True),
    "md5": _MD5,
    "sha256": _OURS,
    "file_path": _OURS,
    "link": _OURS,
    "is_public": Field(kind="boolean"),
}
_PROCESSING = {
    "status": Field(kind="string", allowed=get_args(ProcessingStatus), required=True),
    "backend": Field(kind="string", allowed=("local", "zencoder")),
    "job_id": _TEXT,
    "error": _TEXT,
}
NEW_FIELDS = {
    "_id": _ID,
    "name": _LABEL,
    "filename": _LABEL,
    "description": _TEXT,
    "content_type": _TYPE,
    "format": _WORD,
    "size": _WORD,
    "width": _COUNT,
    "height": _COUNT,
    "duration": _COUNT,
    "length": _LENGTH,
    "md5": _MD5,
    "user": _ID,
    "project": msgspec.structs.replace(_ID, nullable=True),
    "backend": Field(
        kind="string",
        allowed=(
            *("local", "gcs", "s3", "azure", "memory"),
            *("pillar", "cdnsun", "unittest", "attract-web"),
        ),
    ),
    "file_path": _OURS,
    "status": Field(kind="string", allowed=get_args(FileStatus)),
    "processing": Field(kind="dict", fields=_PROCESSING, nullable=True),
    "variations": Field(
        kind="list", items=Field(kind="dict", fields=_VARIATION), longest=100, nullable=True
    ),
}
"""What new documents may hold, as far as a schema tells."""

KNOWN_FIELDS = {
    **NEW_FIELDS,
    "_created": Field(kind="datetime"),
    "_etag": Field(kind="string"),
    "_deleted": Field(kind="boolean"),
    "length_aggregate_in_bytes": _LENGTH,
    "sha256": _OURS,
    "media": Field(kind="dict", nullable=True),
}
"""What documents hold that come back; most of it as it was."""

_MADE = ("length_aggregate_in_bytes", "link", "link_expires", "sha256", "media")
_MADE_OF_VARIATIONS = ("file_path", "link", "sha256")
"""What new documents and their variations cannot come with: it follows from their bytes."""

_PASSED_OVER = frozenset({"_updated", "_status", "_links", "link", "link_expires"})
"""What comes back with a document and is no part of its state."""

_OF_PROGRESS = frozenset({"progress", "step", "seconds_left"})
"""What of `processing` tells how far a job is, and is no part of the document's state either."""

_REQUIRED = ("name", "filename")
_EVERYBODYS = frozenset({*_REQUIRED, "description"})
_ADMINISTRATORS = _EVERYBODYS | {
    *("content_type", "status", "format", "size", "width", "height", "duration", "processing")
}
_REFUSALS = {
    "_id": "field is immutable",
    "project": "a file cannot change its project this way",
}


class Edited(NamedTuple):
    """A file as it is meant to be, with its etag and times as they were, and what is wrong."""

    file: File
    issues: Issues


def draft(actor: Actor, document: Mapping[str, Any], blank: File) -> Edited:
    """Judge a new document, one without bytes; `blank` has what the client may leave out.

    Whether its project and its user exist is left to the caller.
    """
    given = {name: value for name, value in document.items() if name not in _MADE}
    values, issues = check(given, NEW_FIELDS)
    issues |= {name: READ_ONLY for name in _MADE if document.get(name) is not None}
    if values.pop("file_path", None):
        issues["file_path"] = READ_ONLY
    made = _made_of_variations(values.get("variations") or ())
    if made:
        issues["variations"] = made
    changes = {name.removeprefix("_"): _meant(name, value) for name, value in values.items()}
    new = msgspec.structs.replace(blank, **changes)
    if not actor.is_admin:
        issues |= _beyond(actor, new)
    return Edited(new, _of_length(new) | issues)


def edit(
    actor: Actor,
    file: File,
    document: Mapping[str, Any],
    *,
    shown: Sequence[Variation],
    whole: bool,
) -> Edited:
    """Judge what somebody who may change the file wants it to be.

    `shown` are the variations that the actor gets to see. A `whole` document replaces what
    everybody may set, any other adds to it. Null is as good as absent. What is sent of
    `processing` always adds to it: pillarsdk loses its `error` on the way.
    """
    present = _present(file, shown)
    sent = {
        name: _sent(name, value, file.processing)
        for name, value in document.items()
        if name not in _PASSED_OVER and not (name in present and value == present[name])
    }
    values, issues = check(sent, KNOWN_FIELDS, partial=True)
    settable = _of_administrators(file) if actor.is_admin else _EVERYBODYS
    changes: dict[str, Any] = {}
    for name, value in values.items():
        meant = _meant(name, value)
        if name in settable:
            changes[name] = meant
        elif meant != present[name]:
            issues[name] = _REFUSALS.get(name, READ_ONLY)
    if whole:
        issues |= {name: REQUIRED_FIELD for name in _REQUIRED if name not in document}
        if "description" not in document:
            changes["description"] = None
    new = msgspec.structs.replace(file, **changes)
    return Edited(new, _of_length(new) | issues)


def _of_administrators(file: File) -> frozenset[str]:
    """What administrators may set: nothing that tells where bytes lie, or what they are."""
    if not file.file_path:
        return _ADMINISTRATORS | {"length", "md5", "user"}
    # The bytes of a file without a project lie in a bucket that is named for its user.
    return _ADMINISTRATORS if file.project is None else _ADMINISTRATORS | {"user"}


def _beyond(actor: Actor, new: File) -> Issues:
    """What of a new document only administrators may give."""
    issues: Issues = {
        name: READ_ONLY for name in ("processing", "variations") if getattr(new, name)
    }
    if new.user != actor.user:
        issues["user"] = "only administrators may name another user"
    if new.status != "complete":
        issues["status"] = f"unallowed value {new.status}"
    return issues


def _made_of_variations(variations: Sequence[Mapping[str, Any]]) -> Issues:
    made = {
        str(at): {name: READ_ONLY for name in _MADE_OF_VARIATIONS if variation.get(name)}
        for at, variation in enumerate(variations)
    }
    return {at: issues for at, issues in made.items() if issues}


def _of_length(new: File) -> Issues:
    if new.length_aggregate <= MAX_LENGTH:
        return {}
    return {"length": f"max value, variations included, is {MAX_LENGTH}"}


def _present(file: File, shown: Sequence[Variation]) -> dict[str, Any]:
    """The values of all fields that `check` knows, as the actor was shown them."""
    return {
        **{name: getattr(file, name.removeprefix("_"), None) for name in KNOWN_FIELDS},
        "length_aggregate_in_bytes": file.length_aggregate,
        "media": None if file.media is None else msgspec.to_builtins(file.media),
        "variations": tuple(shown),
        "_deleted": False,
    }


def _sent(name: str, value: Any, processing: Processing | None) -> Any:
    """What came, with the project by its id and `processing` complete."""
    if not isinstance(value, dict):
        return value
    if name == "project":
        return value.get("_id")
    if name == "processing":
        told = {key: each for key, each in value.items() if key not in _OF_PROGRESS}
        return told if processing is None else {**msgspec.to_builtins(processing), **told}
    return value


def _meant(name: str, value: Any) -> Any:
    """A field's value as the model has it."""
    match name:
        case "content_type":
            return value.lower()
        case "file_path":
            return value or None
        case "processing":
            return None if value is None else Processing(**_without_nulls(value))
        case "variations":
            return tuple(_variation(each) for each in value or ())
        case _:
            return value


def _variation(values: Mapping[str, Any]) -> Variation:
    plain = _without_nulls(values)
    plain.pop("link", None)
    return Variation(**{"file_path": "", **plain})


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
