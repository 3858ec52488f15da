"""Bringing back what was deleted: files and projects, while others forget or process them."""

from functools import partial

import msgspec
import pytest
from tests.flows.test_background import (
    PHOTO,
    all_done,
    at_work,
    delete,
    handlers,
    known,
    now,
    sandbox,
    stored,
    upload,
)
from tests.flows.test_receive_faults import House, house

from cella.access.rules import AccessConfig
from cella.catalog import files, projects
from cella.clock import ManualClock, SystemClock
from cella.db import Tx
from cella.digest import MD5_WHILE_RECEIVING
from cella.errors import Conflict, Forbidden, NotFound
from cella.flows.config import (
    DIGEST,
    ENCODE,
    FORGET,
    FORGET_PROJECT,
    GONE_MEANWHILE,
    PROCESS,
    ZENCODER_CANCEL,
    FlowsConfig,
)
from cella.flows.discard import ForgetProject
from cella.flows.organise import Organise
from cella.flows.restore import Restore
from cella.ids import new_etag, new_id
from cella.jobs import queue
from cella.jobs.bell import Bell
from cella.jobs.queue import Entry
from cella.media.sandbox import Sandbox
from cella.model import Actor, File, Media, Processing
from cella.store.failing import Faults

__all__ = ["house", "sandbox"]

pytestmark = pytest.mark.parametrize("house", ["memory"], indirect=True)
"""Each database once: stores have no part in it."""

ADMIN = frozenset({"admin"})


def restoring(house: House, encoder: str = "local") -> Restore:
    """The flow."""
    return Restore(db=house.db, clock=SystemClock(), bell=Bell(), encoder=encoder, attempts=5)


def waiting(house: House) -> list[Entry]:
    """All jobs."""
    return house.db.read_now(lambda tx: queue.listing(tx, limit=100))


def kinds(house: House) -> list[str]:
    return [job.kind for job in waiting(house)]


def edit(house: House, file: File, **fields: object) -> File:
    """Write other values into the row."""

    def work(tx: Tx) -> File:
        old = files.get(tx, file.id, deleted=True)
        new = msgspec.structs.replace(old, etag=new_etag(), **fields)
        files.replace(tx, old, new)
        return new

    return house.db.write_now(work)


async def test_a_file_comes_back_as_it_was(house: House) -> None:
    """With its bytes and totals, another etag, and nothing left that would forget it."""
    file = await upload(house, b"wanted after all", "a.bin")
    await delete(house, file, grace=3600)
    deleted = await now(house, file)
    actor = Actor(user=house.user, roles=ADMIN)

    back = await restoring(house).file(actor, file.id)

    assert back == await now(house, file)
    assert back == msgspec.structs.replace(file, etag=back.etag, updated=back.updated)
    assert back.etag not in (file.etag, deleted.etag)
    assert kinds(house) == []
    assert await house.check() == {file.id}
    again = await restoring(house).file(actor, file.id)
    assert again == back, "what is not deleted stays as it is"


async def test_it_takes_the_right_to_delete(house: House) -> None:
    file = await upload(house, b"x", "a.bin")

    def close(tx: Tx) -> None:
        project = projects.get(tx, house.project)
        permissions = msgspec.structs.replace(project.permissions, world=("GET",))
        new = msgspec.structs.replace(project, etag=new_etag(), permissions=permissions)
        projects.replace(tx, project, new)

    house.db.write_now(close)
    reader = Actor(user=new_id())
    with pytest.raises(Forbidden):
        await restoring(house).file(reader, file.id)
    await delete(house, file, grace=3600)
    for actor in (reader, Actor(user=None)):
        with pytest.raises(NotFound):
            await restoring(house).file(actor, file.id)
    with pytest.raises(NotFound):
        await restoring(house).file(Actor(user=house.user, roles=ADMIN), "nonsense")
    assert kinds(house) == [FORGET]
    assert (await now(house, file)).deleted is not None


async def test_what_is_forgotten_does_not_come_back(house: House, sandbox: Sandbox) -> None:
    file = await upload(house, b"gone", "a.bin")
    await delete(house, file, grace=0)
    async with at_work(house, handlers(house, Faults(), sandbox)):
        await all_done(house)
    with pytest.raises(NotFound, match="its bytes are gone"):
        restoring(house).file_now(file.id)


async def test_bytes_that_have_vanished_are_forgotten_all_the_same(
    house: House, sandbox: Sandbox
) -> None:
    file = await upload(house, b"vanished", "a.bin")
    await delete(house, file, grace=0)
    for key in await stored(house):
        await house.store.delete(key)
    async with at_work(house, handlers(house, Faults(), sandbox)):
        await all_done(house)
    assert await house.check() == set()


async def test_who_was_about_to_forget_it_does_not(house: House, sandbox: Sandbox) -> None:
    """A worker has the job already, and stands still before it drops the row."""
    file = await upload(house, b"in the last moment", "a.bin")
    await delete(house, file, grace=0)
    stall = Faults(1, only="write", mode="stall")
    async with at_work(house, handlers(house, stall, sandbox)) as runner:
        await stall.stalled.wait()
        restoring(house).file_now(file.id)
        stall.release()
        await all_done(house)
    assert runner.outcomes["lost"] == 1
    assert await house.check() == {file.id}


async def test_what_was_not_done_yet_is_done(house: House, sandbox: Sandbox) -> None:
    photo = await upload(house, PHOTO)
    large = await upload(house, b"x" * (MD5_WHILE_RECEIVING + 1), "a.bin")
    for file in (photo, large):
        await delete(house, file, grace=3600)
    assert kinds(house) == [FORGET, FORGET]
    for file in (photo, large):
        restoring(house).file_now(file.id)
    assert kinds(house) == [PROCESS, DIGEST]
    async with at_work(house, handlers(house, Faults(), sandbox)):
        await all_done(house)
    assert (await now(house, photo)).status == "complete"
    assert len((await now(house, photo)).variations) == 6
    assert (await now(house, large)).md5
    assert await stored(house) == await known(house)


async def test_what_was_being_done_is_begun_anew(house: House, sandbox: Sandbox) -> None:
    """The attempt that was under way when the file was deleted has lost its job."""
    file = await upload(house, PHOTO)
    stall = Faults(1, only="put", mode="stall")
    async with at_work(house, handlers(house, stall, sandbox)):
        await stall.stalled.wait()
        await delete(house, file, grace=3600)
        restoring(house).file_now(file.id)
        assert (await now(house, file)).status == "queued_for_processing"
        stall.release()
        await all_done(house)
    assert (await now(house, file)).status == "complete"
    assert await stored(house) == await known(house)


@pytest.mark.parametrize("encoder", ["local", "zencoder"])
@pytest.mark.parametrize("told", ["processing", "cancelled"])
async def test_a_film_that_was_being_encoded_is_encoded_anew(
    house: House, encoder: str, told: str
) -> None:
    """Also where an encoder elsewhere was told to stop meanwhile; one that was not is told."""
    is_open = told == "processing"
    file = await upload(house, b"a film", "a.bin")
    await delete(house, file, grace=3600)
    edit(
        house,
        file,
        media=Media(container="mp4", seconds=3.0),
        status="processing" if is_open else "failed",
        processing=Processing(
            status="processing" if is_open else "cancelled",
            backend="zencoder",
            job_id="17",
            error=None if is_open else GONE_MEANWHILE,
        ),
    )

    back = restoring(house, encoder).file_now(file.id)

    jobs = {job.kind: job for job in waiting(house)}
    assert jobs.keys() == {ENCODE, ZENCODER_CANCEL}
    assert jobs[ZENCODER_CANCEL].payload == {"job_id": "17"}
    assert (back.status, back.processing) == (
        "processing",
        Processing(
            status="pending",
            backend=encoder,
            job_id=jobs[ENCODE].id if encoder == "local" else None,
        ),
    )


def deleting(house: House, clock: ManualClock | SystemClock, grace: float) -> Organise:
    """Who deletes projects."""
    config = msgspec.structs.replace(FlowsConfig(), discard_grace=grace)
    return Organise(db=house.db, clock=clock, config=config, access=AccessConfig(), attempts=5)


async def test_a_project_comes_back_with_its_files(house: House) -> None:
    """Files that had been deleted before it stay so; its own are as if nothing had been."""
    kept, gone = await upload(house, b"kept", "a.bin"), await upload(house, b"gone", "b.bin")
    await delete(house, gone, grace=3600, clock=ManualClock(SystemClock().now() - 100))
    actor = Actor(user=house.user, roles=ADMIN)
    await deleting(house, SystemClock(), 3600).delete(actor, house.project, lambda _: None)
    with pytest.raises(Conflict, match="project"):
        restoring(house).file_now(gone.id)

    restored = restoring(house).project_now(house.project)

    assert (restored.project.deleted, restored.files) == (None, 0)
    assert kinds(house) == [FORGET]
    assert await now(house, kept) == kept
    assert (await now(house, gone)).deleted is not None
    assert house.db.read_now(lambda tx: projects.stats(tx, house.project)).files == 1
    assert restoring(house).project_now(house.project).files == 0
    with pytest.raises(NotFound):
        restoring(house).project_now(new_id())


async def test_a_project_that_is_being_forgotten_comes_back(house: House, sandbox: Sandbox) -> None:
    """Files that were deleted because it was, and whose bytes are there, are back with it."""
    kept = [await upload(house, b"kept", "a.bin") for _ in range(3)]
    gone = await upload(house, b"gone", "b.bin")
    await delete(house, gone, grace=3600, clock=ManualClock(SystemClock().now() - 100))
    actor = Actor(user=house.user, roles=ADMIN)
    await deleting(house, SystemClock(), 0).delete(actor, house.project, lambda _: None)
    claim = partial(
        queue.claim, kinds=[FORGET_PROJECT], worker="w", now=SystemClock().now(), lease_seconds=60
    )
    (job,) = await house.db.write(claim)
    forgetting = ForgetProject(db=house.db, clock=SystemClock(), attempts=5, batch=1)
    await forgetting.work(job, lambda _: None)
    assert [(await now(house, file)).deleted is None for file in kept] == [False] * 3

    assert restoring(house).project_now(house.project).files == 3

    for file in kept:
        assert (await now(house, file)).deleted is None
    jobs = waiting(house)
    assert [(job.kind, job.subject) for job in jobs] == [(FORGET, gone.id)]
    await forgetting.work(job, lambda _: None)
    async with at_work(house, handlers(house, Faults(), sandbox)):
        pass
    stats = house.db.read_now(lambda tx: projects.stats(tx, house.project))
    assert stats.files == 3
    assert await stored(house) == await known(house)
