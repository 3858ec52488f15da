"""The tool of the drills does what its plan says."""

import asyncio
from contextlib import aclosing, suppress

import pytest
from tests.support.stores import BUCKET, KEY, body, listed, listed_keys, read

from cella.errors import StoreFull, StoreUnavailable
from cella.store.contract import BLOCK, Store
from cella.store.failing import FailingStore, Faults, Mode, each_step
from cella.store.memory import MemoryStore

COPY = f"{BUCKET}/_/copy"


def full() -> StoreFull:
    return StoreFull("full, as the drill wants it")


async def flow(store: Store) -> None:
    """Something with many steps."""
    await store.put(KEY, body(b"a", b"b"))
    await store.head(KEY)
    await read(store, KEY)
    await store.copy(KEY, COPY)
    await listed(store)
    await store.delete(KEY)


STEPS = [
    *("put", "put.block", "put.block", "head", "get", "get.block"),
    *("copy", "list", "list.blob", "list.blob", "delete"),
]


async def test_steps_are_counted_by_name() -> None:
    faults = Faults()
    await flow(FailingStore(MemoryStore(), faults))
    assert faults.steps == STEPS
    assert faults.calls == len(STEPS)
    assert not faults.fired


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_each_step_fails_once_and_the_last_run_gets_through(mode: Mode) -> None:
    broke_at: list[str] = []
    runs = 0
    for faults in each_step(mode=mode):
        runs += 1
        try:
            await flow(FailingStore(MemoryStore(), faults))
        except StoreUnavailable:
            broke_at.append(faults.steps[-1])
    assert runs == len(STEPS) + 1
    if mode == "before":
        assert broke_at == STEPS
    else:
        assert len(broke_at) == len(STEPS)


@pytest.mark.parametrize(("mode", "stored"), [("before", []), ("after", [KEY])])
async def test_before_has_no_effect_and_after_has(mode: Mode, stored: list[str]) -> None:
    inner = MemoryStore()
    store = FailingStore(inner, Faults(1, only="put", mode=mode))
    with pytest.raises(StoreUnavailable):
        await store.put(KEY, body(b"x"))
    assert await listed_keys(inner) == stored


async def test_a_store_gets_full_in_the_middle_of_a_body() -> None:
    inner = MemoryStore()
    faults = Faults(2, only="put.block", error=full)
    with pytest.raises(StoreFull):
        await FailingStore(inner, faults).put(KEY, body(b"a", b"b", b"c"))
    assert faults.steps == ["put", "put.block", "put.block"]
    assert await listed(inner) == []


async def test_a_fault_passes_unless_it_is_lasting() -> None:
    store = FailingStore(MemoryStore(), Faults(1))
    with pytest.raises(StoreUnavailable):
        await store.delete(KEY)
    assert not await store.delete(KEY)
    down = FailingStore(MemoryStore(), Faults(2, lasting=True))
    assert not await down.delete(KEY)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await down.delete(KEY)


async def test_reading_breaks_off_after_a_block() -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(b"x" * (3 * BLOCK)))
    store = FailingStore(inner, Faults(2, only="get.block"))
    async with aclosing(store.get(KEY)) as blocks:
        assert await anext(blocks) == b"x" * BLOCK
        with pytest.raises(StoreUnavailable):
            await anext(blocks)


async def test_lies_are_off_by_one() -> None:
    inner = MemoryStore()
    await inner.put(KEY, body(b"four"))
    store = FailingStore(inner, Faults(1, lasting=True, mode="lie"))
    assert (await store.head(KEY)).length == 5
    assert (await store.copy(KEY, COPY)).length == 5
    assert [blob.length for blob in await listed(store)] == [5, 5]
    assert await read(store, KEY) == b"fou"
    assert (await store.put(KEY, body(b"a"), replace=True)).length == 2
    assert await read(inner, KEY) == b"a"


async def test_a_stalled_step_goes_on_when_released() -> None:
    inner = MemoryStore()
    faults = Faults(1, only="put", mode="stall")
    putting = asyncio.create_task(FailingStore(inner, faults).put(KEY, body(b"x")))
    await faults.stalled.wait()
    assert await listed(inner) == []
    assert not putting.done()
    faults.release()
    assert (await putting).length == 1
    assert await read(inner, KEY) == b"x"


async def test_a_stalled_step_can_be_cancelled() -> None:
    faults = Faults(1, mode="stall")
    deleting = asyncio.create_task(FailingStore(MemoryStore(), faults).delete(KEY))
    await faults.stalled.wait()
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting


async def test_other_things_can_share_the_plan() -> None:
    faults = Faults(2, error=OSError)
    store = FailingStore(MemoryStore(), faults)
    await store.delete(KEY)
    with pytest.raises(OSError):  # noqa: PT011 - it is what the plan says
        async with faults.step("commit"):
            raise AssertionError("a step that fails before is not taken")
    with suppress(OSError):
        await store.delete(KEY)
    assert faults.steps == ["delete", "commit", "delete"]
