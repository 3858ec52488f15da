"""Users, their passwords and tokens, and failed sign-ins, on each database."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import msgspec
import pytest
import sqlalchemy as sa
from tests.catalog.documents import NOW, a_group, a_user
from tests.support.databases import address, opened

from cella.catalog import attempts, people, projects, sessions, user_listing
from cella.catalog.attempts import Budget
from cella.catalog.sessions import Session
from cella.catalog.tables import attempts as attempts_table
from cella.catalog.user_listing import UserPage, UserQuery
from cella.db import Database, Tx
from cella.errors import Conflict, NotFound, PreconditionFailed
from cella.ids import new_etag, new_id
from cella.model import Token, User

PASSWORD = Budget("k" * 64, most=3, window=300)


@pytest.fixture
def others(database: Database) -> Iterator[list[Database]]:
    """The same database, as four more processes have it open."""
    with ExitStack() as stack:
        yield [stack.enter_context(opened(address(database))) for _ in range(4)]


def add(database: Database, **fields: object) -> User:
    """A user in the catalogue."""
    user = a_user(**fields)
    database.write_now(lambda tx: people.add_user(tx, user))
    return user


def next_state(user: User, **fields: object) -> User:
    """The user with another etag."""
    return msgspec.structs.replace(user, etag=new_etag(), **fields)


def get(database: Database, user: User) -> User:
    """The user, as the catalogue has it."""
    return database.read_now(lambda tx: people.get_user(tx, user.id))


def a_group_of(database: Database, *members: User) -> str:
    """The id of a new group."""
    group = a_group()
    database.write_now(lambda tx: projects.add_group(tx, group, [user.id for user in members]))
    return group.id


# --- Users ---


def test_a_user_is_replaced_with_groups_and_all(database: Database) -> None:
    user = add(database)
    left, kept, joined = (a_group_of(database) for _ in range(3))
    first = next_state(user, groups=(left, kept))
    database.write_now(lambda tx: people.replace_user(tx, user, first))
    assert get(database, user) == first

    full = next_state(
        first,
        updated=NOW + 1,
        username="ada",
        full_name="Ada Ä \U0001f3ac",
        email="ada@x.example",
        roles=("admin", "demo"),
        groups=(kept, joined),
        settings={"a": [{"b": None}], "\0": "\0"},
        disabled=True,
    )
    database.write_now(lambda tx: people.replace_user(tx, first, full))
    assert get(database, user) == full


def test_replace_user_refuses_a_state_that_is_past(database: Database) -> None:
    user = add(database)
    group = a_group_of(database)
    database.write_now(lambda tx: people.replace_user(tx, user, next_state(user, full_name="New")))
    present = get(database, user)
    late = next_state(user, full_name="Late", groups=(group,))
    with pytest.raises(PreconditionFailed):
        database.write_now(lambda tx: people.replace_user(tx, user, late))
    assert get(database, user) == present


def test_a_name_is_one_user_s(database: Database) -> None:
    one, other = add(database), add(database)
    with pytest.raises(Conflict, match=one.username):
        database.write_now(
            lambda tx: people.replace_user(tx, other, next_state(other, username=one.username))
        )
    with pytest.raises(Conflict, match=one.username):
        add(database, username=one.username)
    assert get(database, other) == other


def test_joining_a_group_is_a_change(database: Database) -> None:
    user = add(database)
    group = a_group_of(database, user)
    found = get(database, user)
    assert found.groups == (group,)
    assert found.etag != user.etag


def test_two_at_most_are_found_by_their_address(database: Database) -> None:
    found = [add(database, email="both@x.example") for _ in range(3)]
    add(database, email="Both@x.example")
    for email in ("both@x.example", "BOTH@X.example"):
        assert database.write_now(partial(people.by_email, email=email)) == found[:2]
    assert database.write_now(lambda tx: people.by_email(tx, "none@x.example")) == []


def test_administrators_count_who_may_sign_in(database: Database) -> None:
    wanted = {add(database, roles=roles).id for roles in (("admin",), ("x", "admin", "y"))}
    add(database, roles=("administrator", "not-admin"))
    add(database, roles=("admin",), disabled=True)
    add(database)
    assert database.write_now(people.enabled_admins) == wanted


async def test_of_administrators_who_give_up_at_once_one_stays(
    database: Database, others: list[Database]
) -> None:
    admins = [add(database, roles=("admin",)) for _ in others]

    def resign(tx: Tx, admin: User) -> bool:
        if people.enabled_admins(tx) == {admin.id}:
            return False
        people.replace_user(tx, admin, next_state(admin, roles=()))
        return True

    resigned = await asyncio.gather(
        *(
            other.write(partial(resign, admin=admin))
            for other, admin in zip(others, admins, strict=True)
        )
    )
    assert sorted(resigned) == [False, True, True, True]
    assert len(database.write_now(people.enabled_admins)) == 1


def test_only_those_that_there_are_are_known(database: Database) -> None:
    user, group = add(database), a_group_of(database)
    asked = [user.id, group, new_id()]
    assert database.read_now(lambda tx: people.known_users(tx, asked)) == {user.id}
    assert database.read_now(lambda tx: people.known_groups(tx, asked)) == {group}
    assert database.read_now(lambda tx: people.known_groups(tx, [])) == set()


# --- Lists ---


def test_users_are_listed_in_any_order_and_in_pages(database: Database) -> None:
    ada, bob, eve = (
        add(database, username=name, full_name=full, created=NOW + n)
        for n, (name, full) in enumerate([("ada", "B"), ("bob", "A"), ("eve", "B")])
    )
    group = a_group_of(database, eve)

    def find(only: str | None = None, **query: object) -> tuple[int, list[str]]:
        found = database.read_now(
            lambda tx: user_listing.listing(tx, msgspec.convert(query, UserQuery), only)
        )
        return found.total, [user.username for user in found.users]

    assert find() == (3, ["ada", "bob", "eve"])
    assert find(sort=[("full_name", False)]) == (3, ["bob", "ada", "eve"])
    assert find(sort=[("full_name", True)]) == (3, ["eve", "ada", "bob"])
    assert find(sort=[("full_name", False), ("_created", True)]) == (3, ["bob", "eve", "ada"])
    assert find(limit=2, page=2) == (3, ["eve"])
    assert find(limit=2, page=3) == (3, [])
    assert find(where={"full_name": "B"}, limit=1) == (2, ["ada"])
    assert find(only=bob.id) == (1, ["bob"])
    assert find(only=bob.id, where={"full_name": "B"}) == (0, [])
    assert database.read_now(people.all_users)[2].groups == (group,)
    assert get(database, ada) == ada


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"roles": "admin"}, ["ada", "bob"]),
        ({"roles": {"$in": ["demo", "x"]}}, ["ada"]),
        ({"roles": {"$nin": ["demo"]}}, ["bob", "eve"]),
        ({"roles": {"$all": ["demo", "admin"]}}, ["ada"]),
        ({"$or": [{"roles": "demo"}, {"roles": "a"}]}, ["ada", "bob"]),
        ({"roles": {"$gt": "a-b"}}, ["ada", "bob"]),
        ({"roles": {"$gt": "admin"}}, ["ada"]),
        ({"roles": {"$regex": "^ad"}}, ["ada", "bob"]),
        ({"roles": {"$exists": False}}, ["eve"]),
        ({"roles": None}, ["eve"]),
        ({"roles": {"$ne": None}}, ["ada", "bob"]),
        ({"roles": 7}, []),
        ({"roles": "\0"}, []),
        ({"groups": "GROUP"}, ["bob"]),
        ({"groups": {"$ne": "GROUP"}}, ["ada", "eve"]),
        ({"groups": None}, ["ada", "eve"]),
        ({"groups": "x"}, []),
        ({"settings.x": 1, "roles": "admin"}, []),
        ({"disabled": True}, []),
        ({"$text": {"$search": "BOB"}}, ["bob"]),
    ],
)
def test_users_are_found_by_roles_and_groups(
    database: Database, where: dict[str, object], found: list[str]
) -> None:
    add(database, username="ada", roles=("demo", "admin"))
    bob = add(database, username="bob", roles=("a", "a", "admin"))
    add(database, username="eve", disabled=True, settings={"x": 1})
    group = a_group_of(database, bob)
    wanted = json.loads(json.dumps(where).replace("GROUP", group))
    query = UserQuery(where=wanted, sort=(("username", False),))
    page = database.read_now(lambda tx: user_listing.listing(tx, query, None))
    assert [user.username for user in page.users] == found
    assert page.total == len(found)


@pytest.mark.parametrize(
    "sort", [(), (("full_name", True),), (("full_name", False), ("_id", True))]
)
def test_cursors_go_through_all_users(
    database: Database, sort: tuple[tuple[str, bool], ...]
) -> None:
    for n in range(7):
        add(database, full_name="AB"[n % 2])

    def page(limit: int, cursor: str | None = None) -> UserPage:
        query = UserQuery(sort=sort, limit=limit, cursor=cursor)
        return database.read_now(lambda tx: user_listing.listing(tx, query, None))

    found: list[User] = []
    cursor = None
    while len(found) < 7:
        part = page(3, cursor)
        assert part.total == 7
        found += part.users
        cursor = part.next
    assert cursor is None
    assert found == page(100).users


# --- Passwords and tokens ---


def test_a_password_is_set_and_set_again(database: Database) -> None:
    user, other = add(database), add(database)
    for hashed in ("one", "two"):
        database.write_now(partial(people.set_password, user_id=user.id, hashed=hashed))
        assert database.read_now(lambda tx: people.login(tx, user.username)) == (user, hashed)
    assert database.read_now(lambda tx: people.login(tx, other.username)) == (other, None)
    assert database.read_now(lambda tx: people.login(tx, "nobody")) is None


def test_tokens_are_listed_revoked_and_dropped(database: Database) -> None:
    ada, bob = add(database, username="ada"), add(database, username="bob")
    made = [
        Token(id=f"{n:024x}", user=user.id, created=NOW, expires=expires, subclient=subclient)
        for n, (user, expires, subclient) in enumerate(
            [(bob, None, ""), (ada, NOW + 10, "addon"), (ada, NOW + 20, ""), (ada, None, "")]
        )
    ]

    def work(tx: Tx) -> None:
        for token in made:
            people.add_token(tx, token, token.id)

    database.write_now(work)
    everybodys = [("ada", made[1]), ("ada", made[2]), ("ada", made[3]), ("bob", made[0])]

    def listed(username: str | None = None) -> list[tuple[str, Token]]:
        found = database.read_now(lambda tx: people.issued(tx, username))
        return [(each.username, each.token) for each in found]

    assert listed() == everybodys
    assert listed("bob") == [("bob", made[0])]
    assert listed("eve") == []

    database.write_now(lambda tx: people.drop_expired(tx, bob.id, NOW + 100))
    assert listed() == everybodys
    database.write_now(lambda tx: people.drop_expired(tx, ada.id, NOW + 20))
    assert [token for _, token in listed("ada")] == made[2:]

    assert database.write_now(lambda tx: people.remove_token(tx, made[3].id))
    assert not database.write_now(lambda tx: people.remove_token(tx, made[3].id))
    assert [token for _, token in listed()] == [made[2], made[0]]


def test_an_unknown_user_is_not_found(database: Database) -> None:
    for for_change in (False, True):
        with pytest.raises(NotFound):
            database.write_now(partial(people.get_user, user_id=new_id(), for_change=for_change))


# --- Attempts ---


def try_it(database: Database, now: int = NOW, budget: Budget = PASSWORD) -> bool:
    """Count an attempt; whether there was one left."""
    return database.write_now(lambda tx: attempts.count(tx, budget, now))


def waiting(database: Database, now: int) -> int:
    """Seconds until there is an attempt left."""
    return database.read_now(lambda tx: attempts.wait(tx, PASSWORD, now))


def test_so_many_attempts_and_no_more(database: Database) -> None:
    assert [try_it(database) for _ in range(5)] == [True, True, True, False, False]
    assert try_it(database, budget=PASSWORD._replace(key="other"))
    assert waiting(database, NOW) == 300
    assert waiting(database, NOW + 299) == 1


def test_a_count_ends_with_its_window(database: Database) -> None:
    assert [try_it(database, NOW + n) for n in range(4)] == [True, True, True, False]
    assert not try_it(database, NOW + 299)
    assert [try_it(database, NOW + 300 + n) for n in range(4)] == [True, True, True, False]


def test_a_clock_that_was_far_ahead_shuts_nobody_out(database: Database) -> None:
    ahead = NOW + 90 * 24 * 3600
    assert [try_it(database, ahead) for _ in range(4)] == [True, True, True, False]
    assert not try_it(database, ahead - 2), "clocks differ a little"
    assert try_it(database, NOW)


def test_what_is_taken_back_does_not_count(database: Database) -> None:
    assert [try_it(database) for _ in range(3)] == [True] * 3
    database.write_now(lambda tx: attempts.take_back(tx, PASSWORD.key))
    assert [try_it(database), try_it(database)] == [True, False]
    database.write_now(lambda tx: attempts.clear(tx, PASSWORD.key))
    database.write_now(lambda tx: attempts.take_back(tx, PASSWORD.key))
    assert [try_it(database) for _ in range(4)] == [True, True, True, False]


def test_old_counts_are_swept(database: Database) -> None:
    for n in range(250):
        try_it(database, NOW + n, PASSWORD._replace(key=str(n)))

    def keys() -> set[str]:
        query = sa.select(attempts_table.c.key)
        return set(database.read_now(lambda tx: tx.execute(query).scalars().all()))

    database.write_now(lambda tx: attempts.sweep(tx, NOW + 200))
    assert keys() == {str(n) for n in range(100, 250)}
    for _ in range(2):
        database.write_now(lambda tx: attempts.sweep(tx, NOW + 200))
    assert keys() == {str(n) for n in range(200, 250)}


async def test_attempts_at_once_are_counted_one_by_one(
    database: Database, others: list[Database]
) -> None:
    count = partial(attempts.count, budget=PASSWORD._replace(most=25), now=NOW)
    for begin in (0, PASSWORD.window):
        counted = partial(count, now=NOW + begin)
        outcomes = await asyncio.gather(*(db.write(counted) for db in [database, *others] * 8))
        assert sorted(outcomes) == [False] * 15 + [True] * 25


def test_a_user_has_a_bounded_number_of_sessions(database: Database) -> None:
    ada, bob = add(database, username="ada"), add(database, username="bob")

    def sign_in(tx: Tx, user: User, at: int) -> None:
        sessions.make_room(tx, user.id, at)
        session = Session(user=user.id, token=None, created=at, expires=at + 1000)
        sessions.add(tx, session, f"{user.username} {at}")

    def work(tx: Tx) -> None:
        sign_in(tx, bob, NOW)
        for number in range(sessions.MOST + 5):
            sign_in(tx, ada, NOW + number)

    database.write_now(work)

    def current(name: str, at: int) -> bool:
        return database.read_now(lambda tx: sessions.holder(tx, f"{name} {at}", at)) is not None

    states = [current("ada", NOW + number) for number in range(sessions.MOST + 5)]
    assert states == [False] * 5 + [True] * sessions.MOST
    assert current("bob", NOW)
    database.write_now(lambda tx: sign_in(tx, ada, NOW + 5000))
    assert not current("ada", NOW + sessions.MOST)
