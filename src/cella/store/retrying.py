"""Trying again what may succeed later, and only that.

`again` is for the requests inside a store. `RetryingStore` stands around a store that is far
away, and tries its verbs again, but for `put`, whose body cannot be read twice: there the store
itself tries its requests again. Only errors that say so (`CellaError.retriable`) are tried again,
after pauses that grow and are random, so that those who failed together do not come back together.
"""

import asyncio
import random
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import NamedTuple, TypeVar

from cella.digest import Digests
from cella.errors import BlobExists, StoreError
from cella.store.abilities import hand_on
from cella.store.contract import PLAIN, CanBrowse, Entry, Label, Stat, Store

T = TypeVar("T")


class Patience(NamedTuple):
    """How often something is tried, and for how long no further try begins after the first.

    Pauses are random, up to `pause` seconds first, then twice as much each time, up to `longest`.
    """

    tries: int = 5
    seconds: float = 30.0
    pause: float = 0.2
    longest: float = 5.0

    def pauses(self) -> Iterator[float]:
        """Seconds before the second try, the third, and so on; ends where no more is due."""
        end = time.monotonic() + self.seconds
        for number in range(self.tries - 1):
            most = min(self.longest, self.pause * 2**number)
            seconds = random.uniform(most / 2, most)  # noqa: S311 - spreads load
            if time.monotonic() + seconds > end:
                return
            yield seconds


USUAL = Patience()


def again(work: Callable[[], T], given_up: threading.Event, patience: Patience = USUAL) -> T:
    """Do `work`, again where it fails for a while; blocking. `given_up` ends the trying."""
    pauses = patience.pauses()
    while True:
        try:
            return work()
        except StoreError as error:
            pause = next(pauses, None)
            if not error.retriable or pause is None or given_up.wait(pause):
                raise


class RetryingStore:
    """`inner`, with what may succeed later tried again. Can what `inner` can.

    A `get` is tried again until its first block, and a `list` goes on after what it gave last.
    """

    def __init__(self, inner: Store, patience: Patience = USUAL) -> None:
        self._inner = inner
        self._patience = patience
        if isinstance(inner, CanBrowse):
            browsing = _RetryingBrowser(inner, patience)
            hand_on(inner, self, browse=browsing.browse, find=browsing.find)
        else:
            hand_on(inner, self)

    async def open(self) -> None:
        """Open the inner store."""
        await self._inner.open()

    async def close(self) -> None:
        """Close the inner store."""
        await self._inner.close()

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        label: Label = PLAIN,
        replace: bool = False,
    ) -> Digests:
        """Left to the inner store; see `cella.store.contract.Put`."""
        return await self._inner.put(key, body, label=label, replace=replace)

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a range; see `cella.store.contract.Get`."""
        pauses = self._patience.pauses()
        has_begun = False
        while True:
            try:
                async with aclosing(self._inner.get(key, start, stop)) as blocks:
                    async for block in blocks:
                        has_begun = True
                        yield block
            except StoreError as error:
                pause = next(pauses, None)
                if has_begun or not error.retriable or pause is None:
                    raise
            else:
                return
            await asyncio.sleep(pause)

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        return await _tried(self._patience, lambda: self._inner.head(key))

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Blobs in order of keys; see `cella.store.contract.List`."""
        pauses = self._patience.pauses()
        while True:
            try:
                async with aclosing(self._inner.list(prefix, after)) as blobs:
                    async for blob in blobs:
                        after, pauses = blob.key, self._patience.pauses()
                        yield blob
            except StoreError as error:
                pause = next(pauses, None)
                if not error.retriable or pause is None:
                    raise
            else:
                return
            await asyncio.sleep(pause)

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one.

        Where an answer was lost, the next try finds nothing, and says so.
        """
        return await _tried(self._patience, lambda: self._inner.delete(key))

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too; see `cella.store.contract.Copy`.

        Where a try failed and the next one finds a blob at `target`, nobody knows whose it is, and
        the first error is raised.
        """
        failures: list[StoreError] = []

        async def once() -> Stat:
            try:
                return await self._inner.copy(source, target, replace=replace)
            except BlobExists:
                if failures:
                    raise failures[0] from None
                raise
            except StoreError as error:
                failures.append(error)
                raise

        return await _tried(self._patience, once)


class _RetryingBrowser:
    def __init__(self, inner: CanBrowse, patience: Patience) -> None:
        self._inner = inner
        self._patience = patience

    async def browse(self, bucket: str, path: str, after: str, most: int) -> list[Entry]:
        """A page of a folder; see `cella.store.contract.CanBrowse`."""
        return await _tried(self._patience, lambda: self._inner.browse(bucket, path, after, most))

    async def find(self, bucket: str, path: str) -> Entry:
        """A blob by its path; see `cella.store.contract.CanBrowse`."""
        return await _tried(self._patience, lambda: self._inner.find(bucket, path))


async def _tried(patience: Patience, work: Callable[[], Awaitable[T]]) -> T:
    pauses = patience.pauses()
    while True:
        try:
            return await work()
        except StoreError as error:
            pause = next(pauses, None)
            if not error.retriable or pause is None:
                raise
        await asyncio.sleep(pause)
