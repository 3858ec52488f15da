"""Projects, their lists and their members, on each database."""

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from tests.catalog.documents import NOW, a_group, a_project, a_user, granted
from tests.support.databases import address, opened

from cella.catalog import members, people, project_listing, projects
from cella.catalog.project_listing import ProjectPage, ProjectQuery
from cella.catalog.tables import grants
from cella.db import Database, Tx
from cella.errors import BadRequest, Conflict, NotFound, PreconditionFailed
from cella.ids import new_etag, new_id
from cella.model import ANONYMOUS, METHODS, Actor, Permissions, Project, User

ADMIN = Actor(user=new_id(), roles=frozenset({"admin"}))
UNKNOWN = "5f0123456789abcdef012345"


@pytest.fixture
def owner(database: Database) -> User:
    """A user in the catalogue."""
    user = a_user()
    database.write_now(lambda tx: people.add_user(tx, user))
    return user


def put(database: Database, *new: Project) -> None:
    """Put the projects into the catalogue."""

    def work(tx: Tx) -> None:
        for project in new:
            projects.add(tx, project)

    database.write_now(work)


def next_state(project: Project, **fields: Any) -> Project:
    """The next state of the project."""
    return msgspec.structs.replace(project, etag=new_etag(), **fields)


def grant_rows(database: Database, project: Project) -> set[tuple[str, str, str]]:
    """What `grants` says of the project."""
    query = sa.select(grants.c.kind, grants.c.subject, grants.c.method).where(
        grants.c.project_id == project.id
    )
    return database.read_now(lambda tx: {(*row,) for row in tx.execute(query)})


# --- One project ---


def test_a_project_comes_out_as_it_was_put(database: Database, owner: User) -> None:
    plain = a_project(owner.id)
    full = a_project(
        owner.id,
        summary="Ä dog",
        description="of\n\U0001f3ac",
        status="pending",
        category="game",
        permissions=granted(world=("GET",), users={owner.id: METHODS}, groups={UNKNOWN: ()}),
    )
    put(database, plain, full)
    for project in (plain, full):
        assert database.read_now(partial(projects.get, project_id=project.id)) == project


def test_ids_and_urls_are_taken_once(database: Database, owner: User) -> None:
    first, gone = a_project(owner.id), a_project(owner.id, deleted=NOW)
    put(database, first, gone)
    for twin in (
        a_project(owner.id, id=first.id),
        a_project(owner.id, url=first.url),
        a_project(owner.id, url=gone.url),
    ):
        with pytest.raises(Conflict):
            put(database, twin)
    ids, urls = {first.id, gone.id, owner.id, UNKNOWN}, {first.url, gone.url, "free"}
    taken = database.read_now(lambda tx: projects.taken(tx, ids, urls))
    assert taken == (ids - {UNKNOWN}, urls - {"free"})
    assert database.read_now(lambda tx: projects.taken(tx, {first.id}, {gone.url})) == (
        {first.id},
        {gone.url},
    )


def test_a_founded_project_has_a_group_of_its_own(database: Database, owner: User) -> None:
    draft = a_project(owner.id, permissions=granted(world=("GET",), groups={UNKNOWN: ("GET",)}))
    project = database.write_now(lambda tx: projects.found(tx, draft))
    assert database.read_now(lambda tx: projects.get(tx, draft.id)) == project
    own, other = project.permissions.groups
    assert own.methods == METHODS
    assert (other.subject, project.permissions.world) == (UNKNOWN, ("GET",))

    user = database.read_now(lambda tx: people.get_user(tx, owner.id))
    assert user.groups == (own.subject,)
    assert user.etag != owner.etag
    assert database.read_now(lambda tx: members.own_group(tx, project)) == own.subject
    listed = database.read_now(lambda tx: members.listing(tx, own.subject))
    assert [member.id for member in listed] == [owner.id]


def test_grants_follow_the_permissions(database: Database, owner: User) -> None:
    project = a_project(owner.id, permissions=granted(world=("GET",)))
    put(database, project)
    assert grant_rows(database, project) == {("world", "", "GET")}
    wanted = granted(users={owner.id: ("GET", "PUT")}, groups={UNKNOWN: ("GET",)})
    new = next_state(project, permissions=wanted, name="New")
    database.write_now(lambda tx: projects.replace(tx, project, new))
    assert database.read_now(lambda tx: projects.get(tx, project.id)) == new
    assert grant_rows(database, project) == {
        ("user", owner.id, "GET"),
        ("user", owner.id, "PUT"),
        ("group", UNKNOWN, "GET"),
    }
    database.write_now(
        lambda tx: projects.replace(tx, new, next_state(new, permissions=Permissions()))
    )
    assert grant_rows(database, project) == set()


def test_replace_refuses_a_state_that_is_past(database: Database, owner: User) -> None:
    first = a_project(owner.id, permissions=granted(world=("GET",)))
    second = next_state(first, name="second")
    put(database, first)
    database.write_now(lambda tx: projects.replace(tx, first, second))
    late = next_state(first, permissions=Permissions())
    with pytest.raises(PreconditionFailed):
        database.write_now(lambda tx: projects.replace(tx, first, late))
    assert database.read_now(lambda tx: projects.get(tx, first.id)) == second
    assert grant_rows(database, first) == {("world", "", "GET")}


def test_replace_refuses_an_url_that_is_taken(database: Database, owner: User) -> None:
    first, second = a_project(owner.id), a_project(owner.id)
    put(database, first, second)
    with pytest.raises(Conflict):
        database.write_now(
            lambda tx: projects.replace(tx, second, next_state(second, url=first.url))
        )
    assert database.read_now(lambda tx: projects.get(tx, second.id)) == second


async def test_of_racing_writers_one_wins(database: Database, owner: User) -> None:
    old = a_project(owner.id)
    put(database, old)
    states = [
        next_state(old, name=f"{n}", permissions=granted(users={UNKNOWN: METHODS[:n]}))
        for n in range(1, 5)
    ]
    with ExitStack() as stack:
        others = [stack.enter_context(opened(address(database))) for _ in states]
        outcomes = await asyncio.gather(
            *(
                other.write(partial(projects.replace, old=old, new=new))
                for other, new in zip(others, states, strict=True)
            ),
            return_exceptions=True,
        )
    lost = [type(outcome) for outcome in outcomes if outcome is not None]
    assert lost == [PreconditionFailed] * (len(states) - 1)
    winner = states[outcomes.index(None)]
    assert database.read_now(lambda tx: projects.get(tx, old.id)) == winner
    assert {method for _, _, method in grant_rows(database, old)} == set(
        winner.permissions.users[0].methods
    )


def test_who_adds_to_a_project_and_who_deletes_it_wait_for_each_other(
    database: Database, owner: User
) -> None:
    """On SQLite all writers wait for one another anyway."""
    if database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    project = a_project(owner.id)
    put(database, project)
    adding = partial(projects.get, project_id=project.id, for_adding=True)
    deleting = partial(projects.get, project_id=project.id, for_change=True)

    def impatient(tx: Tx, work: partial[Project]) -> Project:
        tx.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
        return work(tx)

    with opened(address(database)) as other:

        def while_held(tx: Tx, first: partial[Project], second: partial[Project]) -> Project:
            first(tx)
            return other.write_now(lambda tx: impatient(tx, second))

        for first, second in ((adding, deleting), (deleting, adding), (deleting, deleting)):
            with pytest.raises(OperationalError, match="lock timeout"):
                database.write_now(partial(while_held, first=first, second=second))
        assert database.write_now(partial(while_held, first=adding, second=adding)) == project


# --- Members ---


def test_members_come_and_go(database: Database, owner: User) -> None:
    project = database.write_now(lambda tx: projects.found(tx, a_project(owner.id)))
    group = project.permissions.groups[0].subject
    guest = a_user()
    database.write_now(lambda tx: people.add_user(tx, guest))
    join = partial(members.join, group_id=group, user_id=guest.id, now=NOW + 5)
    leave = partial(members.leave, group_id=group, user_id=guest.id, now=NOW + 6)
    etags = []
    for step, there in ((join, True), (join, True), (leave, False), (leave, False)):
        member = database.write_now(step)
        assert (member.id, member.username) == (guest.id, guest.username)
        user = database.read_now(lambda tx: people.get_user(tx, guest.id))
        assert (group in user.groups) is there
        listed = database.read_now(lambda tx: members.listing(tx, group))
        assert [each.id for each in listed] == [owner.id] + [guest.id] * there
        etags.append(user.etag)
    assert etags[0] == etags[1] != guest.etag
    assert etags[2] == etags[3] not in (guest.etag, etags[0])


def test_unknown_users_join_nothing(database: Database, owner: User) -> None:
    project = database.write_now(lambda tx: projects.found(tx, a_project(owner.id)))
    group = project.permissions.groups[0].subject
    for step in (members.join, members.leave):
        with pytest.raises(NotFound, match=UNKNOWN):
            database.write_now(partial(step, group_id=group, user_id=UNKNOWN, now=NOW))


def test_a_group_that_is_only_named_is_not_ones_own(database: Database, owner: User) -> None:
    other = database.write_now(lambda tx: projects.found(tx, a_project(owner.id)))
    plain = a_group()
    groups = {plain.id: METHODS, other.permissions.groups[0].subject: METHODS}
    project = a_project(owner.id, permissions=granted(groups=groups))

    def work(tx: Tx) -> None:
        projects.add_group(tx, plain, [owner.id])
        projects.add(tx, project)

    database.write_now(work)
    assert database.read_now(lambda tx: members.own_group(tx, project)) is None


async def test_one_joins_once_however_often_at_once(database: Database, owner: User) -> None:
    project = database.write_now(lambda tx: projects.found(tx, a_project(owner.id)))
    group = project.permissions.groups[0].subject
    guest = a_user()
    database.write_now(lambda tx: people.add_user(tx, guest))
    join = partial(members.join, group_id=group, user_id=guest.id, now=NOW)
    with ExitStack() as stack:
        others = [stack.enter_context(opened(address(database))) for _ in range(4)]
        await asyncio.gather(*(other.write(join) for other in others))
    listed = database.read_now(lambda tx: members.listing(tx, group))
    assert [member.id for member in listed] == [owner.id, guest.id]


# --- Lists ---


def page_of(database: Database, actor: Actor, **query: Any) -> ProjectPage:
    """A page of what the actor may read."""
    listing = partial(project_listing.listing, actor=actor, query=ProjectQuery(**query))
    return database.read_now(listing)


def find(database: Database, actor: Actor, **query: Any) -> tuple[int, list[str]]:
    """How many there are in all, and the ids of the page."""
    page = page_of(database, actor, **query)
    return page.total, [project.id for project in page.projects]


@pytest.mark.parametrize("asked", [{"deleted": True}, {"where": {"_deleted": True}}])
def test_deleted_projects_are_listed_to_who_may_delete(
    database: Database, owner: User, asked: dict[str, Any]
) -> None:
    plain = granted(world=("GET", "DELETE"))
    for_owner = granted(users={owner.id: METHODS})
    to_read = granted(users={owner.id: ("GET", "PUT")})
    to_delete = granted(users={owner.id: ("DELETE",)})
    gone = [
        a_project(owner.id, permissions=permissions, deleted=NOW)
        for permissions in (plain, for_owner, to_read, to_delete)
    ]
    put(database, *gone)
    ids = [project.id for project in gone]
    for actor, seen in (
        (ADMIN, ids),
        (Actor(user=owner.id), ids[:2]),
        (Actor(user=UNKNOWN), ids[:1]),
        (ANONYMOUS, []),
    ):
        assert find(database, actor, **asked) == (len(seen), seen)
        assert find(database, actor) == (0, [])


TEXTS = st.sampled_from([None, "", "a", "ab", "\u00e4", "\U0001f3ac"])
SHAPES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["A", "a", "b"]),
        "created": st.integers(NOW, NOW + 2),
        "summary": TEXTS,
        "description": TEXTS,
    }
)
ORDERS = st.lists(
    st.tuples(st.sampled_from(["name", "_created", "summary", "description"]), st.booleans()),
    max_size=3,
    unique_by=lambda order: order[0],
)


@settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(shapes=st.lists(SHAPES, max_size=8), sort=ORDERS, limit=st.integers(1, 4))
def test_all_pages_together_are_the_whole(
    database: Database, shapes: list[dict[str, Any]], sort: list[tuple[str, bool]], limit: int
) -> None:
    owner = a_user()
    database.write_now(lambda tx: people.add_user(tx, owner))
    mine = granted(users={owner.id: ("GET",)})
    shelf = [a_project(owner.id, permissions=mine, **fields) for fields in shapes]
    put(database, *shelf)
    reader = Actor(user=owner.id)
    wanted = [project.id for project in in_order(shelf, sort)]

    by_page, by_cursor, cursor = [], [], None
    for number in range(1, len(shelf) // limit + 2):
        page = page_of(database, reader, sort=tuple(sort), limit=limit, page=number)
        assert page.total == len(shelf)
        assert (page.next is None) == (number * limit >= len(shelf))
        by_page += [project.id for project in page.projects]
    assert by_page == wanted

    while True:
        page = page_of(database, reader, sort=tuple(sort), limit=limit, cursor=cursor)
        by_cursor += [project.id for project in page.projects]
        cursor = page.next
        if cursor is None:
            break
    assert by_cursor == wanted


def in_order(shelf: list[Project], sort: list[tuple[str, bool]]) -> list[Project]:
    """The projects, sorted in plain Python; nothing is less than anything."""
    rows = sorted(shelf, key=lambda project: project.id, reverse=bool(sort and sort[-1][1]))
    for field, descends in reversed(sort):
        rows.sort(key=partial(_null_first, field=field.removeprefix("_")), reverse=descends)
    return rows


def _null_first(project: Project, field: str) -> tuple[bool, Any]:
    value = getattr(project, field)
    return value is not None, value


def test_a_cursor_of_another_order_is_refused(database: Database, owner: User) -> None:
    put(database, *(a_project(owner.id) for _ in range(3)))
    page = page_of(database, ADMIN, sort=(("name", False),), limit=1)
    assert page.next is not None
    for sort, cursor in (((("name", True),), page.next), ((), page.next), ((), "garbage")):
        with pytest.raises(BadRequest, match="cursor"):
            find(database, ADMIN, sort=sort, cursor=cursor)
