"""Writing documents and emptying projects, with each of their steps failing."""

import asyncio
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.catalog.documents import a_project
from tests.flows.test_background import all_done, at_work, now, stored, upload
from tests.flows.test_receive_faults import House, house
from tests.support.faults import FailingDatabase

from cella.access.rules import AccessConfig
from cella.catalog import files as catalog_files
from cella.catalog import projects
from cella.catalog.tables import files
from cella.catalog.tables import projects as projects_table
from cella.clock import SystemClock
from cella.db import Tx
from cella.errors import StoreUnavailable
from cella.flows.change import Change
from cella.flows.config import FORGET, FORGET_PROJECT, WHEN_IDLE
from cella.flows.discard import Forget, ForgetProject
from cella.ids import new_id
from cella.jobs import queue
from cella.jobs.runner import Handler
from cella.model import Actor, File
from cella.store.failing import FailingStore, Faults, Mode, each_step

__all__ = ["house"]

PLAIN = {"name": "n", "filename": "f.exr", "content_type": "application/x-exr", "length": 5}


def change(house: House, faults: Faults) -> Change:
    """The flow, with the database going wrong after the plan."""
    db = FailingDatabase(house.db, faults)
    return Change(db=db, clock=SystemClock(), backend="local", access=AccessConfig())


def author(house: House) -> Actor:
    """Who writes."""
    return Actor(user=house.user)


def ids(house: House) -> set[str]:
    """The ids of all files."""
    return set(house.db.read_now(lambda tx: tx.execute(sa.select(files.c.id)).scalars()))


def totals(house: House) -> tuple[int, int]:
    """How many files the project has, and how many bytes."""
    stats = house.db.read_now(lambda tx: projects.stats(tx, house.project))
    return stats.files, stats.bytes


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_documents_are_added_all_or_none(house: House, mode: Mode) -> None:
    some: list[dict[str, Any]] = [{**PLAIN, "project": house.project}] * 7
    there = 0
    for faults in each_step(mode=mode):
        try:
            added = await change(house, faults).add_all(author(house), some)
        except StoreUnavailable:
            there += 7 * (mode == "after")
        else:
            there += 7
            assert {file.id for file in added} <= ids(house)
        assert len(ids(house)) == there
        assert totals(house) == (there, 5 * there)


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_a_document_is_changed_or_it_is_not(house: House, mode: Mode) -> None:
    file = await change(house, Faults()).add(author(house), {**PLAIN, "project": house.project})
    for number, faults in enumerate(each_step(mode=mode)):
        before, wanted = await now(house, file), f"n{number}"
        flow = change(house, faults)
        try:
            await flow.permit(author(house), file.id, lambda _: None)
            after = await flow.edit(
                author(house), file.id, lambda _: None, {"name": wanted}, whole=False
            )
        except StoreUnavailable:
            after = await now(house, file)
            assert after == before or (mode == "after" and after.name == wanted)
        assert (after.etag == before.etag) == (after.name == before.name)
        assert totals(house) == (1, 5)
    assert (await now(house, file)).name == wanted


async def test_a_document_that_comes_while_its_project_goes(house: House) -> None:
    """It is refused, or it goes with the project: nothing stays in a project that is gone."""
    flow = change(house, Faults())
    for _ in range(5):
        project = a_project(house.user)
        house.db.write_now(lambda tx, project=project: projects.add(tx, project))  # type: ignore[misc]
        admin = Actor(user=house.user, roles=frozenset({"admin"}))
        document = {**PLAIN, "project": project.id}
        adding = [flow.add(admin, document) for _ in range(10)]
        going = delete_project(house, project.id)
        await asyncio.gather(*adding[:5], going, *adding[5:], return_exceptions=True)
    async with at_work(house, handlers(house, Faults())):
        await all_done(house)
    assert ids(house) == set()


# The files of a deleted project


def handlers(house: House, faults: Faults) -> dict[str, Handler]:
    """The handlers, with whatever they touch going wrong after the plan."""
    db = FailingDatabase(house.db, faults)
    stores = {"local": FailingStore(house.store, faults)}
    return {
        FORGET_PROJECT: ForgetProject(db=db, clock=SystemClock(), attempts=5, batch=3),
        FORGET: Forget(db=db, stores=stores),
    }


async def delete_project(house: House, project_id: str) -> None:
    """Delete a project as its flow does: the row and the job in one transaction."""
    instant = SystemClock().now()

    def work(tx: Tx) -> None:
        projects.get(tx, project_id, for_change=True)
        is_it = projects_table.c.id == project_id
        tx.execute(projects_table.update().where(is_it).values(deleted=int(instant)))
        queue.put(tx, kind=FORGET_PROJECT, subject=project_id, priority=WHEN_IDLE, now=instant)

    await house.db.write(work)


def bring_back(house: House) -> None:
    """Have the project be there again."""
    statement = projects_table.update().where(projects_table.c.id == house.project)
    house.db.write_now(lambda tx: tx.execute(statement.values(deleted=None)))


async def fill(house: House) -> list[File]:
    """Files with bytes and without, in the project and beside it; those beside come first."""
    flow = change(house, Faults())
    own = await flow.add(author(house), PLAIN)
    inside = [await upload(house, bytes([number]), "a.bin") for number in range(4)]
    documents = [{**PLAIN, "project": house.project}] * 4
    return [own, *inside, *await flow.add_all(author(house), documents)]


@pytest.mark.parametrize("mode", ["before", pytest.param("after", marks=pytest.mark.drill)])
async def test_the_files_go_with_their_project_whatever_step_fails(
    house: House, mode: Mode
) -> None:
    kept: set[str] = set()
    failed = 0
    for faults in each_step(mode=mode):
        beside, *_ = await fill(house)
        kept.add(beside.id)
        await delete_project(house, house.project)
        async with at_work(house, handlers(house, faults)):
            await all_done(house)
        assert ids(house) == kept
        assert await stored(house) == set()
        assert totals(house) == (0, 0)
        bring_back(house)
        failed += faults.fired
    assert failed >= 5
    dead = house.db.read_now(queue.counts).dead
    assert dead == 0


async def test_a_project_that_was_brought_back_keeps_its_files(house: House) -> None:
    everything = {file.id for file in await fill(house)}
    before = totals(house)
    await delete_project(house, house.project)
    bring_back(house)
    house.db.write_now(
        lambda tx: queue.put(tx, kind=FORGET_PROJECT, subject=new_id(), now=SystemClock().now())
    )
    async with at_work(house, handlers(house, Faults())):
        await all_done(house)
    assert ids(house) == everything
    assert totals(house) == before


async def test_files_that_were_deleted_before_are_left_to_their_own_jobs(house: House) -> None:
    _, first, *_ = await fill(house)

    def delete(tx: Tx) -> None:
        old = catalog_files.get(tx, first.id)
        gone = msgspec.structs.replace(old, deleted=1, etag="0" * 40)
        catalog_files.replace(tx, old, gone)

    house.db.write_now(delete)
    await delete_project(house, house.project)
    async with at_work(house, handlers(house, Faults())):
        await all_done(house)
    assert first.id in ids(house)
    assert (await now(house, first)).deleted == 1
