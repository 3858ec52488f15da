"""Stores for tests, and bodies to put in them."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

from cella.store.checked import CheckedStore
from cella.store.contract import Get, List, Stat, Store
from cella.store.disk import DiskStore
from cella.store.failing import FailingStore, Faults
from cella.store.memory import MemoryStore

BUCKET = "5f0123456789abcdef012345"
OTHER = "6a0123456789abcdef012345"
KEY = f"{BUCKET}/_/0123456789abcdef0123456789abcdef.png"

FACTORIES: dict[str, Callable[[Path], Store]] = {
    "disk": DiskStore,
    "memory": lambda _folder: MemoryStore(),
    "checked-disk": lambda folder: CheckedStore(DiskStore(folder)),
    "checked-memory": lambda _folder: CheckedStore(MemoryStore()),
    "failing-memory": lambda _folder: FailingStore(MemoryStore(), Faults()),
}
"""Every implementation and wrapper; a line here makes a store take the contract's tests."""


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    """A body that comes in these chunks."""
    for chunk in chunks:
        yield chunk


async def chunked(content: bytes, size: int) -> AsyncIterator[bytes]:
    """A body that comes in chunks of `size` bytes."""
    for offset in range(0, len(content), size):
        yield content[offset : offset + size]


async def read(store: Get, key: str, start: int = 0, stop: int | None = None) -> bytes:
    """All bytes of a range."""
    async with aclosing(store.get(key, start, stop)) as blocks:
        return b"".join([block async for block in blocks])


async def listed(store: List, prefix: str = "", after: str = "") -> list[Stat]:
    """Everything that a listing gives."""
    return [blob async for blob in store.list(prefix, after)]


async def listed_keys(store: List, prefix: str = "", after: str = "") -> list[str]:
    """The keys that a listing gives."""
    return [blob.key for blob in await listed(store, prefix, after)]
