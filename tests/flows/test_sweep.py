"""Sweep: what is found, what is touched, and above all what is not.

Each test runs on a disk with SQLite and in memory with PostgreSQL.
"""

import asyncio
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.support.stock import DAY, HOUR, START, Meddling, Stock, furnished, stock

from cella.catalog import files as catalog_files
from cella.catalog import quarantine, uploads
from cella.errors import StoreUnavailable, SweepRefused
from cella.flows.sweep import Survey, Swept
from cella.ids import new_blob_root, new_id
from cella.model import Piece, Upload
from cella.store.failing import FailingStore, Faults, each_step

WEEK = 7 * DAY


__all__ = ["furnished", "stock"]


async def look(stock: Stock, backend: str = "local") -> Swept:
    """Only look."""
    async with stock.sweep().survey(backend) as survey:
        return survey.report


async def act(stock: Stock, backend: str = "local", **wanted: bool | float) -> Swept:
    """Look, and do what is wanted."""
    sweep = stock.sweep()
    async with sweep.survey(backend) as survey:
        await sweep.act(survey, **wanted)  # type: ignore[arg-type]
        return survey.report


def found(report: Swept) -> set[tuple[str, str]]:
    """What was found, and where."""
    return {(each.what, each.key) for each in report.findings}


def in_quarantine(stock: Stock) -> set[str]:
    """The keys that are in quarantine."""
    page = stock.db.read_now(lambda tx: quarantine.page(tx, "local", after="", most=1000))
    return {suspect.key for suspect in page}


# Looking


async def test_nothing_is_wrong_where_all_agrees(stock: Stock) -> None:
    (deleted,) = await stock.add()
    stock.change(deleted, deleted=int(stock.clock.now()))

    report = await look(stock)

    assert (report.rows, report.blobs, report.findings) == (26, 26, [])
    assert not report.is_wrong
    assert report.doubt == ""
    assert await stock.sweep().last("local") == report


async def test_each_kind_of_disagreement_is_found_and_nothing_is_changed(stock: Stock) -> None:
    lost, cut, preview, *_ = await stock.add(5)
    gone = stock.key(lost.file_path or "")
    await stock.store.delete(gone)
    short = await stock.put(stock.key(cut.file_path or ""), b"less")
    small = await stock.put(stock.keys_of(preview)[1], b"")
    stray = await stock.put(stock.key(f"{new_blob_root()}.png"), b"nobody knows")
    await stock.add()
    stock.clock.advance(2 * DAY)
    before = await stock.keys()

    report = await look(stock)

    assert found(report) == {
        ("missing", gone),
        ("differs", short),
        ("differs", small),
        ("stray", stray),
    }
    assert (report.missing, report.differing, report.strays, report.loose) == (1, 2, 1, 1)
    (missing,) = (each for each in report.findings if each.what == "missing")
    assert (missing.file_id, missing.project, missing.name) == (
        lost.id,
        stock.project.id,
        "still.png",
    )
    assert report.is_wrong
    assert await stock.keys() == before
    assert in_quarantine(stock) == set()


async def test_what_is_younger_than_a_day_is_no_stray(stock: Stock) -> None:
    await stock.stray()
    stock.clock.advance(22 * HOUR)
    await stock.add()
    assert (await look(stock)).young == 1
    assert not (await act(stock, quarantine=True)).is_wrong
    stock.clock.advance(2 * HOUR)
    report = await look(stock)
    assert (report.young, report.strays) == (0, 1)


async def test_a_store_whose_clock_is_ahead_loses_nothing(stock: Stock) -> None:
    stock.clock.advance(90 * DAY)
    await stock.stray()
    stock.clock.advance(-90 * DAY)
    report = await act(stock, quarantine=True, purge=True, grace=0)
    assert (report.young, report.noted, report.purged) == (1, 0, 0)


async def test_variations_of_a_file_that_is_being_processed_are_no_strays(stock: Stock) -> None:
    (file,) = await stock.add()
    root = (file.file_path or "").partition(".")[0]
    await stock.put(stock.key(f"{root}-h.jpg"), b"left by an attempt")
    await stock.put(stock.keys_of(file)[1], b"put anew, and its row is yet to come")
    stock.change(file, status="processing")
    stock.clock.advance(2 * DAY)

    report = await act(stock, quarantine=True)
    assert (report.busy, report.strays, report.differing) == (1, 0, 0)

    stock.change(file, status="complete")
    report = await look(stock)
    assert (report.busy, report.strays, report.differing) == (0, 1, 1)


async def pieces(stock: Stock, count: int) -> tuple[Upload, list[str]]:
    """An upload of which so many pieces have come, an hour after each other, and their keys."""
    now = int(stock.clock.now())
    upload = Upload(
        id=new_id(),
        created=now,
        user=stock.project.user,
        project=stock.project.id,
        filename="plate.exr",
        declared_type=None,
        length=1000,
        backend="local",
        expires=now + int(WEEK),
    )
    stock.db.write_now(lambda tx: uploads.add(tx, upload))
    keys = []
    for number in range(count):
        stock.clock.advance(HOUR)
        keys.append(await stock.put(stock.key(new_blob_root()), b"a part"))
        piece = Piece(keys[-1], number * 6, 6)
        stock.db.write_now(partial(uploads.add_piece, upload_id=upload.id, piece=piece))
    return upload, keys


async def test_pieces_of_an_upload_are_no_strays(stock: Stock) -> None:
    """However old they are, and however many follow the newest file; nor when it was ended."""
    upload, keys = await pieces(stock, 25)
    stock.clock.advance(2 * DAY)

    for state in ("receiving", "storing", "failed", "complete", "ended"):
        settled = msgspec.structs.replace(upload, state=state)
        stock.db.write_now(partial(uploads.settle, upload=settled))
        report = await act(stock, quarantine=True, purge=True, grace=0)
        assert (report.busy, report.strays, report.noted, report.doubt) == (25, 0, 0, "")
        assert not report.is_wrong
    assert set(keys) <= await stock.keys()


async def test_a_piece_that_nobody_knows_any_more_is_a_stray(stock: Stock) -> None:
    """As where its store was not configured when its upload was dropped."""
    _, (key,) = await pieces(stock, 1)
    await stock.add()
    stock.clock.advance(2 * DAY)
    stock.db.write_now(lambda tx: uploads.drop_pieces(tx, [key]))
    assert (await act(stock, quarantine=True)).noted == 1
    assert in_quarantine(stock) == {key}


async def test_what_has_become_a_piece_leaves_the_quarantine(stock: Stock) -> None:
    key = await lone_stray(stock)
    assert (await act(stock, quarantine=True)).noted == 1
    upload, _ = await pieces(stock, 0)
    stock.db.write_now(lambda tx: uploads.add_piece(tx, upload.id, Piece(key, 0, 12)))
    report = await act(stock, quarantine=True, purge=True, grace=0)
    assert (report.busy, report.released, report.purged) == (1, 1, 0)
    assert key in await stock.keys()


async def test_what_is_deleted_or_replaced_meanwhile_is_not_accused(stock: Stock) -> None:
    goes, changes, *_ = await stock.add(3)
    goes = stock.change(goes, deleted=1)
    gone = stock.keys_of(goes)
    replaced = await stock.put(stock.key(changes.file_path or ""), b"of another length")
    for key in gone:
        await stock.store.delete(key)

    async def meddle(key: str) -> None:
        if key in gone:
            stock.db.write_now(lambda tx: catalog_files.forget(tx, goes.id))
        elif key == replaced and stock.file(changes).length == 100:
            stock.change(changes, length=17)

    sweep = stock.sweep(local=Meddling(stock.store, meddle))  # type: ignore[arg-type]
    async with sweep.survey("local") as survey:
        assert survey.report.findings == []


async def test_a_store_that_does_not_answer_accuses_nobody(stock: Stock) -> None:
    (file,) = await stock.add()
    await stock.store.delete(stock.key(file.file_path or ""))
    for faults in (Faults(1, only="list.blob"), Faults(1, only="head")):
        sweep = stock.sweep(local=FailingStore(stock.store, faults))
        with pytest.raises(StoreUnavailable):
            async with sweep.survey("local"):
                pass
    assert await stock.sweep().last("local") is None


async def test_what_dead_processes_left_is_told_and_purged(tmp_path: Path, stock: Stock) -> None:
    folders = [stock.scratch._root / "dead"]
    if hasattr(stock.store, "unfinished"):
        folders.append(tmp_path / "local" / "blobs" / ".incoming" / "dead")
    for folder in folders:
        (folder / "work").mkdir(parents=True)
        (folder / "work" / "0").write_bytes(b"half of i")
        folder.with_suffix(".lock").touch()
    stock.scratch.open()

    report = await look(stock)

    assert {(each.what, each.length) for each in report.findings} == {("unfinished", 9)}
    assert report.unfinished == len(folders)
    assert not report.is_wrong

    report = await act(stock, purge=True)
    assert report.dropped == len(folders) - 1
    assert [each.exists() for each in folders] == [True, False][: len(folders)]
    stock.scratch.close()


# Quarantine and purge


async def lone_stray(stock: Stock) -> str:
    """A stray among others, old enough to be one."""
    (key,) = await stock.stray()
    await stock.add()
    stock.clock.advance(2 * DAY)
    return key


async def test_a_stray_goes_in_two_steps(stock: Stock) -> None:
    key = await lone_stray(stock)
    before = await stock.keys()

    noted = await act(stock, quarantine=True, purge=True)
    assert (noted.noted, noted.loose, noted.purged, noted.is_wrong) == (1, 0, 0, False)
    assert in_quarantine(stock) == {key}
    assert await stock.keys() == before
    assert (await look(stock)).loose == 0

    stock.clock.advance(WEEK - 1)
    assert (await act(stock, quarantine=True, purge=True)).purged == 0
    stock.clock.advance(1)
    assert (await act(stock, quarantine=True)).purged == 0
    assert await stock.keys() == before

    purged = await act(stock, purge=True)
    assert (purged.purged, purged.purged_bytes) == (1, len(b"nobody knows"))
    assert await stock.keys() == before - {key}
    assert in_quarantine(stock) == set()
    assert (await look(stock)).findings == []


async def test_purging_alone_notes_nothing_new(stock: Stock) -> None:
    await lone_stray(stock)
    report = await act(stock, purge=True, grace=0)
    assert (report.noted, report.purged, report.loose) == (0, 0, 1)
    assert report.is_wrong


async def test_a_row_that_comes_after_all_ends_the_quarantine(stock: Stock) -> None:
    (file,) = await stock.add(variations=0)
    stock.lose([file])
    await stock.add()
    stock.clock.advance(2 * DAY)
    assert (await act(stock, quarantine=True)).noted == 1
    stock.clock.advance(WEEK)
    stock.record([file])

    report = await act(stock, purge=True)

    assert (report.released, report.purged) == (1, 0)
    assert in_quarantine(stock) == set()
    assert not (await look(stock)).is_wrong


async def test_bytes_that_are_put_anew_begin_anew(stock: Stock) -> None:
    key = await lone_stray(stock)
    await act(stock, quarantine=True)
    stock.clock.advance(WEEK)
    await stock.put(key, b"nobody know5")
    await stock.add()
    stock.clock.advance(2 * DAY)

    assert (await act(stock, purge=True)).purged == 0
    stock.clock.advance(WEEK - 1)
    assert (await act(stock, purge=True)).purged == 0
    stock.clock.advance(2)
    assert (await act(stock, purge=True)).purged == 1


async def test_what_becomes_known_between_looking_and_purging_stays(stock: Stock) -> None:
    kept = await stock.add(3, variations=0)
    known, replaced, doomed = (stock.keys_of(file)[0] for file in kept)
    await stock.add()
    stock.clock.advance(2 * DAY)
    stock.lose(kept)
    await act(stock, quarantine=True, force=True)
    stock.clock.advance(WEEK)
    sweep = stock.sweep()
    async with sweep.survey("local") as survey:
        stock.record([kept[0]])
        await stock.put(replaced, b"something else")
        await sweep.act(survey, purge=True, force=True)

    assert survey.report.purged == 1
    assert {known, replaced} <= await stock.keys()
    assert doomed not in await stock.keys()


async def test_what_becomes_known_between_looking_and_noting_is_not_noted(stock: Stock) -> None:
    (file,) = await stock.add(variations=0)
    await stock.add()
    stock.lose([file])
    stock.clock.advance(2 * DAY)
    sweep = stock.sweep()
    async with sweep.survey("local") as survey:
        stock.record([file])
        await sweep.act(survey, quarantine=True)
    assert survey.report.noted == 0
    assert in_quarantine(stock) == set()


async def at_once(stock: Stock, **wanted: bool) -> None:
    """Three sweeps that have all looked before one of them acts."""
    surveys: list[Survey] = []

    async def one() -> None:
        sweep = stock.sweep()
        async with sweep.survey("local") as survey:
            surveys.append(survey)
            while len(surveys) < 3:
                await asyncio.sleep(0)
            await sweep.act(survey, **wanted)

    await asyncio.gather(one(), one(), one())


async def test_several_at_once_do_no_harm(stock: Stock) -> None:
    keys = {await lone_stray(stock) for _ in range(3)}
    before = await stock.keys()
    await at_once(stock, quarantine=True)
    assert in_quarantine(stock) == keys
    assert await stock.keys() == before

    stock.clock.advance(WEEK)
    await at_once(stock, quarantine=True, purge=True)
    assert await stock.keys() == before - keys
    # One that looked before another purged may note what is gone by then; the next one sees that.
    await act(stock, quarantine=True)
    assert in_quarantine(stock) == set()
    assert await stock.keys() == before - keys


async def test_whatever_breaks_off_nothing_known_is_lost(stock: Stock) -> None:
    key = await lone_stray(stock)
    known = await stock.keys() - {key}
    await act(stock, quarantine=True)
    stock.clock.advance(WEEK)
    for faults in each_step():
        sweep = stock.sweep(local=FailingStore(stock.store, faults))
        with suppress(StoreUnavailable):
            async with sweep.survey("local") as survey:
                await sweep.act(survey, quarantine=True, purge=True)
        assert await stock.keys() >= known
    assert await stock.keys() == known
    assert in_quarantine(stock) == set()


# Blobs that have moved


async def moved(stock: Stock) -> list[str]:
    """The keys of a file of which both stores have the bytes, and whose row names the other."""
    (file,) = await stock.add()
    for key in stock.keys_of(file):
        await stock.put(key, b"".join([block async for block in stock.store.get(key)]), "elsewhere")
    stock.change(file, backend="elsewhere")
    await stock.add()
    stock.clock.advance(2 * DAY)
    return stock.keys_of(file)


async def test_what_has_moved_to_another_store_is_found_in_the_old_one(stock: Stock) -> None:
    keys = set(await moved(stock))

    report = await look(stock)
    assert found(report) == {("copy", key) for key in keys}
    assert (report.copies, report.strays, report.doubt) == (2, 0, "")
    there = await look(stock, "elsewhere")
    assert (there.rows, there.blobs, there.findings) == (2, 2, [])

    await act(stock, quarantine=True)
    stock.clock.advance(WEEK)
    assert (await act(stock, purge=True)).purged == 2
    assert not keys & await stock.keys()
    assert await stock.keys("elsewhere") == keys


async def test_what_has_moved_is_no_sign_of_an_old_database(stock: Stock) -> None:
    for file in stock.files():
        for key in stock.keys_of(file):
            content = b"".join([block async for block in stock.store.get(key)])
            await stock.put(key, content, "elsewhere")
        stock.change(file, backend="elsewhere")
    report = await act(stock, quarantine=True)
    assert (report.copies, report.noted) == (24, 24)


async def test_the_only_copy_is_kept_even_by_force(stock: Stock) -> None:
    keys = await moved(stock)
    await act(stock, quarantine=True)
    stock.clock.advance(WEEK)
    await stock.stores["elsewhere"].delete(keys[0])
    await stock.put(keys[1], b"cut", "elsewhere")

    report = await act(stock, quarantine=True, purge=True, force=True)

    assert report.purged == 0
    assert set(keys) <= await stock.keys()
    assert (report.copies, report.strays) == (0, 2)


# A database that is older than its store


async def test_too_many_strays_are_not_touched(stock: Stock) -> None:
    for _ in range(11):
        await stock.stray()
        await stock.add(variations=0)
    stock.clock.advance(2 * DAY)
    before = await stock.keys()

    with pytest.raises(SweepRefused, match=r"11 of 46 blobs have no row, more than 10 %"):
        await act(stock, quarantine=True)
    assert in_quarantine(stock) == set()
    report = await act(stock, quarantine=True, force=True)
    assert report.noted == 11
    stock.clock.advance(WEEK)
    with pytest.raises(SweepRefused):
        await act(stock, purge=True)
    assert await stock.keys() == before

    sweep = stock.sweep()
    async with sweep.survey("local", most_share=25) as survey:
        await sweep.act(survey, purge=True)
    assert survey.report.purged == 11


async def test_a_few_strays_are_fine_in_a_small_store(stock: Stock) -> None:
    for _ in range(10):
        await stock.stray()
        await stock.add(variations=0)
    stock.clock.advance(2 * DAY)
    assert (await act(stock, quarantine=True)).noted == 10


@pytest.mark.parametrize("since", [0, 1, 3])
async def test_a_database_from_yesterday_is_refused(stock: Stock, since: int) -> None:
    """Two files of the last day before the restore are lost; some came after it, or none."""
    lost = await stock.add(2)
    kept = await stock.add(since)
    stock.clock.advance(2 * DAY)
    stock.lose(lost)
    before = await stock.keys()

    for wanted in ({"quarantine": True}, {"purge": True, "grace": 0.0}):
        with pytest.raises(SweepRefused, match="Is the database older than the store"):
            await act(stock, **wanted)
    assert await stock.keys() == before
    assert in_quarantine(stock) == set()
    report = await look(stock)
    assert report.strays == 4
    assert ("newer than all" in report.doubt) == (since == 0)
    assert ("follow one another" in report.doubt) == (len(kept) > 0)


async def test_one_original_that_is_the_newest_of_all_is_refused(stock: Stock) -> None:
    lost = await stock.add(1, variations=0)
    stock.clock.advance(2 * DAY)
    stock.lose(lost)
    with pytest.raises(SweepRefused, match="newer than all that have one: the newest is of 2026-"):
        await act(stock, quarantine=True)


async def test_an_empty_catalogue_is_no_reason_to_take_all(stock: Stock) -> None:
    stock.lose(stock.files()[1:])
    with pytest.raises(SweepRefused, match="more than 10 %"):
        await act(stock, quarantine=True)
    stock.lose(stock.files())
    sweep = stock.sweep()
    async with sweep.survey("local", most_share=100) as survey:
        with pytest.raises(SweepRefused, match="there are no others"):
            await sweep.act(survey, quarantine=True)


async def test_what_attempts_left_is_not_taken_for_lost_rows(stock: Stock) -> None:
    """Variations without a row may be the newest of all, and many in a row."""
    (file,) = await stock.add()
    stock.clock.advance(HOUR)
    root = (file.file_path or "").partition(".")[0]
    for size in "sbtmlh":
        await stock.put(stock.key(f"{root}-{size}.jpg"), b"left by an attempt")
    stock.clock.advance(2 * DAY)
    assert (await act(stock, quarantine=True)).noted == 6


async def test_the_clock_may_have_been_wrong_when_a_stray_was_noted(stock: Stock) -> None:
    key = await lone_stray(stock)
    stock.clock.advance(90 * DAY)
    await act(stock, quarantine=True)
    stock.clock.advance(-90 * DAY)
    await act(stock, quarantine=True, purge=True)
    stock.clock.advance(WEEK - 1)
    assert (await act(stock, purge=True)).purged == 0
    stock.clock.advance(1)
    assert (await act(stock, purge=True)).purged == 1
    assert key not in await stock.keys()


def test_the_clock_of_these_tests_is_in_the_past() -> None:
    """What a real disk dates by itself would be young."""
    assert time.time() > START
