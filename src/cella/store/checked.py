"""What a careful caller wants of every store, whatever it is made of.

An object store may be far away, behind a proxy, or written by somebody else. So keys are judged
before it sees them, and what it says about lengths is compared with what was counted here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing, suppress

from cella.digest import Digester, Digests
from cella.errors import BlobMissing, Corrupt, StoreError
from cella.store import keys
from cella.store.abilities import hand_on
from cella.store.contract import PLAIN, Get, Label, Stat, Store

_WORTH_A_THREAD = 128 << 10


class CheckedStore:
    """`inner`, with its keys and lengths checked. Can what `inner` can."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
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
        """Store all of `body`; see `cella.store.contract.Put`.

        Raises `Corrupt` where the inner store says that it has stored another number of bytes
        than it was given, after removing the blob. Its SHA-256 is trusted.
        """
        keys.check(key)
        counted = _Counted(body)
        stored = await self._inner.put(key, counted, label=label, replace=replace)
        if stored.length != counted.length:
            with suppress(StoreError):
                await self._inner.delete(key)
            raise Corrupt(
                f"The store was given {counted.length} bytes and says that it has stored "
                f"{stored.length}. Nothing was kept; send the file again."
            )
        return stored

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a range; see `cella.store.contract.Get`.

        Where the whole blob is read, raises `Corrupt` at the end if it was shorter or longer
        than `head` says.
        """
        keys.check(key)
        whole = start == 0 and stop is None
        promised = await self._inner.head(key) if whole else None
        length = 0
        async with aclosing(self._inner.get(key, start, stop)) as blocks:
            async for block in blocks:
                length += len(block)
                yield block
        if promised is not None and length != promised.length:
            await self._accuse(promised, length)

    async def head(self, key: str) -> Stat:
        """What there is under `key`; raises `BlobMissing`."""
        keys.check(key)
        return await self._inner.head(key)

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """Blobs in order of keys; see `cella.store.contract.List`."""
        async with aclosing(self._inner.list(prefix, after)) as blobs:
            async for blob in blobs:
                yield blob

    async def delete(self, key: str) -> bool:
        """Remove the blob; true where there was one."""
        keys.check(key)
        return await self._inner.delete(key)

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """Store the bytes of `source` under `target` too; see `cella.store.contract.Copy`."""
        keys.check(source)
        keys.check(target)
        return await self._inner.copy(source, target, replace=replace)

    async def _accuse(self, promised: Stat, length: int) -> None:
        """Raise `Corrupt`, unless the blob was replaced or deleted since `promised` was told."""
        with suppress(BlobMissing):
            if await self._inner.head(promised.key) == promised:
                raise Corrupt(
                    f"The store gave {length} bytes of the blob {promised.key}, which is "
                    f"{promised.length} bytes long by its own account."
                )


async def verify(store: Get, key: str, length: int, sha256: str) -> None:
    """Read the whole blob and compare it with its length in bytes and SHA-256 in hex.

    Raises `Corrupt` where they differ, `BlobMissing` where there is no blob. Hashes in a thread.
    """
    found = await read_through(store, key, Digester(md5_up_to=0))
    if found.length != length:
        raise Corrupt(f"The blob {key} has {found.length} bytes instead of {length}.")
    if found.sha256 != sha256:
        raise Corrupt(f"The blob {key} has the right length, but its SHA-256 is not {sha256}.")


async def read_through(
    store: Get, key: str, digester: Digester, advance: Callable[[int], object] = int
) -> Digests:
    """Read the whole blob; what `digester` says of it. `advance` is told of each block's bytes.

    Raises `BlobMissing` where there is no blob. Hashes in a thread what is worth one.
    """
    async with aclosing(store.get(key)) as blocks:
        async for block in blocks:
            if len(block) < _WORTH_A_THREAD:
                digester.update(block)
            else:
                await asyncio.to_thread(digester.update, block)
            advance(len(block))
    return digester.digests()


class _Counted:
    """A body that counts the bytes it hands on."""

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._body = body
        self.length = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            self.length += len(chunk)
            yield chunk
