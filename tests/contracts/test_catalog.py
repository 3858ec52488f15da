"""What the catalogue promises, on each database."""

import asyncio
import operator
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.catalog.documents import (
    NOW,
    a_file,
    a_group,
    a_project,
    a_user,
    a_variation,
    changed,
    granted,
)
from tests.catalog.shelf import Shelf, held
from tests.support.databases import address, opened

from cella.catalog import files, people, project_listing, projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.catalog.listing import FileQuery, Listing
from cella.catalog.orders import Order
from cella.catalog.project_listing import ProjectPage, ProjectQuery
from cella.catalog.projects import Stats
from cella.db import Database, Tx
from cella.errors import BadRequest, Conflict, NotFound, PreconditionFailed
from cella.ids import new_id
from cella.model import ANONYMOUS, Actor, File, Grant, Processing, Project, Token, User
from cella.model.project import Method

ADMIN = Actor(user=new_id(), roles=frozenset({"admin"}))
UNKNOWN = "5f0123456789abcdef012345"


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


# --- Files ---


def test_a_file_comes_out_as_it_was_put(shelf: Shelf) -> None:
    full = {
        "description": "Ä still – of \U0001f3ac\n",
        "declared_type": "image/x-png",
        "format": "png",
        "size": "original",
        "md5": "0" * 32,
        "sha256": "1" * 64,
        "width": 1 << 40,
        "height": 1,
        "duration": 0,
        "length": 1 << 60,
        "processing": Processing(status="failed", error="It's broken."),
        "variations": (a_variation(width=1, is_public=True, md5="2" * 32), a_variation(size=None)),
    }
    for file in shelf.add({}, full):
        assert shelf.get(file.id) == file


def test_a_file_without_a_project_is_in_no_totals(shelf: Shelf) -> None:
    file = a_file(None)
    shelf.db.write_now(lambda tx: files.add(tx, file, []))

    assert shelf.get(file.id) == file
    shelf.check_totals()


def test_an_unknown_file_is_not_found(shelf: Shelf) -> None:
    with pytest.raises(NotFound, match=UNKNOWN):
        shelf.get(UNKNOWN)


def test_a_deleted_file_is_found_by_those_only_who_want_deleted_ones(shelf: Shelf) -> None:
    (file,) = shelf.add({})
    shelf.delete(0)

    with pytest.raises(NotFound):
        shelf.get(file.id)
    found = shelf.db.read_now(lambda tx: files.get(tx, file.id, deleted=True))
    assert found == shelf.files[file.id]


def test_files_without_blobs_are_added_all_or_none(shelf: Shelf) -> None:
    owner = a_user()
    other = a_project(owner.id)
    new = [a_file(shelf.project.id), a_file(other.id, length=7), a_file(None)]
    new.append(a_file(shelf.project.id, deleted=NOW))

    def work(tx: Tx) -> None:
        people.add_user(tx, owner)
        projects.add(tx, other)
        files.add_all(tx, new)

    shelf.db.write_now(work)
    for file in new:
        found = shelf.db.read_now(partial(files.get, file_id=file.id, deleted=True))
        assert found == file
    stats = [
        shelf.db.read_now(partial(projects.stats, project_id=project.id))
        for project in (shelf.project, other)
    ]
    assert stats == [Stats(1, 200, 1), Stats(1, 7, 1)]
    again = [a_file(other.id), new[0]]
    with pytest.raises(Conflict):
        shelf.db.write_now(lambda tx: files.add_all(tx, again))
    with pytest.raises(NotFound):
        shelf.get(again[0].id)
    assert shelf.db.read_now(partial(projects.stats, project_id=other.id)) == stats[1]


def test_ids_are_taken_by_files_deleted_or_not(shelf: Shelf) -> None:
    ids = {file.id for file in shelf.add({}, {})}
    shelf.delete(0)
    asked = [*ids, UNKNOWN]
    assert shelf.db.read_now(lambda tx: files.taken(tx, asked)) == ids
    assert shelf.db.read_now(lambda tx: files.taken(tx, [])) == set()


def test_a_file_takes_its_bytes_along_to_another_project(shelf: Shelf) -> None:
    owner = a_user()
    other = a_project(owner.id)

    def make(tx: Tx) -> None:
        people.add_user(tx, owner)
        projects.add(tx, other)

    shelf.db.write_now(make)
    file, kept = shelf.add({"length": 7}, {"length": 30})

    def move(old: File, **fields: Any) -> File:
        new = changed(old, **fields)
        shelf.db.write_now(lambda tx: files.replace(tx, old, new))
        return new

    def totals() -> list[tuple[int, int]]:
        both = [
            shelf.db.read_now(partial(projects.stats, project_id=project.id))
            for project in (shelf.project, other)
        ]
        return [(stats.files, stats.bytes) for stats in both]

    assert totals() == [(2, 37), (0, 0)]
    file = move(file, project=other.id, length=8)
    assert totals() == [(1, 30), (1, 8)]
    file = move(file, project=None)
    assert totals() == [(1, 30), (0, 0)]
    file = move(file, project=shelf.project.id, deleted=NOW)
    assert totals() == [(1, 38), (0, 0)]
    move(kept, project=other.id, deleted=NOW)
    assert totals() == [(0, 8), (0, 30)]


def test_a_project_is_emptied_in_batches(shelf: Shelf) -> None:
    new = shelf.add(*[{}] * 5)
    shelf.delete(2)
    beside = a_file(None)
    shelf.db.write_now(lambda tx: files.add(tx, beside, []))
    left = sorted(file.id for file in shelf.files.values() if file.deleted is None)
    empty = partial(files.delete_some, project_id=shelf.project.id, now=NOW + 5, most=3)

    assert [shelf.db.write_now(empty) for _ in range(3)] == [left[:3], left[3:], []]

    assert shelf.get(beside.id) == beside
    gone = [shelf.db.read_now(partial(files.get, file_id=i, deleted=True)) for i in left]
    assert {(file.deleted, file.updated) for file in gone} == {(NOW + 5, NOW + 5)}
    assert len({file.etag for file in [*gone, *new]}) == len(gone) + len(new)
    stats = shelf.db.read_now(lambda tx: projects.stats(tx, shelf.project.id))
    assert (stats.files, stats.bytes) == (0, 500)


def test_replace_refuses_a_state_that_is_past(shelf: Shelf) -> None:
    (first,) = shelf.add({})
    shelf.grow(0, 7)
    late = changed(first, description="too late", variations=(a_variation(),))

    with pytest.raises(PreconditionFailed):
        shelf.db.write_now(lambda tx: files.replace(tx, first, late, [BlobRef("late", "s")]))

    assert shelf.get(first.id) == shelf.files[first.id]
    shelf.check_totals()


async def test_of_racing_writers_one_wins(shelf: Shelf) -> None:
    (old,) = shelf.add({})
    states = [changed(old, variations=(a_variation(length=n),)) for n in (1, 20, 300, 4000)]
    with ExitStack() as stack:
        others = [stack.enter_context(opened(address(shelf.db))) for _ in states]
        outcomes = await asyncio.gather(
            *(
                other.write(partial(files.replace, old=old, new=new, refs=[BlobRef(new.etag, "s")]))
                for other, new in zip(others, states, strict=True)
            ),
            return_exceptions=True,
        )

    lost = [type(outcome) for outcome in outcomes if outcome is not None]
    assert lost == [PreconditionFailed] * (len(states) - 1)
    winner = states[outcomes.index(None)]
    shelf.files[old.id] = winner
    shelf.refs[old.id].add(BlobRef(winner.etag, "s"))
    assert shelf.get(old.id) == winner
    stats = shelf.db.read_now(lambda tx: projects.stats(tx, shelf.project.id))
    assert stats.bytes == winner.length_aggregate


async def test_who_reads_for_a_change_has_it_to_himself(shelf: Shelf) -> None:
    (file,) = shelf.add({"width": 0})

    def widen(tx: Tx) -> None:
        old = files.get(tx, file.id, for_change=True)
        files.replace(tx, old, changed(old, width=(old.width or 0) + 1))

    with opened(address(shelf.db)) as other:
        await asyncio.gather(*(db.write(widen) for db in [shelf.db, other] * 10))

    assert shelf.get(file.id).width == 20


def test_a_blob_leads_to_its_file(shelf: Shelf) -> None:
    file, _ = shelf.add({}, {})
    ids = sorted(shelf.files)
    shelf.grow(ids.index(file.id), 10)
    for ref in shelf.refs[file.id]:
        found = shelf.db.read_now(partial(files.by_blob, key=ref.key))
        assert found == (shelf.files[file.id], ref.size)


def test_a_blob_of_a_file_without_project_leads_to_it(database: Database) -> None:
    file = a_file(None)
    database.write_now(lambda tx: files.add(tx, file, [BlobRef("key", ORIGINAL)]))

    assert database.read_now(lambda tx: files.by_blob(tx, "key")) == (file, ORIGINAL)


@pytest.mark.parametrize("gone", ["unknown", "file", "project"])
def test_a_blob_that_nobody_is_to_have_leads_nowhere(database: Database, gone: str) -> None:
    user = a_user()
    project = a_project(user.id, deleted=NOW if gone == "project" else None)
    file = a_file(project.id, deleted=NOW if gone == "file" else None)

    def make(tx: Tx) -> None:
        people.add_user(tx, user)
        projects.add(tx, project)
        files.add(tx, file, [BlobRef("key", ORIGINAL)])

    database.write_now(make)
    with pytest.raises(NotFound):
        database.read_now(lambda tx: files.by_blob(tx, "key" if gone != "unknown" else "other"))


def test_known_keys_are_those_of_files_deleted_or_not(shelf: Shelf) -> None:
    shelf.add({}, {})
    shelf.delete(0)
    known = {ref.key for refs in shelf.refs.values() for ref in refs}
    asked = [*known, *(f"{shelf.project.id}/_/{number}" for number in range(5000))]

    assert shelf.db.read_now(lambda tx: files.known_keys(tx, asked)) == known
    assert shelf.db.read_now(lambda tx: files.known_keys(tx, [])) == set()


def test_only_a_deleted_file_is_forgotten_and_only_once(shelf: Shelf) -> None:
    (file,) = shelf.add({})
    shelf.grow(0, 5)
    shelf.forget(0)
    shelf.check_totals()
    shelf.delete(0)
    shelf.forget(0)
    shelf.check_totals()

    assert shelf.db.write_now(lambda tx: files.forget(tx, file.id)) is None
    assert shelf.db.write_now(lambda tx: files.forget(tx, UNKNOWN)) is None


# --- Totals ---

SEQUENCES = settings(
    deadline=None,
    max_examples=20,
    # What an example leaves in the database is in a project of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WHICH = st.integers(0, 30)
CHANGES = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 1 << 40)),
    st.tuples(st.just("grow"), WHICH, st.integers(0, 1 << 40)),
    st.tuples(st.just("delete"), WHICH),
    st.tuples(st.just("forget"), WHICH),
)


@SEQUENCES
@given(changes=st.lists(CHANGES, min_size=5, max_size=15))
def test_totals_and_blobs_are_true_after_anything(
    database: Database, changes: list[tuple[Any, ...]]
) -> None:
    shelf = Shelf(database)
    for verb, *rest in changes:
        if verb == "add":
            shelf.add({"length": rest[0]})
        else:
            getattr(shelf, verb)(*rest)
        shelf.check_totals()


def test_a_file_that_comes_deleted_counts_with_its_bytes_only(shelf: Shelf) -> None:
    shelf.add({"deleted": NOW})
    shelf.check_totals()


async def test_totals_are_true_after_many_at_once(shelf: Shelf) -> None:
    new = [a_file(shelf.project.id, length=n) for n in range(40)]
    with opened(address(shelf.db)) as other:
        await asyncio.gather(
            *(
                (other if n % 2 else shelf.db).write(partial(files.add, file=file, refs=[]))
                for n, file in enumerate(new)
            )
        )
    stats = shelf.db.read_now(lambda tx: projects.stats(tx, shelf.project.id))
    assert stats == Stats(files=40, bytes=sum(range(40)), revision=40)


def test_an_unknown_project_has_nothing(database: Database) -> None:
    assert database.read_now(lambda tx: projects.stats(tx, UNKNOWN)) == Stats(0, 0, 0)


# --- Projects and grants ---


class Cast(msgspec.Struct, frozen=True):
    """One of each, and the projects they may or may not read, by name."""

    admin: Actor
    owner: Actor
    named: Actor
    in_group: Actor
    stranger: Actor
    projects: dict[str, Project]


@pytest.fixture
def people_and_projects(database: Database) -> Cast:
    owner, named, member, stranger = (a_user() for _ in range(4))
    group = a_group()
    permissions = {
        "closed": granted(),
        "public": granted(world=("GET",)),
        "named": granted(users={named.id: ("GET", "POST")}),
        "group": granted(groups={group.id: ("GET",)}),
        "upload only": granted(
            world=("POST",), users={named.id: ("PUT",)}, groups={group.id: ("DELETE",)}
        ),
        "deleted": granted(world=("GET",), users={named.id: ("GET",)}, groups={group.id: ("GET",)}),
    }
    made = {
        name: a_project(
            owner.id, name=name, permissions=each, deleted=NOW if name == "deleted" else None
        )
        for name, each in permissions.items()
    }

    def make(tx: Tx) -> None:
        for user in (owner, named, member, stranger):
            people.add_user(tx, user)
        projects.add_group(tx, group, [member.id])
        for project in made.values():
            projects.add(tx, project)
            files.add(tx, a_file(project.id, description=project.name), [])

    database.write_now(make)
    member = database.read_now(lambda tx: people.get_user(tx, member.id))
    return Cast(
        admin=ADMIN,
        owner=_actor(owner),
        named=_actor(named),
        in_group=_actor(member),
        stranger=_actor(stranger),
        projects=made,
    )


READABLE = {
    "anonymous": {"public"},
    "stranger": {"public"},
    "owner": {"public"},
    "named": {"public", "named"},
    "in_group": {"public", "group"},
    "admin": {"closed", "public", "named", "group", "upload only"},
}


def _actor(user: User) -> Actor:
    return Actor(user=user.id, roles=frozenset(user.roles), groups=frozenset(user.groups))


def _as(cast: Cast, who: str) -> Actor:
    return ANONYMOUS if who == "anonymous" else getattr(cast, who)


@pytest.mark.parametrize("who", READABLE)
def test_projects_are_listed_to_those_who_may_read_them(
    database: Database, people_and_projects: Cast, who: str
) -> None:
    actor = _as(people_and_projects, who)
    found = database.read_now(lambda tx: project_listing.listing(tx, actor, ProjectQuery()))

    readable = [
        each for name, each in people_and_projects.projects.items() if name in READABLE[who]
    ]
    assert found.projects == sorted(readable, key=lambda project: project.id)
    assert found.total == len(readable)


@pytest.mark.parametrize("who", READABLE)
@pytest.mark.parametrize("way", ["one project", "any project"])
def test_files_are_listed_to_those_who_may_read_their_project(
    database: Database, people_and_projects: Cast, who: str, way: str
) -> None:
    listing, actor = Listing(), _as(people_and_projects, who)

    def listed(where: dict[str, Any]) -> list[str | None]:
        page = database.read_now(lambda tx: listing.page(tx, actor, FileQuery(where=where)))
        assert page.total == len(page.files)
        return [file.description for file in page.files]

    found = listed({})
    if way == "one project":
        ids = [project.id for project in people_and_projects.projects.values()]
        found = [name for project_id in ids for name in listed({"project": project_id})]
    assert sorted(map(str, found)) == sorted(READABLE[who])


def test_files_without_a_project_are_listed_to_admins_and_their_uploader(
    database: Database,
) -> None:
    file = a_file(None)
    database.write_now(lambda tx: files.add(tx, file, []))
    query, listing = FileQuery(), Listing()

    for actor in (ADMIN, Actor(user=file.user)):
        assert database.read_now(partial(listing.page, actor=actor, query=query)).files == [file]
    for actor in (ANONYMOUS, Actor(user=new_id())):
        assert database.read_now(partial(listing.page, actor=actor, query=query)).total == 0


def test_a_project_comes_out_as_it_was_put(database: Database, people_and_projects: Cast) -> None:
    for name, project in people_and_projects.projects.items():
        if name == "deleted":
            with pytest.raises(NotFound, match=project.id):
                database.read_now(partial(projects.get, project_id=project.id))
        found = database.read_now(partial(projects.get, project_id=project.id, deleted=True))
        assert found == project
    with pytest.raises(NotFound, match=UNKNOWN):
        database.read_now(lambda tx: projects.get(tx, UNKNOWN))


def test_many_projects_at_once(database: Database, people_and_projects: Cast) -> None:
    made = people_and_projects.projects
    ids = [UNKNOWN, *(project.id for project in made.values())]
    found = database.read_now(lambda tx: projects.get_many(tx, ids))

    assert {project.name for project in found} == set(made) - {"deleted"}
    assert database.read_now(lambda tx: projects.get_many(tx, [])) == []


def test_the_oldest_project_is_not_a_deleted_one(database: Database) -> None:
    assert database.read_now(projects.oldest) is None
    user = a_user()
    gone, second, third = a_project(user.id, deleted=NOW), a_project(user.id), a_project(user.id)

    def make(tx: Tx) -> None:
        people.add_user(tx, user)
        for project in (third, gone, second):
            projects.add(tx, project)

    database.write_now(make)
    assert database.read_now(projects.oldest) == min(second, third, key=lambda each: each.id)


def test_a_method_that_is_granted_twice_is_granted(database: Database) -> None:
    user = a_user()
    twice: tuple[Method, ...] = ("GET", "GET")
    permissions = msgspec.structs.replace(
        granted(world=twice), users=(Grant(user.id, twice), Grant(user.id, twice))
    )
    project = a_project(user.id, permissions=permissions)

    def make(tx: Tx) -> None:
        people.add_user(tx, user)
        projects.add(tx, project)

    database.write_now(make)
    found = database.read_now(lambda tx: project_listing.listing(tx, _actor(user), ProjectQuery()))
    assert found == ProjectPage(1, [project], None)


# --- Pages ---

FIELDS = [
    "_id",
    "_created",
    "_updated",
    "_etag",
    "project",
    "user",
    "name",
    "filename",
    "description",
    "content_type",
    "length",
    "length_aggregate_in_bytes",
    "md5",
    "sha256",
    "backend",
    "file_path",
    "format",
    "size",
    "width",
    "height",
    "duration",
    "status",
]
NAMES = ["a", "B", "b", "Ä", "z", "é", "ﬁ", "\U0001f3ac", "10", "9", "a b", "a-b", ""]


def _orders() -> Iterator[tuple[Order, ...]]:
    yield ()
    for field in FIELDS:
        yield ((field, False),)
        yield ((field, True),)
    yield (("_created", True), ("_id", False))
    yield (("_created", False), ("width", False))
    yield (("_id", True), ("description", True))
    yield (("width", True), ("_created", False), ("filename", True))


ORDERS = list(_orders())


def test_pages_by_every_order(shelf: Shelf) -> None:
    shelf.add(
        *(
            {
                "created": NOW + n % 3,
                "filename": NAMES[n % len(NAMES)],
                "description": None if n % 4 == 0 else NAMES[n % 5],
                "width": None if n % 3 == 0 else n % 5,
                "length": n % 7,
            }
            for n in range(30)
        )
    )
    for order in ORDERS:
        for page in (3, 1, 4, 2, 9):
            shelf.check_page(order, 10, page)


@pytest.mark.parametrize("where", [{}, {"project": "PROJECT"}, {"status": "complete"}])
def test_a_page_beyond_the_end_is_empty(shelf: Shelf, where: dict[str, str]) -> None:
    shelf.add({}, {}, {})
    where = {name: value.replace("PROJECT", shelf.project.id) for name, value in where.items()}
    for page in (2, 3, 1 << 40):
        assert shelf.find(where, limit=3, page=page) == (3, [])


REQUESTS = st.tuples(
    st.just("page"),
    st.sampled_from([*ORDERS[:5], (("_created", True), ("_id", True)), (("width", False),)]),
    st.sampled_from([2, 3]),
    st.integers(1, 9),
)
MOVES = st.one_of(
    REQUESTS,
    REQUESTS,
    REQUESTS,
    st.tuples(st.just("add"), st.integers(0, 3)),
    st.tuples(st.just("delete"), WHICH),
    st.tuples(st.just("forget"), WHICH),
)


@SEQUENCES
@given(
    start=st.lists(st.integers(0, 3), max_size=20),
    moves=st.lists(MOVES, min_size=10, max_size=30),
)
def test_bookmarks_never_show(
    database: Database, start: list[int], moves: list[tuple[Any, ...]]
) -> None:
    shelf = Shelf(database)
    shelf.add(*({"created": second, "width": second or None} for second in start))
    for verb, *rest in moves:
        match verb:
            case "page":
                shelf.check_page(*rest)
            case "add":
                shelf.add({"created": rest[0], "width": rest[0] or None})
            case _:
                getattr(shelf, verb)(*rest)


def test_a_list_shows_the_newest_state(shelf: Shelf) -> None:
    shelf.add({}, {})
    shelf.check_page((), 5, 1)
    shelf.grow(0, 3)
    shelf.check_page((), 5, 1)


def test_unknown_orders_are_refused(shelf: Shelf) -> None:
    for field in ("_deleted", "nonsense", "variations", "user_id"):
        with pytest.raises(BadRequest, match=field):
            shelf.find({}, [(field, False)])


# --- where ---

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
ROWS: list[dict[str, Any]] = [
    {"created": NOW, "description": None, "width": None, "length": 0},
    {"created": NOW + 1, "description": "", "width": 0, "length": 7},
    {"created": NOW + 1, "description": "still", "width": 7, "length": 8},
    {"created": 0, "description": "Still", "width": -7, "length": 1 << 53},
    {"created": NOW + 86400, "description": "stills'; --", "width": 8, "length": 1 << 62},
]
"""What the files hold that the conditions are put to."""

VALUES: list[Any] = [
    None,
    True,
    0,
    7,
    7.0,
    7.5,
    -8,
    1 << 53,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    -(1 << 63) - 1,
    10**400,
    -(10**400),
    1e300,
    "",
    "still",
    "7",
    "sti\0ll",
    "\0",
    "s" * 10_000,
    "stills'; --",
    "%",
    formatdate(NOW + 1, usegmt=True),
    formatdate(0, usegmt=True),
    formatdate(NOW + 1),
    "Sun, 99 Nov 2026 17:38:00 GMT",
    ["still"],
    [],
    {},
]

KINDS = {"description": "text", "_created": "date", "width": "number", "length": "number"}
DATES = {formatdate(NOW + 1, usegmt=True): NOW + 1, formatdate(0, usegmt=True): 0}
DATES[formatdate(NOW + 1)] = NOW + 1


def _comparable(kind: str, value: Any) -> Any:
    """The value in the terms of the field, or None where it is of another kind."""
    if kind == "date":
        return DATES.get(value) if isinstance(value, str) else None
    if kind == "text":
        return value if isinstance(value, str) and "\0" not in value else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _matches(kind: str, here: Any, verb: str, value: Any) -> bool:
    """What the condition means, in words of Python."""
    if verb in ("$in", "$nin"):
        return any(_matches(kind, here, "$eq", each) for each in value) == (verb == "$in")
    wanted = _comparable(kind, value)
    if verb in ("$eq", "$ne"):
        equal = here is None if value is None else wanted is not None and here == wanted
        return equal == (verb == "$eq")
    return here is not None and wanted is not None and COMPARISONS[verb](here, wanted)


def _found(shelf: Shelf, where: dict[str, Any]) -> set[str]:
    total, ids = shelf.find(where)
    assert total == len(ids)
    return set(ids)


@pytest.mark.parametrize("field", KINDS)
def test_every_operator_with_every_value(shelf: Shelf, field: str) -> None:
    shelf.add(*ROWS)
    conditions: list[tuple[str, Any]] = [
        (verb, value) for verb in (*COMPARISONS, "$eq", "$ne") for value in VALUES
    ]
    lists = [[value] for value in VALUES] + [[], ["still", None, 7], [7, "7", True], VALUES]
    conditions += [(verb, value) for verb in ("$in", "$nin") for value in lists]
    for verb, value in conditions:
        if value is None and verb in COMPARISONS:
            with pytest.raises(BadRequest, match="null"):
                shelf.find({field: {verb: value}})
            continue
        expected = {
            file.id
            for file in shelf.files.values()
            if _matches(KINDS[field], held(file, field), verb, value)
        }
        assert _found(shelf, {field: {verb: value}}) == expected, (field, verb, value)
        if verb == "$eq":
            assert _found(shelf, {field: value}) == expected, (field, value)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_can_be_asked_for(shelf: Shelf, field: str) -> None:
    every = {
        "description": "d",
        "md5": "0" * 32,
        "sha256": "1" * 64,
        "format": "png",
        "size": "xl",
        "width": 3,
        "height": 4,
        "duration": 5,
        "updated": NOW + 9,
        "filename": "that.png",
        "content_type": "image/x-that",
        "backend": "other",
        "length": 12345,
        "created": NOW + 5,
        "status": "failed",
    }
    this, _ = shelf.add(every, {})
    value = held(this, field)
    if field in ("_created", "_updated"):
        value = formatdate(value, usegmt=True)
    expected = set(shelf.files) if field == "project" else {this.id}

    assert _found(shelf, {field: value}) == expected
    assert _found(shelf, {field: {"$in": [value]}}) == expected
    assert _found(shelf, {field: {"$ne": value}}) == set(shelf.files) - expected


def test_conditions_narrow_one_another(shelf: Shelf) -> None:
    shelf.add(*ROWS)
    widths = {
        file.width
        for file in shelf.files.values()
        if file.id in _found(shelf, {"width": {"$gt": -7, "$lt": 8}})
    }
    assert widths == {0, 7}
    assert _found(shelf, {"width": 7, "length": 7}) == set()
    assert len(_found(shelf, {"width": 7, "length": 8, "project": shelf.project.id})) == 1


def test_fields_that_files_do_not_have_are_absent_from_all(shelf: Shelf) -> None:
    (file,) = shelf.add({})
    for field in ("parent", "user_id", "deleted", "a.b", "filename.x", "", "\0"):
        nothings: list[Any] = [1, "x", {"$in": []}, {"$gt": 1}, {"$exists": True}, {"$ne": None}]
        for nothing in nothings:
            assert shelf.find({field: nothing}) == (0, [])
        everythings: list[Any] = [None, {"$ne": 1}, {"$nin": ["x"]}, {"$exists": False}]
        for everything in everythings:
            assert shelf.find({field: everything}) == (1, [file.id])


@pytest.mark.parametrize("project", ["\0", "", "x", UNKNOWN, UNKNOWN.upper(), "%", UNKNOWN + "\n"])
@pytest.mark.parametrize("actor", [ANONYMOUS, ADMIN])
def test_a_project_that_is_none_has_no_files(shelf: Shelf, project: str, actor: Actor) -> None:
    shelf.add({})
    assert shelf.find({"project": project}, actor=actor) == (0, [])


@SEQUENCES
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_text_for_a_date_is_too_strange(database: Database, text: str) -> None:
    listing = Listing()
    for where in ({"_created": text}, {"_updated": {"$gt": f"Sun, 22 Nov 2026 {text}"}}):
        database.read_now(partial(listing.page, actor=ADMIN, query=FileQuery(where=where)))


def test_a_date_without_a_zone_is_utc(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    (file,) = shelf.add({"created": 1_470_056_153})
    for zone in (" GMT", " -0000", " +0000", ""):
        assert _found(shelf, {"_created": f"Mon, 01 Aug 2016 12:55:53{zone}"}) == {file.id}


# --- People ---


@pytest.fixture
def user(database: Database) -> User:
    user = a_user(roles=("subscriber", "video-encoder"))
    database.write_now(lambda tx: people.add_user(tx, user))
    return user


def test_a_user_comes_out_as_it_was_put(database: Database, user: User) -> None:
    assert database.read_now(lambda tx: people.get_user(tx, user.id)) == user
    assert database.read_now(lambda tx: people.find_user(tx, user.username)) == user
    assert database.read_now(lambda tx: people.find_user(tx, "nobody")) is None
    with pytest.raises(NotFound, match=UNKNOWN):
        database.read_now(lambda tx: people.get_user(tx, UNKNOWN))


def test_a_user_is_in_his_groups(database: Database, user: User) -> None:
    two, one, without = a_group(), a_group(), a_group()

    def make(tx: Tx) -> None:
        for group, members in ((two, [user.id]), (one, [user.id]), (without, [])):
            projects.add_group(tx, group, members)

    database.write_now(make)
    found = database.read_now(lambda tx: people.get_user(tx, user.id))
    assert found.groups == tuple(sorted([one.id, two.id]))


async def test_a_name_is_given_to_one_user_only(database: Database) -> None:
    twins = [a_user(username="twin") for _ in range(4)]
    with opened(address(database)) as other:
        outcomes = await asyncio.gather(
            *(
                db.write(partial(people.add_user, user=twin))
                for db, twin in zip([database, other] * 2, twins, strict=True)
            ),
            return_exceptions=True,
        )

    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [type(each) for each in refused] == [Conflict] * 3
    assert "twin" in str(refused[0])
    winner = twins[outcomes.index(None)]
    assert database.read_now(lambda tx: people.find_user(tx, "twin")) == winner


def test_the_oldest_admin_has_that_very_role(database: Database) -> None:
    assert not database.read_now(people.any_exists)
    assert database.read_now(people.oldest_admin) is None
    users = [
        a_user(id=f"{number:024x}", roles=roles)
        for number, roles in enumerate([("administrator",), (), ("demo", "admin"), ("admin",)])
    ]
    for each in reversed(users):
        database.write_now(partial(people.add_user, user=each))

    assert database.read_now(people.any_exists)
    assert database.read_now(people.oldest_admin) == users[2]


TOKENS = [
    # expires, kept for, asked for, disabled: found?
    (None, "", "", False, True),
    (NOW + 1, "", "", False, True),
    (NOW, "", "", False, False),
    (NOW - 1, "", "", False, False),
    (None, "addon", "addon", False, True),
    (None, "addon", "", False, False),
    (None, "addon", "Addon", False, False),
    (None, "", "addon", False, False),
    (None, "", "", True, False),
    (None, "addon", "addon", True, False),
]


@pytest.mark.parametrize(("expires", "kept", "asked", "disabled", "found"), TOKENS)
def test_whose_token_it_is(
    database: Database, expires: int | None, kept: str, asked: str, disabled: bool, found: bool
) -> None:
    user = a_user(disabled=disabled)
    token = Token(id=new_id(), user=user.id, created=NOW, expires=expires, subclient=kept)

    def make(tx: Tx) -> None:
        people.add_user(tx, user)
        people.add_token(tx, token, "hash")

    database.write_now(make)
    bearer = database.read_now(lambda tx: people.bearer(tx, "hash", asked, float(NOW)))
    assert bearer == (user if found else None)
    assert database.read_now(lambda tx: people.bearer(tx, "other", asked, float(NOW))) is None


def test_a_token_dies_at_its_second(database: Database, user: User) -> None:
    token = Token(id=new_id(), user=user.id, created=NOW, expires=NOW)
    database.write_now(lambda tx: people.add_token(tx, token, "hash"))

    assert database.read_now(lambda tx: people.bearer(tx, "hash", "", NOW - 0.25)) == user
    assert database.read_now(lambda tx: people.bearer(tx, "hash", "", NOW + 0.0)) is None
