"""A store that lies about lengths is found out; one that tells the truth never is."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.stores import KEY, body, listed, read

from cella.errors import BlobMissing, Corrupt, StoreUnavailable
from cella.store.checked import CheckedStore, verify
from cella.store.contract import BLOCK
from cella.store.disk import DiskStore
from cella.store.failing import FailingStore, Faults
from cella.store.memory import MemoryStore

CONTENT = b"some bytes" * 300_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def test_a_put_that_claims_another_length_is_corrupt_and_leaves_nothing() -> None:
    inner = MemoryStore()
    store = CheckedStore(FailingStore(inner, Faults(1, only="put", mode="lie")))
    with pytest.raises(Corrupt, match="given 3 bytes and says that it has stored 4"):
        await store.put(KEY, body(b"abc"))
    assert await listed(inner) == []


async def test_a_corrupt_put_is_told_even_if_the_blob_cannot_be_removed() -> None:
    class Stubborn(MemoryStore):
        async def delete(self, key: str) -> bool:
            raise StoreUnavailable("no")

    lying = FailingStore(Stubborn(), Faults(1, only="put", mode="lie"))
    with pytest.raises(Corrupt):
        await CheckedStore(lying).put(KEY, body(b"abc"))


async def test_a_blob_that_reads_short_is_corrupt() -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(CONTENT))
    store = CheckedStore(FailingStore(inner, Faults(2, only="get.block", mode="lie")))
    with pytest.raises(Corrupt, match=f"{len(CONTENT) - 1} bytes"):
        await read(store, KEY)


async def test_a_file_that_lost_bytes_while_it_is_read_is_corrupt(tmp_path: Path) -> None:
    disk = DiskStore(tmp_path)
    await disk.open()
    await disk.put(KEY, body(CONTENT))
    store = CheckedStore(FailingStore(disk, Faults(1, only="head", mode="lie", lasting=True)))
    with pytest.raises(Corrupt):
        await read(store, KEY)
    await disk.close()


async def test_a_range_is_not_compared_with_the_whole() -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(CONTENT))
    faults = Faults()
    assert await read(CheckedStore(FailingStore(inner, faults)), KEY, 2, 9) == CONTENT[2:9]
    assert "head" not in faults.steps


class Switching(MemoryStore):
    """Replaces the blob, or deletes it, once someone has looked at it."""

    def __init__(self, becomes: bytes | None) -> None:
        super().__init__()
        self._becomes = becomes

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(super().get(key, start, stop)) as blocks:
            async for block in blocks:
                yield block[:-1]
        if self._becomes is None:
            await self.delete(key)
        else:
            await self.put(key, body(self._becomes), replace=True)


@pytest.mark.parametrize("becomes", [b"something else", None])
async def test_a_blob_that_changed_meanwhile_is_not_accused(becomes: bytes | None) -> None:
    inner = Switching(becomes)
    await inner.put(KEY, body(b"abcd"))
    assert await read(CheckedStore(inner), KEY) == b"abc"


async def test_a_whole_blob_verifies() -> None:
    store = MemoryStore()
    await store.put(KEY, body(CONTENT))
    await verify(store, KEY, len(CONTENT), SHA256)


@pytest.mark.parametrize(
    "found",
    [
        b"",
        CONTENT[:-1],
        CONTENT + b"x",
        b"S" + CONTENT[1:],
        CONTENT[:-1] + b"S",
        CONTENT[: BLOCK + 1] + b"!" + CONTENT[BLOCK + 2 :],
    ],
)
async def test_a_changed_blob_does_not_verify(found: bytes) -> None:
    store = MemoryStore()
    await store.put(KEY, body(found))
    with pytest.raises(Corrupt, match=KEY):
        await verify(store, KEY, len(CONTENT), SHA256)


async def test_a_missing_blob_does_not_verify() -> None:
    with pytest.raises(BlobMissing):
        await verify(MemoryStore(), KEY, len(CONTENT), SHA256)
