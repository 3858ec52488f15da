"""Who finds which files by which query, and what the databases look at for it."""

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.catalog.documents import (
    NOW,
    a_file,
    a_group,
    a_project,
    a_user,
    a_variation,
    granted,
)
from tests.catalog.mongo import document_of, matches
from tests.support import databases

from cella.catalog import files, people, projects
from cella.catalog.file_search import SCAN_LIMIT
from cella.catalog.listing import FileQuery, Listing, Page
from cella.catalog.orders import Order
from cella.catalog.tables import files as files_table
from cella.catalog.tables import project_stats
from cella.db import Database, Tx
from cella.errors import BadRequest
from cella.ids import new_id
from cella.model import ANONYMOUS, Actor, File, Processing, Project
from cella.model.project import Method

ALL: tuple[Method, ...] = ("GET", "POST", "PUT", "DELETE")
ADMIN = Actor(user=new_id(), roles=frozenset({"admin"}))


class World(NamedTuple):
    """Projects that are open to different people, with living and deleted files, and loose ones."""

    db: Database
    listing: Listing
    actors: dict[str, Actor]
    projects: dict[str, Project]
    files: list[File]

    def page(self, actor: Actor, query: FileQuery) -> Page:
        """A page, as the actor gets it."""
        return self.db.read_now(lambda tx: self.listing.page(tx, actor, query))

    def follow(self, actor: Actor, query: FileQuery) -> tuple[set[int], list[File]]:
        """All pages by their cursors: which totals they told, and all files."""
        totals, found = set(), []
        cursor: str | None = None
        for _ in range(1000):
            page = self.page(actor, FileQuery(**{**_fields(query), "cursor": cursor}))
            totals.add(page.total)
            found += page.files
            cursor = page.next
            if cursor is None:
                return totals, found
        raise AssertionError("the cursors lead round in circles")

    def sees(self, actor: Actor, file: File, *, deleted: bool) -> bool:
        """Whether the actor may list the file, in words of Python."""
        if file.deleted is not None and (not deleted or actor.is_anonymous):
            return False
        if file.project is None:
            return actor.is_admin or (actor.user is not None and file.user == actor.user)
        project = next(each for each in self.projects.values() if each.id == file.project)
        if project.deleted is not None:
            return False
        methods = set(project.permissions.world)
        for grant in (*project.permissions.users, *project.permissions.groups):
            if grant.subject == actor.user or grant.subject in actor.groups:
                methods |= set(grant.methods)
        wanted = {"GET"} if file.deleted is None else {"GET", "DELETE"}
        return actor.is_admin or wanted <= methods


def _fields(query: FileQuery) -> dict[str, Any]:
    return {name: getattr(query, name) for name in query.__struct_fields__}


@pytest.fixture
def world(database: Database) -> World:
    owner, named, member, stranger = (a_user() for _ in range(4))
    group = a_group()
    permissions = {
        "closed": granted(),
        "public": granted(world=("GET",)),
        "named": granted(users={named.id: ("GET",)}),
        "group": granted(groups={group.id: ("GET", "DELETE")}),
        "own": granted(world=("GET",), users={named.id: ALL}),
        "open": granted(world=("GET", "DELETE")),
        "blind": granted(world=("DELETE",), users={named.id: ("DELETE",)}),
        "gone": granted(world=("GET",), users={named.id: ALL}, groups={group.id: ALL}),
        "empty": granted(world=("GET",)),
    }
    made = {
        name: a_project(owner.id, permissions=each, deleted=NOW if name == "gone" else None)
        for name, each in permissions.items()
    }
    actors = {
        "anonymous": ANONYMOUS,
        "admin": ADMIN,
        "named": Actor(user=named.id),
        "member": Actor(user=member.id, groups=frozenset({group.id})),
        "stranger": Actor(user=stranger.id),
    }
    homes = [project.id for name, project in made.items() if name != "empty"]
    everything = [
        a_file(
            home,
            created=NOW + number % 3,
            filename=f"{'ab'[number % 2]}.png",
            width=None if number % 3 else number,
            user=(named.id, stranger.id)[number % 2],
            deleted=NOW if number == 3 else None,
            md5=f"{number:032x}",
            processing=Processing(status="pending", job_id=str(number)) if number % 2 else None,
        )
        for home in (*homes, None, None)
        for number in range(4)
    ]

    def make(tx: Tx) -> None:
        for user in (owner, named, member, stranger):
            people.add_user(tx, user)
        projects.add_group(tx, group, [member.id])
        for project in made.values():
            projects.add(tx, project)
        for file in everything:
            files.add(tx, file, [])

    database.write_now(make)
    return World(database, Listing(), actors, made, everything)


def _wheres(world: World) -> Iterator[dict[str, Any]]:
    ids = [project.id for project in world.projects.values()]
    yield {}
    yield from ({"project": each} for each in ids)
    yield {"project": {"$in": ids}}
    yield {"project": {"$in": ids[:2]}}
    yield {"project": {"$eq": ids[1]}}
    yield {"project": {"$in": ids, "$ne": ids[1]}}
    yield {"project": {"$in": [ids[1], None]}}
    yield {"project": {"$in": []}}
    yield {"project": None}
    yield {"project": {"$exists": False}}
    yield {"project": {"$exists": True}}
    yield {"project": new_id()}
    yield {"parent": None}
    yield {"_id": {"$in": [file.id for file in world.files]}}
    yield {"user": world.actors["named"].user}
    yield {"filename": "a.png", "width": {"$exists": True}}
    yield {"$or": [{"filename": "a.png"}, {"md5": f"{1:032x}"}]}
    yield {"$and": [{"processing.job_id": {"$in": ["1", "3"]}}, {"status": "complete"}]}
    yield {"status": "complete"}
    yield {"width": {"$gte": 0}}
    yield {"$nor": [{"filename": "a.png"}]}
    yield {"_deleted": True}
    yield {"_deleted": {"$ne": True}}
    yield {"_deleted": {"$exists": True}, "project": ids[3]}
    yield {"$or": [{"_deleted": True}, {"filename": "a.png"}]}


ORDERS: list[tuple[Order, ...]] = [
    (),
    (("_id", True),),
    (("_created", True),),
    (("_created", False), ("_id", True)),
    (("filename", False), ("_created", True)),
    (("width", True), ("project", False)),
]


def _ordered(found: list[File], order: tuple[Order, ...]) -> list[File]:
    """The files in that order, null being the least value."""
    rows = sorted(found, key=lambda file: file.id, reverse=order[-1][1] if order else False)
    for name, descends in reversed(order):
        attribute = name.removeprefix("_")

        def value(file: File, attribute: str = attribute) -> tuple[bool, Any]:
            held = getattr(file, attribute)
            return held is not None, held

        rows.sort(key=value, reverse=descends)
    return rows


@pytest.mark.parametrize("who", ["anonymous", "admin", "named", "member", "stranger"])
def test_everybody_finds_what_they_may_see_and_nothing_else(world: World, who: str) -> None:
    actor = world.actors[who]
    # Each order again and again, with another query each time.
    orders = itertools.cycle([[order] for order in ORDERS])
    for where, deleted in itertools.product(_wheres(world), (False, True)):
        shown = deleted or "_deleted" in str(where)
        seen = [file for file in world.files if world.sees(actor, file, deleted=shown)]
        wanted = [file for file in seen if matches(document_of(file), where)]
        for order in next(orders):
            query = FileQuery(where=where, sort=order, limit=3, deleted=deleted)
            expected = _ordered(wanted, order)
            assert world.follow(actor, query) == ({len(wanted)}, expected), (where, order)
            for page in (2, 5, 1 << 40):
                query = FileQuery(where=where, sort=order, limit=3, page=page, deleted=deleted)
                got = world.page(actor, query)
                start = 3 * (page - 1)
                assert (got.total, got.files) == (len(wanted), expected[start : start + 3])
                assert (got.next is not None) == (start + 3 < len(wanted))


# --- How far a query may look ---


def _say_that_there_are(world: World, name: str, number: int) -> None:
    """Let the totals say that the project has so many files."""
    statement = (
        project_stats.update()
        .where(project_stats.c.project_id == world.projects[name].id)
        .values(files=number)
    )
    world.db.write_now(lambda tx: tx.execute(statement))


UNANCHORED: list[tuple[dict[str, Any], tuple[Order, ...]]] = [
    ({"status": "complete"}, ()),
    ({"width": {"$gt": 1}}, ()),
    ({"filename": {"$ne": "a.png"}}, ()),
    ({"filename": {"$regex": "^a"}}, ()),
    ({"$text": {"$search": "png"}}, ()),
    ({"$or": [{"filename": "a.png"}, {"width": 1}]}, ()),
    ({"$nor": [{"filename": "a.png"}]}, ()),
    ({"project": {"$ne": "5f0123456789abcdef012345"}}, ()),
    ({"md5": {"$in": ["0" * 32, None]}}, ()),
    ({"md5": ""}, ()),
    ({"md5": {"$in": ["", "0" * 32]}}, ()),
    ({}, (("filename", False),)),
    ({}, (("_created", True), ("_id", False))),
]


@pytest.mark.parametrize("who", ["anonymous", "stranger", "named"])
def test_nobody_looks_through_too_much_of_others(world: World, who: str) -> None:
    elsewhere = 3 if who == "named" else 6
    for where, order in UNANCHORED:
        query = FileQuery(where=where, sort=order)
        _say_that_there_are(world, "public", SCAN_LIMIT - elsewhere)
        world.page(world.actors[who], query)
        _say_that_there_are(world, "public", SCAN_LIMIT - elsewhere + 1)
        with pytest.raises(BadRequest, match="name a project") as refused:
            world.page(world.actors[who], query)
        assert str(SCAN_LIMIT) in refused.value.message


@pytest.mark.parametrize(
    ("who", "name"),
    [("named", "named"), ("named", "own"), ("member", "group"), ("admin", "open")],
)
def test_one_may_look_through_all_of_ones_own(world: World, who: str, name: str) -> None:
    _say_that_there_are(world, name, SCAN_LIMIT * 100)
    for where, order in UNANCHORED:
        world.page(world.actors[who], FileQuery(where=where, sort=order))


def test_what_is_anchored_is_always_answered(world: World) -> None:
    _say_that_there_are(world, "public", SCAN_LIMIT * 100)
    named = world.projects["public"].id
    for where in (
        {"project": named, "status": "complete"},
        {"project": {"$in": [named]}, "$text": {"$search": "png"}},
        {"$and": [{"filename": "a.png"}, {"width": {"$ne": 1}}]},
        {"$or": [{"filename": "a.png"}, {"md5": "0" * 32, "width": 1}]},
        {"user": "5f0123456789abcdef012346", "width": 1},
        {"processing.job_id": "1", "width": None},
        {"sha256": {"$eq": "1" * 64}},
    ):
        world.page(world.actors["stranger"], FileQuery(where=where, sort=(("filename", False),)))
    for order in ((), (("_created", True),), (("_id", True),)):
        assert world.page(world.actors["stranger"], FileQuery(sort=order)).files


# --- What the databases look at ---

_PROJECTS = 30
_EACH = 300


class Crowd(NamedTuple):
    """Many files in many projects: half of these are public, one is the reader's."""

    db: Database
    reader: Actor
    projects: list[str]
    files: list[File]


@pytest.fixture(scope="module", params=["sqlite", "sqlite, analyzed", "postgresql"])
def crowd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crowd]:
    """Nobody adds to it: what is asked about it is how a database would look for something.

    PostgreSQL has always counted what it holds, SQLite does not do so by itself.
    """
    if request.param == "postgresql":
        server: databases.PostgreSQL = request.getfixturevalue("postgresql")
        with server.database() as database:
            crowd = _crowd(database)
            _analyze(database)
            yield crowd
    else:
        with databases.sqlite(tmp_path_factory.mktemp("crowd")) as database:
            crowd = _crowd(database)
            if request.param == "sqlite, analyzed":
                _analyze(database)
            yield crowd


def _crowd(database: Database) -> Crowd:
    owner, reader = a_user(), a_user()
    made = [
        a_project(
            owner.id,
            permissions=granted(
                world=("GET",) if number % 2 else (),
                users={reader.id: ALL} if number == 0 else {},
            ),
        )
        for number in range(_PROJECTS)
    ]
    everything = [
        a_file(
            project.id,
            created=NOW + number,
            filename=f"{number}.png",
            md5=f"{number:032x}",
            sha256=f"{number:064x}",
            user=new_id(),
            variations=(a_variation(size="t"),),
            processing=Processing(status="finished", job_id=f"{project.id}{number}"),
        )
        for project in made
        for number in range(_EACH)
    ]

    def make(tx: Tx) -> None:
        for user in (owner, reader):
            people.add_user(tx, user)
        for project in made:
            projects.add(tx, project)
        files.add_all(tx, everything)

    database.write_now(make)
    return Crowd(database, Actor(user=reader.id), [each.id for each in made], everything)


def _analyze(db: Database) -> None:
    """Let the database count what it holds."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


@contextmanager
def _statements(db: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile; services of other tests ask theirs."""
    asked: list[tuple[str, Any]] = []

    def note(
        connection: sa.Connection, cursor: object, text: str, values: Any, *rest: object
    ) -> None:
        if connection.engine.url == db.engine.url:
            asked.append((text, values))

    event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)


def _plans(db: Database, asked: Sequence[tuple[str, Any]]) -> str:
    """How the database goes about what it was asked."""
    explain = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "

    def work(tx: Tx) -> list[str]:
        return [
            str(row[-1])
            for text, values in asked
            if text.startswith(("SELECT", "WITH"))
            for row in tx.exec_driver_sql(explain + text, values)
        ]

    return "\n".join(db.read_now(work))


def _looks_at_all_files(plan: str) -> bool:
    return (
        re.search(r"SCAN (files|file)\b(?! USING INDEX ix_files_project)|Seq Scan on files", plan)
        is not None
    )


def _queries(crowd: Crowd) -> Iterator[FileQuery]:
    file, project = crowd.files[_EACH + 7], crowd.projects[1]
    for where in (
        {"_id": file.id},
        {"_id": {"$in": [each.id for each in crowd.files[:20]]}},
        {"user": file.user},
        {"name": file.name},
        {"filename": file.filename},
        {"file_path": file.file_path},
        {"md5": {"$in": [file.md5]}},
        {"sha256": file.sha256},
        {"processing.job_id": f"{project}7"},
        {"$or": [{"md5": file.md5}, {"processing.job_id": f"{project}7"}]},
        {"$and": [{"filename": file.filename}, {"variations.size": "t"}]},
        {"filename": file.filename, "project": project},
        {"project": project},
        {"project": {"$in": crowd.projects[:3]}},
        {"project": project, "status": "complete"},
        {"project": project, "variations": {"$elemMatch": {"size": "t", "width": None}}},
        {},
    ):
        for sort in ((), (("_created", True),)):
            yield FileQuery(where=where, sort=sort, limit=5)
        if where:
            yield FileQuery(where=where, sort=(("filename", False),), limit=5)


def _asked(crowd: Crowd, actor: Actor, query: FileQuery) -> list[tuple[str, Any]]:
    """What the database is asked for a page, and for the next one by its cursor."""
    listing = Listing()
    with _statements(crowd.db) as asked:
        page = crowd.db.read_now(lambda tx: listing.page(tx, actor, query))
        if page.next is not None:
            after = FileQuery(**{**_fields(query), "cursor": page.next})
            crowd.db.read_now(lambda tx: listing.page(tx, actor, after))
    return asked


@pytest.mark.parametrize("who", ["reader", "anonymous"])
def test_no_query_looks_at_all_files(crowd: Crowd, who: str) -> None:
    actor = crowd.reader if who == "reader" else ANONYMOUS
    for query in _queries(crowd):
        plan = _plans(crowd.db, _asked(crowd, actor, query))
        assert "files" in plan
        assert not _looks_at_all_files(plan), (query, plan)


def test_the_test_knows_a_full_scan(crowd: Crowd) -> None:
    with _statements(crowd.db) as asked:
        crowd.db.read_now(
            lambda tx: tx.execute(files_table.select().where(files_table.c.status == "failed"))
        )
    assert _looks_at_all_files(_plans(crowd.db, asked))


def test_a_cursor_goes_to_its_place_by_the_index(crowd: Crowd) -> None:
    on_sqlite = r"ix_files_project\w* \(project=\? AND \(?(id|created,id)\)?[<>]"
    on_postgresql = r"Index Cond: .*project.* AND .*(ROW\(|id\)?::text [<>])"
    orders: list[tuple[Order, ...]] = [(), (("_created", True),), (("_id", True),)]
    for where, sort in itertools.product(({"project": crowd.projects[0]}, {}), orders):
        query = FileQuery(where=where, sort=sort, limit=5)
        plan = _plans(crowd.db, _asked(crowd, crowd.reader, query))
        assert re.search(on_sqlite if crowd.db.is_sqlite else on_postgresql, plan), plan
