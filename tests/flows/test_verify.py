"""Verify: what has rotted is found, nobody else is accused, and no run begins where none ended.

Each test runs on a disk with SQLite and in memory with PostgreSQL.
"""

import asyncio
import hashlib
from contextlib import suppress

import pytest
from tests.support.stock import (
    Meddling,
    Stock,
    content,
    furnished,
    stock,
    with_variations,
)

from cella.catalog import files as catalog_files
from cella.flows.verify import Verified
from cella.store.contract import Store
from cella.store.failing import FailingStore, Faults

__all__ = ["furnished", "stock"]

ALL = 24
BYTES = 12 * 150


async def rot(stock: Stock, key: str) -> str:
    """Flip one bit; the key."""
    was = bytearray(b"".join([block async for block in stock.store.get(key)]))
    was[len(was) // 2] ^= 1
    return await stock.put(key, bytes(was))


def found(report: Verified) -> set[tuple[str, str]]:
    """What was found, and where."""
    return {(each.what, each.key) for each in report.findings}


def keys_in_order(stock: Stock) -> list[str]:
    """The keys of all blobs that have a row."""
    return sorted(key for file in stock.files() for key in stock.keys_of(file))


class Watched(Meddling):
    """A store that tells which blobs are read, in the order in which that begins."""

    def __init__(self, inner: Store) -> None:
        self.read: list[str] = []
        self.most = self._now = 0
        super().__init__(inner, self._watch)

    async def _watch(self, key: str) -> None:
        self.read.append(key)
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        self._now -= 1


async def test_nothing_is_wrong_where_all_agrees(stock: Stock) -> None:
    told: list[int] = []
    report = await stock.verify().run("local", advance=told.append)
    assert (report.blobs, report.bytes, report.findings) == (ALL, BYTES, [])
    assert sum(told) == BYTES == await stock.verify().budget("local")
    assert not report.is_wrong
    assert await stock.verify().last("local") == report


async def test_each_kind_of_rot_is_found(stock: Stock) -> None:
    keys = keys_in_order(stock)
    flipped = {await rot(stock, keys[0]), await rot(stock, keys[9])}
    cut = {await stock.put(keys[1], b"short"), await stock.put(keys[5], b""), keys[7]}
    await stock.put(keys[7], content(keys[7], 1000))
    missing = {keys[3], keys[23]}
    for key in missing:
        await stock.store.delete(key)

    report = await stock.verify().run("local")

    assert found(report) == (
        {("changed", key) for key in flipped}
        | {("cut", key) for key in cut}
        | {("missing", key) for key in missing}
    )
    assert (report.changed, report.cut, report.missing) == (2, 3, 2)
    assert report.is_wrong
    for each in report.findings:
        assert each.key in stock.keys_of(
            next(file for file in stock.files() if file.id == each.file_id)
        )
        assert (each.project, each.name) == (stock.project.id, "still.png")


async def test_runs_go_on_where_the_last_one_ended_and_begin_anew_at_the_end(
    stock: Stock,
) -> None:
    watched = Watched(stock.store)
    verify = stock.verify(1, local=watched)  # type: ignore[arg-type]
    keys = keys_in_order(stock)
    wrapped = []
    while len(watched.read) < 2 * ALL:
        report = await verify.run("local", most=400)
        assert 400 <= report.bytes < 500
        wrapped.append(report.wrapped)
    assert watched.read[: 2 * ALL] == keys + keys
    assert any(wrapped[1:])
    assert not wrapped[0]

    watched.read.clear()
    report = await verify.run("local", share=25, restart=True)
    assert BYTES // 4 <= report.bytes < BYTES // 4 + 100
    assert watched.read == keys[: len(watched.read)]
    assert not report.wrapped


async def test_a_whole_run_reads_each_blob_once_from_wherever_it_begins(stock: Stock) -> None:
    watched = Watched(stock.store)
    verify = stock.verify(3, local=watched)  # type: ignore[arg-type]
    await verify.run("local", most=500)
    begun = len(watched.read)
    report = await verify.run("local")
    keys = keys_in_order(stock)
    assert watched.read[begun:] == keys[begun:] + keys[:begun]
    assert (report.blobs, report.wrapped) == (ALL, True)
    assert 1 < watched.most <= 3


async def test_an_interrupted_run_is_gone_on_with(stock: Stock) -> None:
    keys = keys_in_order(stock)
    faults = Faults(10, only="get", mode="stall")
    run = asyncio.create_task(stock.verify(2, local=FailingStore(stock.store, faults)).run("local"))
    await faults.stalled.wait()
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    assert run.cancelled()
    assert await stock.verify().last("local") is None

    watched = Watched(stock.store)
    await stock.verify(1, local=watched).run("local", most=1)  # type: ignore[arg-type]
    assert watched.read[0] in keys[6:10]


async def test_a_store_that_is_silent_is_not_corrupt(stock: Stock) -> None:
    """One blob that cannot be read is told and passed; a store that is away ends the run."""
    once = Faults(3, only="get")
    report = await stock.verify(1, local=FailingStore(stock.store, once)).run("local")
    assert (report.blobs, report.unread, report.changed, report.stopped) == (ALL, 1, 0, "")
    assert report.is_wrong

    away = Faults(3, only="get", lasting=True)
    report = await stock.verify(1, local=FailingStore(stock.store, away)).run("local", restart=True)
    assert report.stopped == "The store does not answer."
    assert {each.what for each in report.findings} == {"unread"}
    assert report.blobs < ALL

    watched = Watched(stock.store)
    await stock.verify(1, local=watched).run("local", most=1)  # type: ignore[arg-type]
    assert watched.read == [keys_in_order(stock)[2]]


async def test_a_reading_that_went_wrong_once_accuses_nobody(stock: Stock) -> None:
    for number in range(1, 4):
        faults = Faults(number, only="get.block", mode="lie")
        report = await stock.verify(1, local=FailingStore(stock.store, faults)).run("local")
        assert faults.fired
        assert report.findings == []


async def test_what_is_replaced_or_deleted_meanwhile_is_not_accused(stock: Stock) -> None:
    replaced, forgotten, busy, moved = stock.files()[:4]
    forgotten = stock.change(forgotten, deleted=1)

    async def meddle(key: str) -> None:
        if key == stock.keys_of(replaced)[1] and stock.file(replaced).variations[0].length == 50:
            await stock.put(key, b"anew")
            fields = {"length": 4, "sha256": hashlib.sha256(b"anew").hexdigest()}
            stock.change(replaced, variations=with_variations(replaced, **fields).variations)
        if key in stock.keys_of(forgotten):
            stock.db.write_now(lambda tx: catalog_files.forget(tx, forgotten.id))
            for each in stock.keys_of(forgotten):
                await stock.store.delete(each)
        if key == stock.keys_of(busy)[1]:
            await stock.put(key, b"its row is yet to come")
            stock.change(busy, status="processing")
        if key in stock.keys_of(moved):
            stock.change(moved, backend="elsewhere")
            await stock.store.delete(key)

    verify = stock.verify(local=Meddling(stock.store, meddle))  # type: ignore[arg-type]
    report = await verify.run("local")
    assert report.findings == []
    assert report.unsure >= 4
    assert not report.is_wrong


async def test_digests_that_nobody_knew_are_filled_in(stock: Stock) -> None:
    old = stock.files()[0]
    bare = stock.change(old, sha256=None, variations=with_variations(old, sha256=None).variations)

    report = await stock.verify().run("local")

    assert (report.filled, report.findings) == (2, [])
    filled = stock.file(bare)
    assert (filled.sha256, filled.variations) == (old.sha256, old.variations)
    assert filled.etag != bare.etag
    assert (await stock.verify().run("local")).filled == 0


@pytest.mark.parametrize("is_right", [True, False])
async def test_an_md5_counts_where_there_is_nothing_better(stock: Stock, is_right: bool) -> None:
    file = stock.files()[0]
    md5 = hashlib.md5(content(file.file_path or "", 100) if is_right else b"").hexdigest()
    stock.change(file, sha256=None, md5=md5)
    report = await stock.verify().run("local")
    assert report.filled == is_right
    assert found(report) == (set() if is_right else {("changed", stock.keys_of(file)[0])})


async def test_a_length_is_all_that_some_documents_tell(stock: Stock) -> None:
    file = stock.change(stock.files()[0], sha256=None)
    (key, *_) = stock.keys_of(file)
    await stock.put(key, b"cut")
    report = await stock.verify().run("local")
    assert (report.filled, found(report)) == (0, {("cut", key)})


async def test_an_empty_store_is_no_trouble(stock: Stock) -> None:
    for _ in range(2):
        report = await stock.verify().run("elsewhere", share=10)
        assert (report.blobs, report.is_wrong, report.wrapped) == (0, False, False)
