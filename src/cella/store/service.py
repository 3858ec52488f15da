"""What `RemoteStore` asks of a cloud: one method a request, all blocking.

A service knows buckets and objects with names, and nothing of keys. What goes wrong is a
`StoreUnavailable`, `StoreRefused` or `StoreFull`, or one of the three exceptions below, which
`RemoteStore` puts into words.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cella.store.contract import Label


class NoObject(Exception):
    """There is no such object."""


class NoBucket(Exception):
    """There is no such bucket."""


class Taken(Exception):
    """There is an object already, and it was not to be replaced."""


class Changed(Exception):
    """The object is not the one any more that it was when reading began."""


class Place(NamedTuple):
    """An object's bucket and its name."""

    bucket: str
    name: str


class Found(NamedTuple):
    """What there is to know of an object. `mark` is that of the put that wrote it."""

    length: int
    modified: float
    etag: str
    content_type: str
    disposition: str
    mark: str


class Item(NamedTuple):
    """An object in a listing; `content_type` is empty where listings do not tell it."""

    name: str
    length: int
    modified: float
    content_type: str


class Page(NamedTuple):
    """A piece of a listing: objects and, with a delimiter, what stands for many of them.

    `more` continues it; empty at its end.
    """

    items: Sequence[Item]
    folders: Sequence[str]
    more: str


class Pending(NamedTuple):
    """An upload of parts that has not come to its end; `began` is in seconds since the epoch."""

    place: Place
    upload: str
    began: float


class Writing(NamedTuple):
    """What a put writes: where, with which label, and `mark`, by which it knows its own work."""

    place: Place
    label: Label
    mark: str
    replace: bool


class Reading(Protocol):
    """An object that is being read."""

    etag: str

    def read(self, most: int) -> bytes:
        """The next bytes, fewer than `most` only at the end. Raises `StoreUnavailable`."""
        ...

    def close(self) -> None:
        """Must be called, and may be again."""
        ...


class Service(Protocol):
    """A cloud that keeps objects."""

    most_parts: int
    """How many parts one object may have."""

    def put(self, writing: Writing, content: bytes | bytearray) -> None:
        """Write an object in one request. Raises `Taken`, `NoBucket`."""
        ...

    def begin(self, writing: Writing) -> str:
        """Begin an object of many parts; gives its name among those. Raises `NoBucket`."""
        ...

    def part(self, writing: Writing, upload: str, number: int, content: bytes | bytearray) -> str:
        """Send a part, the first of which is 1; gives what stands for it. May be called again."""
        ...

    def complete(self, writing: Writing, upload: str, parts: Sequence[str]) -> None:
        """Make an object of all parts, in one step. Raises `Taken`."""
        ...

    def abort(self, place: Place, upload: str) -> None:
        """Forget the parts. An upload that is not there is no error."""
        ...

    def pending(self, bucket: str, prefix: str) -> Sequence[Pending]:
        """Uploads of parts to objects whose names begin so; none where the service ends them.

        Raises `NoBucket`.
        """
        ...

    def read(self, place: Place, start: int, stop: int | None, etag: str) -> Reading | None:
        """Begin to read a range; None where it begins beyond the end.

        With an `etag` raises `Changed` where the object has another. Raises `NoObject`.
        """
        ...

    def head(self, place: Place) -> Found:
        """What there is of an object. Raises `NoObject`, and `NoBucket` where it can tell."""
        ...

    def check_bucket(self, bucket: str) -> None:
        """Raise `NoBucket` where there is none."""
        ...

    def page(
        self, bucket: str, prefix: str, *, delimiter: str, after: str, more: str, most: int
    ) -> Page:
        """Objects in order of their names, from after `after` where the service can do so.

        Raises `NoBucket`.
        """
        ...

    def delete(self, place: Place) -> bool:
        """Remove an object; whether there was one."""
        ...

    def copy(self, source: Place, writing: Writing) -> None:
        """Copy inside the service; the label is that of the source.

        Raises `NoObject`, `NoBucket` of the target, `Taken`.
        """
        ...

    def create_bucket(self, bucket: str) -> None:
        """Create a bucket; one that is there and ours is no error."""
        ...

    def buckets(self, prefix: str) -> Sequence[str]:
        """The names of all buckets of ours that begin with `prefix`."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
