"""What passes is tried again, so often and so long; what does not pass is not."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from tests.support.stores import BUCKET, KEY, body, listed_keys, read

from cella.errors import BlobExists, BlobMissing, StoreError, StoreRefused, StoreUnavailable
from cella.store.contract import BLOCK, Stat, Store
from cella.store.failing import FailingStore, Faults
from cella.store.memory import MemoryStore
from cella.store.retrying import Patience, RetryingStore, again

QUICK = Patience(tries=4, pause=0.0001)
COPY = f"{BUCKET}/_/copy"


def refused() -> StoreRefused:
    return StoreRefused("no")


async def verbs(store: Store) -> None:
    assert (await store.head(KEY)).length == 1
    assert await read(store, KEY) == b"x"
    assert await listed_keys(store) == [KEY]
    assert (await store.copy(KEY, COPY)).length == 1
    assert await store.delete(COPY)


@pytest.mark.parametrize(
    "only", ["head", "get", "get.block", "list", "list.blob", "copy", "delete"]
)
async def test_each_verb_is_tried_again(only: str) -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(b"x"))
    faults = Faults(1, only=only)
    await verbs(RetryingStore(FailingStore(inner, faults), QUICK))
    assert faults.fired


@pytest.mark.parametrize("only", ["head", "get", "list", "copy", "delete"])
async def test_each_verb_is_tried_so_often_and_no_more(only: str) -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(b"x"))
    faults = Faults(1, only=only, lasting=True)
    with pytest.raises(StoreUnavailable):
        await verbs(RetryingStore(FailingStore(inner, faults), QUICK))
    assert faults.steps.count(only) == QUICK.tries


@pytest.mark.parametrize("only", ["head", "get", "list", "copy", "delete"])
async def test_what_does_not_pass_is_not_tried_again(only: str) -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(b"x"))
    faults = Faults(1, only=only, error=refused)
    with pytest.raises(StoreRefused):
        await verbs(RetryingStore(FailingStore(inner, faults), QUICK))
    assert faults.steps.count(only) == 1


async def test_a_missing_blob_is_missing_at_once() -> None:
    faults = Faults()
    store = RetryingStore(FailingStore(MemoryStore(), faults), QUICK)
    with pytest.raises(BlobMissing):
        await store.head(KEY)
    with pytest.raises(BlobMissing):
        await read(store, KEY)
    assert faults.calls == 2


async def test_a_body_is_never_read_twice() -> None:
    faults = Faults(1, only="put")
    with pytest.raises(StoreUnavailable):
        await RetryingStore(FailingStore(MemoryStore(), faults), QUICK).put(KEY, body(b"x"))
    assert faults.steps == ["put"]


async def test_what_was_read_is_not_read_again() -> None:
    """Between two tries the blob may have become another one."""
    inner = MemoryStore()
    await inner.put(KEY, body(bytes(3 * BLOCK)))
    store = RetryingStore(FailingStore(inner, Faults(2, only="get.block")), QUICK)
    async with aclosing(store.get(KEY)) as blocks:
        assert len(await anext(blocks)) == BLOCK
        with pytest.raises(StoreUnavailable):
            await anext(blocks)


async def test_a_list_goes_on_after_what_it_gave_last() -> None:
    class Halting(MemoryStore):
        """Gives one blob, and fails."""

        async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
            given = 0
            async with aclosing(super().list(prefix, after)) as blobs:
                async for blob in blobs:
                    if given:
                        raise StoreUnavailable("no more")
                    given += 1
                    yield blob

    inner = Halting()
    keys = [f"{BUCKET}/_/{number:02}" for number in range(20)]
    for key in keys:
        await inner.put(key, body(b"x"))
    assert await listed_keys(RetryingStore(inner, QUICK)) == keys


async def test_a_copy_that_was_made_and_not_told_of_is_not_a_foreign_blob() -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(b"x"))
    store = RetryingStore(FailingStore(inner, Faults(1, only="copy", mode="after")), QUICK)
    with pytest.raises(StoreUnavailable):
        await store.copy(KEY, COPY)
    with pytest.raises(BlobExists):
        await store.copy(KEY, COPY)


async def test_a_pause_can_be_cancelled() -> None:
    faults = Faults(1, lasting=True)
    patient = Patience(pause=1000, longest=1000, seconds=10_000)
    heading = asyncio.create_task(
        RetryingStore(FailingStore(MemoryStore(), faults), patient).head(KEY)
    )
    while not faults.fired:
        await asyncio.sleep(0)
    heading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await heading


def test_pauses_grow_are_random_and_have_an_end() -> None:
    patience = Patience(tries=6, seconds=1000, pause=1.0, longest=4.0)
    first, second = list(patience.pauses()), list(patience.pauses())
    assert first != second
    for pause, most in zip(first, (1, 2, 4, 4, 4), strict=True):
        assert most / 2 <= pause <= most
    assert list(Patience(seconds=0.01, pause=1.0).pauses()) == []


def test_blocking_work_is_tried_again_until_it_is_given_up() -> None:
    tried: list[int] = []
    given_up = threading.Event()

    def work() -> None:
        tried.append(1)
        if len(tried) == 2:
            given_up.set()
        raise StoreUnavailable("no")

    with pytest.raises(StoreError):
        again(work, given_up, QUICK)
    assert len(tried) == 2
