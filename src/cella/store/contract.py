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

from collections.abc import AsyncGenerator, AsyncIterable
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


class Put(Protocol):
    """Stores bytes."""

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        content_type: str = "application/octet-stream",
        replace: bool = False,
    ) -> Digests:
        """Store all of `body` under `key` and return its length and digests.

        All or nothing: while it runs, and after it failed or was cancelled, nobody sees any
        part of it, and a blob that stood under the key before still does. On return the bytes
        are durable: they survive a kill -9 and a power cut. `body` is read once, in order, and
        never held as a whole; an error that it raises comes out unchanged. `content_type` is
        for stores that hand blobs to clients themselves.

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

        Raises `BlobMissing`, or `BlobExists` as `put` does.
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


@runtime_checkable
class HasPath(Protocol):
    """A store whose blobs lie as plain files on this machine."""

    def path(self, key: str) -> Path:
        """Where the blob is, for reading only. The file may be missing or vanish."""
        ...
