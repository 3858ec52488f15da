"""What a store promises. One Protocol a verb; `Store` is their sum.

A store keeps immutable *blobs* under keys that `cella.store.keys` made, for example
`<project>/_/<name>`. It does not know that there are files. Every implementation and every
wrapper passes `tests/contracts/test_store.py`.

For all verbs:

* a key that `keys.check` refuses raises `BadKey` and touches nothing;
* a store that does not answer raises `StoreUnavailable`; one without room `StoreFull`;
* foreign errors never escape: they become errors of `cella.errors` inside the store;
* a verb may be called again after any failure, and concurrently with any other.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from cella.digest import Digests

BLOCK = 1 << 20
"""Bytes handed over at a time, about. Reads give blocks of this size, the last one shorter."""


class Stat(msgspec.Struct, frozen=True):
    """What a store knows of a blob: `length` in bytes, `modified` in seconds since the epoch."""

    key: str
    length: int
    modified: float


class Label(msgspec.Struct, frozen=True):
    """What a store that hands blobs to clients itself tells these, and whom it gives them.

    `content_type` and `disposition` are the values of the headers, the latter empty for none.
    Where the store can, anybody may have a blob that `is_public` without a signature.
    """

    content_type: str = "application/octet-stream"
    disposition: str = ""
    is_public: bool = False


PLAIN = Label()
"""The label of bytes of which nothing is known."""


class Put(Protocol):
    """Stores bytes."""

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        label: Label = PLAIN,
        replace: bool = False,
    ) -> Digests:
        """Store all of `body` under `key` and return its length and digests.

        All or nothing: while it runs, and after it failed or was cancelled, nobody sees any
        part of it, and a blob that stood under the key before still does. On return the bytes
        are durable: they survive a kill -9 and a power cut. `body` is read once, in order, and
        never held as a whole; an error that it raises comes out unchanged. `label` goes with
        the bytes where clients fetch these from the store itself.

        With `replace` false an existing blob raises `BlobExists` (of two racing puts exactly
        one succeeds where the backend can tell); with `replace` true it is replaced in one
        step, and readers that have begun keep reading the old bytes.
        """
        ...


class Get(Protocol):
    """Reads bytes."""

    def get(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read bytes `start` up to, not including, `stop` (the end where None), in blocks.

        Raises `BlobMissing` on the first step where there is no blob, and `ValueError` where
        `start` or `stop` is negative. A `start` at or beyond the end, or at or beyond `stop`,
        gives nothing; a `stop` beyond the end means the end. What it holds is closed when it
        ends, fails or is closed: whoever may stop early wraps it in `contextlib.aclosing`.
        """
        ...


class Head(Protocol):
    """Looks at a blob without reading it."""

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        ...


class List(Protocol):
    """Finds blobs."""

    def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Every blob whose key begins with `prefix` and sorts after `after`, in order of keys.

        Keys sort by code point. A blob that comes or goes meanwhile may or may not be in it;
        no other is missed or given twice. Unfinished puts are not in it.
        """
        ...


class Delete(Protocol):
    """Removes blobs."""

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one. A missing blob is no error."""
        ...


class Copy(Protocol):
    """Copies inside one store."""

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too, as all-or-nothing as `put`.

        The label goes along. Raises `BlobMissing`, or `BlobExists` as `put` does.
        """
        ...


class Store(Put, Get, Head, List, Delete, Copy, Protocol):
    """A place where blobs lie. A constructor connects to nothing; `open` does, or creates."""

    async def open(self) -> None:
        """Make the store usable; may be called again."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


class Entry(msgspec.Struct, frozen=True):
    """What stands directly below a folder: a blob, or a folder, which has nothing but a name.

    `name` is the last part of its path. Of a blob, `length` is in bytes, `modified` in seconds
    since the epoch, and `content_type` empty where the store knows none.
    """

    name: str
    is_folder: bool = False
    length: int = 0
    modified: float = 0.0
    content_type: str = ""


@runtime_checkable
class CanBrowse(Protocol):
    """A store that shows what lies in a bucket as folders, also what others have put there."""

    async def browse(self, bucket: str, path: str, after: str, most: int) -> list[Entry]:
        """Up to `most` entries directly below the folder `path`, by name, from beyond `after`.

        `bucket` is the one of keys, and `path` the parts below it with slashes between them, for
        example `_`; empty for the top. A folder that is not there has nothing in it. Names sort
        by code point, folders as if they ended in a slash, and `after` is the name of the last
        entry of the page before, with the slash if that was a folder.
        """
        ...

    async def find(self, bucket: str, path: str) -> Entry:
        """The blob at `path` in `bucket`, named by its last part; raises `BlobMissing`."""
        ...


@runtime_checkable
class CanSign(Protocol):
    """A store that clients can fetch from by themselves, with links that it signs.

    Signing calls nobody: it is a pure function of its arguments and the store's settings.
    """

    signs_slowly: bool
    """Whether a signature takes long enough (RSA) to be made in a thread, and to be kept."""

    longest_link: int
    """Seconds that a link can last at most."""

    def sign(self, blobs: Sequence[tuple[str, str, str]], begins: int, expires: int) -> list[str]:
        """Links that work from `begins` until `expires`, which are seconds since the epoch.

        Each blob is a key, and the values of Content-Type and Content-Disposition that it is
        fetched with, whatever label it was put with. Blocking where `signs_slowly`.
        """
        ...

    def public_link(self, key: str) -> str:
        """The stable link to a blob that was put as a public one; empty where there is none."""
        ...


@runtime_checkable
class HasPath(Protocol):
    """A store whose blobs lie as plain files on this machine."""

    def path(self, key: str) -> Path:
        """Where the blob is, for reading only. The file may be missing or vanish."""
        ...


@runtime_checkable
class ShowsUnfinished(Protocol):
    """A store that can tell what puts have left behind that will never end."""

    def unfinished(self) -> AsyncGenerator[Stat, None]:
        """What takes room and is no blob; of each its name for people, its length and its age.

        Puts that may still be under way are not in it.
        """
        ...

    async def drop_unfinished(self) -> int:
        """Remove what `unfinished` tells of; how many things that were."""
        ...
