"""Links that are spelled again before they end: idempotent, in any interruption, two at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from tests.catalog.documents import NOW, a_file, a_project, a_user, a_variation
from tests.support.signing import DAY, SigningStore, read

from cella.catalog import files, links, people, projects, tables
from cella.catalog.links import Kept
from cella.clock import ManualClock
from cella.db import Database
from cella.errors import NotFound
from cella.flows.refresh import Refresh
from cella.ids import new_id
from cella.links.away import StoredLinks
from cella.links.old import NoLinks
from cella.links.opening import Spellers
from cella.links.threads import SigningThreads
from cella.links.token import Signer
from cella.links.urls import LocalLinks
from cella.model import File

HOUR = 3600


def nobody(_: int) -> None:
    """Hears nothing."""


class Office:
    """A catalogue with a project, and what refreshes the links of its files."""

    def __init__(self, db: Database, batch: int = 2) -> None:
        self.db = db
        self.clock = ManualClock(NOW)
        self.store = SigningStore()
        self.local = LocalLinks("https://here.example", Signer(["k" * 32]), 30 * DAY)
        self.spellers = Spellers(
            {"gcs": StoredLinks(self.store, self.local, 23 * HOUR), "local": self.local},
            NoLinks(30 * DAY),
        )
        self.refresh = self.another(batch)
        self._user = a_user()
        self.project = a_project(self._user.id)

        def work(tx: sa.Connection) -> None:
            people.add_user(tx, self._user)
            projects.add(tx, self.project)

        db.write_now(work)

    def another(self, batch: int) -> Refresh:
        """Another one who does the same."""
        return Refresh(
            db=self.db,
            spellers=self.spellers,
            threads=SigningThreads(),
            clock=self.clock,
            batch=batch,
        )

    def add(self, number: int, backend: str = "gcs") -> list[File]:
        """So many files with a public variation and one that is not."""
        variations = (a_variation(size="t", is_public=True), a_variation())
        told: dict[str, Any] = {"backend": backend, "variations": variations}
        new = [a_file(self.project.id, **told) for _ in range(number)]
        self.db.write_now(lambda tx: files.add_all(tx, new))
        return new

    def rows(self) -> list[tuple[object, ...]]:
        """All files, as their table has them."""
        query = tables.files.select().order_by(tables.files.c.id)
        return self.db.read_now(lambda tx: [tuple(row) for row in tx.execute(query)])

    def kept(self) -> dict[str, Kept]:
        """All that is kept."""
        query = sa.select(tables.links.c.file_id)
        ids = self.db.read_now(lambda tx: list(tx.execute(query).scalars()))
        return self.db.read_now(lambda tx: links.get_many(tx, ids))

    async def gcs(
        self, *, most: int = 0, hours: float = 12, tell: Callable[[int], None] = nobody
    ) -> int:
        """Refresh the backend."""
        return await self.refresh.backend("gcs", seconds=hours * HOUR, most=most, tell=tell)


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


async def test_a_backend_s_links_are_kept_and_no_file_is_touched(office: Office) -> None:
    added, elsewhere = office.add(5), office.add(1, "local")
    before = office.rows()
    told: list[int] = []
    assert await office.refresh.count(backend="gcs", seconds=0, most=0) == 5
    assert await office.refresh.count(backend="gcs", seconds=0, most=3) == 3
    assert await office.gcs(tell=told.append) == 5
    assert told == [2, 2, 1]
    assert office.rows() == before
    kept = office.kept()
    assert kept.keys() == {file.id for file in added}
    window = office.spellers["gcs"].window(NOW)
    for file in added:
        public, private = file.variations
        found = kept[file.id]
        assert found.expires == window.expires
        assert read(found.original).key == f"{office.project.id}/_/{file.file_path}"
        assert read(found.original).expires == window.expires
        assert found.variations[public.file_path] == office.store.public_link(
            f"{office.project.id}/_/{public.file_path}"
        )
        assert read(found.variations[private.file_path]).expires == window.expires
    assert elsewhere[0].id not in kept
    assert await office.gcs() == 0, "all are fresh"
    assert await office.gcs(hours=10_000) == 0, "they would only be spelled as they are"


async def test_a_chunk_is_so_many_and_the_next_run_goes_on(office: Office) -> None:
    office.add(5)
    assert await office.gcs(most=3) == 3
    assert await office.gcs(most=3) == 2
    assert len(office.kept()) == 5


async def test_what_ends_soon_is_spelled_again(office: Office) -> None:
    (file,) = office.add(1)
    await office.gcs()
    first = office.kept()[file.id]
    office.clock.time = first.expires - 12 * HOUR
    assert await office.gcs() == 0
    office.clock.advance(1)
    assert await office.gcs() == 1
    again = office.kept()[file.id]
    assert again.expires - office.clock.time > 17 * HOUR
    assert read(again.original).expires == again.expires


async def test_a_project_s_kept_links_are_those_of_all_its_backends(office: Office) -> None:
    office.add(2)
    office.add(1, "local")
    office.add(1, "attract-web")
    run = office.refresh.project
    assert await run(office.project.id, seconds=HOUR, most=0, tell=nobody) == 0, "none is kept"
    assert await office.refresh.expire(office.project.id) == 4
    assert {each.expires for each in office.kept().values()} == {NOW - DAY}
    assert await office.refresh.count(project=office.project.id, seconds=HOUR, most=0) == 4
    assert await run(office.project.id, seconds=HOUR, most=0, tell=nobody) == 4
    assert await run(office.project.id, seconds=HOUR, most=0, tell=nobody) == 0
    originals = sorted(each.original for each in office.kept().values())
    assert originals[0] == "", "nobody can reach the one of attract-web"
    assert [link.partition("/_/")[0] for link in originals[1:3]] == [
        f"https://blobs.example/{office.project.id}"
    ] * 2
    assert originals[3].startswith("https://here.example/")


async def test_a_project_that_is_not_there_is_not_found(office: Office) -> None:
    unknown = new_id()
    for work in (
        office.refresh.project(unknown, seconds=1, most=0, tell=nobody),
        office.refresh.expire(unknown),
        office.refresh.count(project=unknown, seconds=1, most=0),
    ):
        with pytest.raises(NotFound):
            await work


async def test_whoever_stops_keeps_what_is_done_and_the_next_one_goes_on(office: Office) -> None:
    office.add(7)
    enough = asyncio.Event()
    running = asyncio.create_task(office.gcs(tell=lambda _: enough.set()))
    await enough.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    kept = office.kept()
    assert len(kept) > 0
    await office.gcs()
    assert len(office.kept()) == 7
    assert office.kept().items() >= kept.items()


async def test_two_at_once_do_no_harm(office: Office) -> None:
    added = office.add(24)
    other = office.another(batch=3)
    done = await asyncio.gather(
        office.gcs(), other.backend("gcs", seconds=HOUR, most=0, tell=nobody)
    )
    assert sum(done) >= len(added)
    kept = office.kept()
    assert kept.keys() == {file.id for file in added}
    assert {each.expires for each in kept.values()} == {office.spellers["gcs"].window(NOW).expires}


async def test_the_periodic_job_does_the_slow_ones_once_in_a_window(office: Office) -> None:
    office.add(3)
    office.add(2, "local")
    assert await office.refresh.slow() == 3
    assert await office.refresh.slow() == 0
    office.clock.advance(23 * HOUR / 4)
    assert await office.refresh.slow() == 3
    assert {each.expires for each in office.kept().values()} == {
        office.spellers["gcs"].window(office.clock.time).expires
    }
    office.store.signs_slowly = False
    office.clock.advance(23 * HOUR / 4)
    assert await office.refresh.slow() == 0
