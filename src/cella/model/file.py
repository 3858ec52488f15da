"""The file: the document about one uploaded original, and the variations derived from it.

Field names are those of the wire (contract.md, section 4.1) without the leading underscore of
the automatic ones. Times are whole seconds since the epoch, UTC; sizes are bytes; lengths of
sides are pixels; `None` means that the field is absent.
"""

from typing import Literal

import msgspec

from cella.model.media import Media

FileStatus = Literal["uploading", "queued_for_processing", "processing", "complete", "failed"]
ProcessingStatus = Literal["pending", "waiting", "processing", "finished", "failed", "cancelled"]


class Variation(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Bytes derived from a file: a thumbnail, an encode, a poster."""

    content_type: str
    length: int
    file_path: str
    md5: str = ""
    sha256: str | None = None
    size: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    is_public: bool = False


class Processing(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How the background work on a file goes; `error` is a sentence for its owner."""

    status: ProcessingStatus
    backend: str = "local"
    job_id: str | None = None
    error: str | None = None


class File(msgspec.Struct, frozen=True):
    """The document about one uploaded original."""

    id: str
    created: int
    updated: int
    etag: str
    project: str | None
    user: str
    name: str
    filename: str
    content_type: str
    length: int
    backend: str
    file_path: str | None
    status: FileStatus
    md5: str = ""
    sha256: str | None = None
    description: str | None = None
    declared_type: str | None = None
    format: str | None = None
    size: str | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    media: Media | None = None
    processing: Processing | None = None
    variations: tuple[Variation, ...] = ()
    deleted: int | None = None

    @property
    def bucket(self) -> str:
        """The bucket that its blobs lie in: its project's, or its uploader's where it has none."""
        return self.project or self.user

    @property
    def length_aggregate(self) -> int:
        """Bytes of the original and all its variations."""
        return self.length + sum(variation.length for variation in self.variations)
