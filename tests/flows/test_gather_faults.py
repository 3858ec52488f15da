"""Uploads in pieces, with each of their steps failing in turn, and with others in the way.

The invariants are those of `Hall.check`: every byte that was acknowledged stays, no file is half
there, the totals are true. When all has ended and expired, stores hold what files have and no more.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
import sqlalchemy as sa
from tests.flows.hall import BODY, DAY, LEASE, PIECE, START, Hall, broken, catalogue, hall
from tests.support.stores import chunked

from cella.access.rules import AccessConfig
from cella.catalog import uploads
from cella.errors import (
    BadRequest,
    CellaError,
    Conflict,
    Forbidden,
    NotFound,
    StoreFull,
    StoreUnavailable,
    TooLarge,
    TooManyRequests,
)
from cella.flows.config import FlowsConfig
from cella.jobs import queue
from cella.model import Upload
from cella.store.checked import CheckedStore
from cella.store.failing import FailingStore, Faults, Mode
from cella.store.memory import MemoryStore

__all__ = ["catalogue", "hall"]

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
SHORT = BODY[:900]


async def resumed(hall: Hall, upload: Upload) -> None:
    """Go on after a fault, with everything in order, until the file is there."""
    present = hall.now(upload)
    if present.state == "receiving":
        await hall.send(present)
    await hall.work_off()
    done = hall.now(upload)
    assert (done.state, done.received) == ("complete", len(BODY))
    assert done.file in await hall.check()


async def tried(hall: Hall, faults: Faults) -> tuple[Upload | None, int]:
    """One upload over two connections, until something goes wrong.

    What is known of it then, and how many bytes were acknowledged.
    """
    upload, acknowledged = None, 0
    with contextlib.suppress(StoreUnavailable):
        gather = hall.gather(faults)
        upload = await hall.begin(gather)
        acknowledged = (await hall.send(upload, gather, stop=1700)).received
        upload = await gather.look(hall.actor, hall.project, upload.id)
        acknowledged = (await hall.send(upload, gather)).received
        await hall.work_off(faults)
    return upload, acknowledged


async def held(hall: Hall, upload: Upload | None, acknowledged: int) -> None:
    """Start anew, hold the invariants, and bring what was begun to its end."""
    await hall.restart()
    await hall.check()
    assert hall.leftovers() == []
    if upload is not None:
        assert hall.now(upload).received >= acknowledged
        await resumed(hall, upload)


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_one_step_fails(hall: Hall, mode: Mode) -> None:
    """What has come stays, and the client and the worker go on from there."""
    for faults in hall.each_step(mode):
        upload, acknowledged = await tried(hall, faults)
        await held(hall, upload, acknowledged)
        assert len(await hall.check_nothing_is_left()) == (upload is not None)
        await hall.clear()
    assert {"read", "intend", "put", "write", "settle", "get", "delete"} <= set(faults.steps)


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_everything_fails_from_one_step_on(hall: Hall, mode: Mode) -> None:
    """The service cannot even clean up; the next start does."""
    number, stride = 0, 3 if hall.db.is_sqlite else 9
    while True:
        number += stride
        faults = Faults(number, mode=mode, lasting=True)
        await held(hall, *await tried(hall, faults))
        await hall.check_nothing_is_left()
        await hall.clear()
        if not faults.fired:
            return


async def stalled(faults: Faults, work: Awaitable[object]) -> "asyncio.Future[object]":
    """Begin with `work`, until it hangs at its fault or has ended."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(faults.stalled.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return task


async def test_cancelled_at_any_step(hall: Hall) -> None:
    """A server that stops takes no byte along that it has acknowledged."""
    for faults in hall.each_step("stall"):
        task = await stalled(faults, tried(hall, faults))
        task.cancel()
        faults.release()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await hall.restart()
        await hall.check()
        assert hall.leftovers() == []
        hall.clock.advance(60)
        await hall.work_off()
        for upload, _ in hall.facts().uploads.values():
            await resumed(hall, upload)
        await hall.check_nothing_is_left()
        await hall.clear()


# Others in the way


async def ended(hall: Hall, upload: Upload) -> None:
    """Its uploader ends it, and a worker drops it."""
    await hall.end(upload)
    await hall.work_off()


async def expired(hall: Hall, upload: Upload) -> None:
    """It is left for so long that the periodic job drops it."""
    hall.clock.advance(8 * DAY)
    await hall.drop_expired()


@pytest.mark.parametrize("goes", [ended, expired])
async def test_it_goes_at_any_step_of_a_request(
    hall: Hall, goes: Callable[[Hall, Upload], Awaitable[None]]
) -> None:
    """The request is told, and what it had in hand goes too."""
    refused = 0
    for faults in hall.each_step("stall"):
        upload = await hall.begun(1200)
        task = await stalled(faults, hall.send(upload, hall.gather(faults), stop=2500))
        if not task.done():
            await goes(hall, upload)
            assert await hall.check() == set()
        faults.release()
        try:
            await task
        except (Conflict, NotFound):
            refused += 1
        await hall.restart()
        assert await hall.check() == set()
        assert hall.leftovers() == []
        await hall.clear()
    assert refused > 0


async def only_ended(hall: Hall, upload: Upload) -> None:
    """Its uploader ends it, and no worker has seen that yet."""
    await hall.end(upload)


@pytest.mark.parametrize("goes", [ended, only_ended])
async def test_it_is_ended_at_any_step_of_joining(
    hall: Hall, goes: Callable[[Hall, Upload], Awaitable[None]]
) -> None:
    """Either the file is there or nothing is, and whoever ends it is told which."""
    outcomes = set()
    for faults in hall.each_step("stall"):
        upload = await hall.begun(len(BODY))
        job = hall.claim()
        assert job is not None
        task = await stalled(faults, hall.work(job, hall.join(faults)))
        outcome = "file"
        with contextlib.suppress(Conflict):
            await goes(hall, upload)
            outcome = "nothing"
        faults.release()
        with contextlib.suppress(CellaError):
            await task
        await hall.work_off()
        outcomes.add(outcome)
        assert len(await hall.check()) == (outcome == "file")
        assert hall.leftovers() == []
        await hall.clear()
    assert outcomes == {"file", "nothing"}


@pytest.mark.parametrize("stop", [1700, len(BODY)])
async def test_it_is_gone_on_with_a_moment_before_it_is_dropped(hall: Hall, stop: int) -> None:
    """Who was going on with it when its time was over has the better right."""
    upload = await hall.begin()
    slow = Faults(1, only="put", mode="stall")
    sent = await stalled(slow, hall.send(upload, hall.gather(slow), stop=stop))
    hall.clock.advance(8 * DAY)
    late = Faults(1, only="write", mode="stall")
    dropped = await stalled(late, hall.drop_expired(late))
    slow.release()
    await sent
    if stop == len(BODY):
        hall.clock.advance(8 * DAY)
    late.release()
    await dropped
    await hall.check()
    await resumed(hall, upload)


async def test_who_waits_for_the_file_of_an_upload_is_told_that_it_was_ended(hall: Hall) -> None:
    hall.config = FlowsConfig(upload_wait=60.0)
    upload = await hall.begin()
    waits = asyncio.ensure_future(hall.send(upload))
    while upload.id not in hall.bell.topics:
        await asyncio.sleep(0)
    await hall.end(upload)
    hall.bell.ring(upload.id)
    with pytest.raises(NotFound):
        await waits


async def test_cancelled_while_a_commit_is_under_way(hall: Hall) -> None:
    """A commit that cannot be stopped any more is not taken for one that failed."""
    for statement in ("INSERT INTO pieces", "INSERT INTO files"):
        upload = await hall.begun(800) if "pieces" in statement else await hall.begun(len(BODY))
        writing, go_on = threading.Event(), threading.Event()

        def hold(
            _c: object,
            _cursor: object,
            text: str,
            *_rest: object,
            wanted: str = statement,
            begun: threading.Event = writing,
            waits: threading.Event = go_on,
        ) -> None:
            if text.startswith(wanted):
                begun.set()
                waits.wait(30)

        sa.event.listen(hall.db.engine, "before_cursor_execute", hold)
        job = hall.claim()
        work = hall.send(upload) if job is None else hall.work(job, hall.join())
        task: asyncio.Future[object] = asyncio.ensure_future(work)
        await asyncio.to_thread(writing.wait, 30)
        task.cancel()
        # Time for whoever would look now whether the row is there.
        for _ in range(5):
            await hall.db.read(queue.counts)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        # It waits for the transaction that was under way.
        await hall.db.write(partial(uploads.get, upload_id=upload.id, for_change=True))
        sa.event.remove(hall.db.engine, "before_cursor_execute", hold)
        await hall.check()
        assert hall.leftovers() == []
        hall.clock.advance(LEASE)
        await resumed(hall, upload)
        await hall.clear()


async def test_what_is_being_joined_does_not_expire(hall: Hall) -> None:
    upload = await hall.begun(len(BODY))
    hall.clock.advance(30 * DAY)
    await hall.drop_expired()
    looked = await hall.gather().look(hall.actor, hall.project, upload.id)
    assert looked.state == "storing"
    await hall.work_off()
    assert len(await hall.check()) == 1


async def test_two_go_on_at_once(hall: Hall) -> None:
    """Of the same bytes one request's are taken; nobody loses what came before."""
    refused = 0
    for faults in hall.each_step("stall"):
        upload = await hall.begun(800)
        slow = await stalled(faults, hall.send(upload, hall.gather(faults)))
        with contextlib.suppress(Conflict):
            await hall.send(upload, stop=2000)
        faults.release()
        try:
            await slow
        except Conflict:
            refused += 1
        await hall.check()
        await resumed(hall, upload)
        assert hall.leftovers() == []
        assert len(await hall.check_nothing_is_left()) == 1
        await hall.clear()
    assert refused > 0


async def test_many_send_the_same_at_once(hall: Hall) -> None:
    upload = await hall.begin()
    gather = hall.gather()
    sent = [hall.send(upload, gather) for _ in range(6)]
    answers = await asyncio.gather(*sent, return_exceptions=True)
    assert sum(isinstance(answer, Upload) for answer in answers) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 5
    await hall.check()
    await resumed(hall, upload)
    assert len(await hall.check_nothing_is_left()) == 1


async def test_those_who_begin_at_once_stay_below_their_number(hall: Hall) -> None:
    hall.config = FlowsConfig(upload_wait=0.0, uploads_unfinished=3)
    begun = [hall.begin() for _ in range(6)]
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert sum(isinstance(answer, Upload) for answer in answers) == 3
    assert sum(isinstance(answer, TooManyRequests) for answer in answers) == 3
    ended, *_ = [each for each in answers if isinstance(each, Upload)]
    await hall.end(ended)
    await hall.begin()


# Bodies


class CutError(Exception):
    """The connection broke off."""


@pytest.mark.parametrize("after", [0, 1, PIECE, 1500, 2000])
async def test_the_body_breaks_off(hall: Hall, after: int) -> None:
    """What has come of it stays, and the error comes out unchanged."""
    upload = await hall.begin()
    body = broken(BODY[:after], CutError)
    with pytest.raises(CutError):
        await hall.gather().append(hall.actor, hall.project, upload.id, 0, None, body)
    present = hall.now(upload)
    assert present.received == after
    await hall.check()
    await resumed(hall, present)


async def test_a_body_that_is_longer_than_the_file(hall: Hall) -> None:
    upload = await hall.begun(1700)
    gather = hall.gather()
    with pytest.raises(BadRequest, match="would be more"):
        await gather.append(hall.actor, hall.project, upload.id, 1700, 901, chunked(BODY, 100))
    with pytest.raises(BadRequest, match="would be more"):
        await gather.append(
            hall.actor, hall.project, upload.id, 1700, None, chunked(BODY[1700:2400] + BODY, 700)
        )
    assert (await gather.look(hall.actor, hall.project, upload.id)).received == 2400
    with pytest.raises(Conflict, match="2400 bytes"):
        await hall.send(upload)
    await hall.check()


async def test_a_file_of_one_piece_is_there_with_it(hall: Hall) -> None:
    """No job has to do anything, and the piece is the file's blob."""
    done = await hall.send(await hall.begin(body=SHORT), body=SHORT)
    assert (done.state, done.received) == ("complete", 900)
    assert hall.facts().jobs == []
    assert await hall.check() == {done.file}
    with pytest.raises(Conflict, match=str(done.file)):
        await hall.end(done)
    hall.clock.advance(DAY)
    with pytest.raises(NotFound):
        await hall.gather().look(hall.actor, hall.project, done.id)
    assert await hall.check_nothing_is_left() == {done.file}


async def test_a_file_without_bytes(hall: Hall) -> None:
    upload = await hall.begin(body=b"")
    assert upload.state == "storing"
    await hall.work_off()
    (file,) = hall.facts().files
    assert (file.length, {file.id}) == (0, await hall.check_nothing_is_left())


@pytest.mark.parametrize("first", [4, 8, 107])
async def test_the_type_is_told_by_bytes_that_come_late(hall: Hall, first: int) -> None:
    """A head that is cut off says nothing, and is kept all the same."""
    upload = await hall.begin(body=PNG + BODY, filename="plate")
    upload = await hall.send(upload, body=PNG, stop=first)
    assert upload.received == first
    await hall.send(upload, body=PNG + BODY)
    await hall.work_off()
    (file,) = hall.facts().files
    assert file.content_type == "image/png"


async def test_a_type_that_nothing_tells_is_refused_before_any_byte(hall: Hall) -> None:
    with pytest.raises(BadRequest, match="content type"):
        await hall.begin(filename="plate", declared_type=None)
    assert hall.facts().uploads == {}


async def test_the_store_is_full(hall: Hall) -> None:
    """It is told as such, and pieces that were there stay."""
    upload = await hall.begun(800)
    full = Faults(2, only="put.block", error=lambda: StoreFull("The store is full."))
    with pytest.raises(StoreFull):
        await hall.send(upload, hall.gather(full))
    await hall.check()
    assert hall.leftovers() == []
    present = hall.now(upload)
    assert present.received == 1800
    await resumed(hall, present)


async def test_the_store_lies_about_the_length(hall: Hall) -> None:
    upload = await hall.begun(800)
    honest = hall.stores["local"]
    hall.stores["local"] = CheckedStore(FailingStore(honest, Faults(1, only="put", mode="lie")))
    with pytest.raises(CellaError, match="1001"):
        await hall.send(upload)
    hall.stores["local"] = honest
    await hall.check()
    await resumed(hall, upload)


# Rights that are lost


async def no_project(hall: Hall) -> None:
    hall.change("UPDATE projects SET deleted = 1")


async def no_account(hall: Hall) -> None:
    hall.change("UPDATE users SET disabled = TRUE")


async def no_grant(hall: Hall) -> None:
    hall.change("""UPDATE projects SET permissions = '{"world":["GET"]}'""")


async def no_role(hall: Hall) -> None:
    hall.access = AccessConfig(filesize_limit_bytes_nonsubs=len(BODY))


LOSSES = [no_project, no_account, no_grant, no_role]
REFUSED = (Forbidden, NotFound, TooLarge)


@pytest.mark.parametrize("lose", LOSSES)
async def test_rights_are_lost_while_bytes_come(
    hall: Hall, lose: Callable[[Hall], Awaitable[None]]
) -> None:
    """What has come stays; no more is taken."""
    upload = await hall.begin()

    async def body() -> AsyncIterator[bytes]:
        yield BODY[:PIECE]
        yield BODY[PIECE : PIECE + 1]
        await lose(hall)
        yield BODY[PIECE + 1 :]

    if lose is no_role:
        await lose(hall)
    with pytest.raises(REFUSED):
        await hall.gather().append(hall.actor, hall.project, upload.id, 0, None, body())
    assert hall.now(upload).received == (0 if lose is no_role else PIECE)
    await hall.check()
    assert hall.leftovers() == []
    assert await hall.check_nothing_is_left() == set()


@pytest.mark.parametrize("lose", LOSSES)
async def test_rights_are_lost_before_the_file_is_made(
    hall: Hall, lose: Callable[[Hall], Awaitable[None]]
) -> None:
    """The last attempt says why, and nothing was copied before that was known."""
    upload = await hall.begun(len(BODY))
    await lose(hall)
    faults = Faults()
    for _ in range(3):
        job = hall.claim()
        assert job is not None
        with pytest.raises(REFUSED) as refused:
            await hall.work(job, hall.join(faults))
    assert "get" not in faults.steps
    failed = hall.now(upload)
    assert (failed.state, failed.reason) == ("failed", refused.value.message)
    await hall.check()
    await hall.end(failed)
    assert await hall.check_nothing_is_left() == set()


@pytest.mark.parametrize("lose", LOSSES[:3])
async def test_rights_are_lost_while_the_file_is_made(
    hall: Hall, lose: Callable[[Hall], Awaitable[None]]
) -> None:
    """They are asked for again in the transaction that makes it."""
    await hall.begun(len(BODY))
    faults = Faults(1, only="put", mode="stall")
    job = hall.claim()
    assert job is not None
    task = await stalled(faults, hall.work(job, hall.join(faults)))
    await lose(hall)
    faults.release()
    with pytest.raises(REFUSED):
        await task
    assert await hall.check() == set()
    assert hall.leftovers() == []


# Stores that are changed


async def test_another_store_takes_new_files(hall: Hall) -> None:
    """Pieces go on where they began; the file goes where new files go."""
    upload = await hall.begun(1700)
    short = await hall.begin(body=SHORT)
    hall.stores["new"] = MemoryStore()
    hall.backend = "new"
    await hall.send(upload)
    await hall.send(short, body=SHORT)
    await hall.check()
    await hall.work_off()
    assert {file.backend for file in hall.facts().files} == {"new"}
    assert len(await hall.check_nothing_is_left()) == 2


async def test_a_store_that_is_not_configured_any_more(hall: Hall) -> None:
    """Nobody waits for it in vain, and it comes back to what it had."""
    upload, whole = await hall.begun(1700), await hall.begun(len(BODY))
    gone = hall.stores.pop("local")
    hall.stores["new"] = MemoryStore()
    hall.backend = "new"
    with pytest.raises(Conflict, match="not configured"):
        await hall.send(upload)
    with pytest.raises(CellaError, match="not configured"):
        await hall.work_off()
    hall.stores["local"] = gone
    await hall.check()
    await hall.send(upload)
    await hall.work_off()
    assert len(await hall.check()) == 2
    assert {upload.id, whole.id} == set(hall.facts().uploads)


async def test_rows_go_where_the_store_is_gone_for_good(hall: Hall) -> None:
    await hall.begun(1700)
    hall.stores.pop("local")
    hall.backend = "new"
    hall.clock.advance(8 * DAY)
    await hall.drop_expired()
    assert hall.facts().uploads == {}


# Who may see it


async def test_it_is_its_uploaders_and_the_administrators(hall: Hall) -> None:
    upload = await hall.begun(1700)
    stranger = hall.actor.__class__(user="0" * 24)
    admin = hall.actor.__class__(user="0" * 24, roles=frozenset({"admin"}))
    gather = hall.gather()
    for project, upload_id in ((hall.project, "?"), ("0" * 24, upload.id)):
        with pytest.raises(NotFound):
            await gather.look(hall.actor, project, upload_id)
        with pytest.raises(NotFound):
            await gather.end(hall.actor, project, upload_id)
    for work in (gather.look, gather.end):
        with pytest.raises(NotFound):
            await work(stranger, hall.project, upload.id)
    for actor in (stranger, admin):
        with pytest.raises(NotFound):
            await gather.append(actor, hall.project, upload.id, 1700, None, chunked(BODY, 9))
    assert (await gather.look(admin, hall.project, upload.id)).received == 1700
    assert upload.expires == int(START) + 7 * int(DAY)
    await gather.end(admin, hall.project, upload.id)
    assert await hall.check_nothing_is_left() == set()
