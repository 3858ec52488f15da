"""An upload in pieces: a file that is on its way, and may take days and several connections."""

from typing import Literal

import msgspec

UploadState = Literal["receiving", "storing", "complete", "failed", "ended"]
"""Bytes are awaited; all are there and are made one blob; the file is there; it cannot be made, and
`Upload.reason` says why; nobody wants it any more."""


class Upload(msgspec.Struct, kw_only=True, frozen=True):
    """What is known of it. Times are whole seconds since the epoch, lengths are in bytes.

    `received` bytes are durable, and are the first ones of the file. They lie in the store
    `backend`, in pieces. `expires` is when it is dropped. `file` is the id of what it has become.
    """

    id: str
    created: int
    user: str
    project: str
    filename: str
    declared_type: str | None
    length: int
    received: int = 0
    backend: str
    state: UploadState = "receiving"
    expires: int
    file: str | None = None
    reason: str | None = None


class Piece(msgspec.Struct, frozen=True):
    """Some bytes of an upload, which begin at `start` and lie under `key` in its store."""

    key: str
    start: int
    length: int
