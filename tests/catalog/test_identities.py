"""Users whom a provider names, on each database."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import msgspec
import pytest
import sqlalchemy as sa
from tests.catalog.documents import NOW, a_user

from cella.catalog import identities, people
from cella.catalog.identities import Settled
from cella.catalog.tables import identities as identities_table
from cella.catalog.tables import tokens, users
from cella.db import Database
from cella.ids import new_etag, new_id
from cella.model import Identity, Token, User

ADA = Identity(
    provider="oidc:https://id.example",
    subject="0a1b",
    username="ada",
    full_name="Ada Lovelace",
    email="ada@studio.example",
    roles=("admin", "subscriber"),
    claimed=NOW,
)


def said(**fields: object) -> Identity:
    """What the provider says of Ada, with these differences."""
    return msgspec.structs.replace(ADA, **fields)


def settle(database: Database, identity: Identity, now: int = NOW) -> Settled:
    """Whom the provider means."""
    return database.write_now(lambda tx: identities.settle(tx, identity, now))


def get(database: Database, user: User) -> User:
    """The user as he is kept."""
    return database.read_now(lambda tx: people.get_user(tx, user.id))


def count(database: Database, table: sa.Table) -> int:
    """How many rows there are."""
    query = sa.select(sa.func.count()).select_from(table)
    return database.read_now(lambda tx: tx.execute(query).scalar_one())


def test_a_user_is_made_on_first_sight(database: Database) -> None:
    assert database.read_now(lambda tx: identities.find(tx, ADA)) is None
    made = settle(database, ADA)
    assert made.is_new
    assert get(database, made.user) == made.user
    assert made.user.username == "ada"
    assert made.user.roles == ("admin", "subscriber")
    assert (made.user.created, made.user.updated) == (NOW, NOW)
    known = database.read_now(lambda tx: identities.find(tx, ADA))
    assert known is not None
    assert known.user == made.user
    assert not known.is_behind(ADA)


def test_a_second_sight_changes_nothing(database: Database) -> None:
    made = settle(database, ADA)
    assert settle(database, ADA, NOW + 5) == Settled(made.user, is_new=False)
    assert settle(database, said(claimed=NOW + 5), NOW + 5) == Settled(made.user, is_new=False)


def test_what_the_provider_says_later_counts(database: Database) -> None:
    made = settle(database, ADA)
    later = said(
        username="other", full_name="Ada L", email="a@l.example", roles=("demo",), claimed=NOW + 1
    )
    changed = settle(database, later, NOW + 2).user
    assert changed == msgspec.structs.replace(
        made.user,
        full_name="Ada L",
        email="a@l.example",
        roles=("demo",),
        updated=NOW + 2,
        etag=changed.etag,
    )
    assert changed.etag != made.user.etag
    assert get(database, made.user) == changed


def test_what_the_provider_said_before_does_not_count_any_more(database: Database) -> None:
    """A role that was taken away does not come back with a token of before."""
    made = settle(database, ADA)
    settle(database, said(roles=(), claimed=NOW + 10))
    known = database.read_now(lambda tx: identities.find(tx, ADA))
    assert known is not None
    assert not known.is_behind(ADA)
    assert settle(database, ADA).user.roles == ()
    assert settle(database, said(claimed=NOW + 9)).user.roles == ()
    assert get(database, made.user).roles == ()
    assert settle(database, said(claimed=NOW + 11)).user.roles == ADA.roles


def test_equal_claims_that_are_newer_are_noted(database: Database) -> None:
    """Else a token between the two would count as the newest."""
    settle(database, ADA)
    settle(database, said(claimed=NOW + 10))
    assert settle(database, said(roles=(), claimed=NOW + 5)).user.roles == ADA.roles


def test_of_one_second_the_last_word_counts(database: Database) -> None:
    settle(database, ADA)
    assert settle(database, said(roles=())).user.roles == ()


def test_roles_that_were_given_here_stay_until_the_provider_says_otherwise(
    database: Database,
) -> None:
    user = settle(database, ADA).user
    given = msgspec.structs.replace(user, roles=("badger",), etag=new_etag())
    database.write_now(lambda tx: people.replace_user(tx, user, given))
    assert settle(database, said(claimed=NOW + 1)).user.roles == ("badger",)
    assert settle(database, said(roles=("demo",), claimed=NOW + 2)).user.roles == ("demo",)


def test_a_disabled_user_stays_as_he_is(database: Database) -> None:
    user = settle(database, ADA).user
    disabled = msgspec.structs.replace(user, disabled=True, etag=new_etag())
    database.write_now(lambda tx: people.replace_user(tx, user, disabled))
    found = settle(database, said(roles=("demo",), claimed=NOW + 1))
    assert found == Settled(disabled, is_new=False)
    assert get(database, user) == disabled


@pytest.mark.parametrize("email", ["ada@studio.example", "other@studio.example"])
def test_no_local_user_is_taken_over(database: Database, email: str) -> None:
    local = a_user(username="ada", email=email, full_name="Ada Lovelace", roles=("admin",))
    database.write_now(lambda tx: people.add_user(tx, local))
    made = settle(database, said(roles=()))
    assert made.is_new
    assert made.user.id != local.id
    assert made.user.username.startswith("ada-")
    assert get(database, local) == local
    assert settle(database, said(roles=())).user == made.user


def test_users_of_different_providers_are_different(database: Database) -> None:
    found = [
        settle(database, identity).user
        for identity in (
            ADA,
            said(subject="0A1B"),
            said(subject="0a1b "),
            said(provider="oidc:https://id.example/"),
            said(provider="blender-id:https://id.example"),
        )
    ]
    assert len({user.id for user in found}) == len({user.username for user in found}) == 5


def test_names_that_are_taken_many_times(database: Database) -> None:
    names = [
        settle(database, said(subject=f"subject {number}")).user.username for number in range(20)
    ]
    assert names[0] == "ada"
    assert len(set(names)) == 20


def test_two_first_sights_at_once_make_one_user(database: Database) -> None:
    together = Barrier(8)

    def first() -> Settled:
        together.wait(30)
        return settle(database, ADA)

    with ThreadPoolExecutor(8) as threads:
        found = [made.result() for made in [threads.submit(first) for _ in range(8)]]
    assert len({settled.user.id for settled in found}) == 1
    assert sorted(settled.is_new for settled in found) == [False] * 7 + [True]
    assert count(database, users) == count(database, identities_table) == 1


def test_different_users_at_once_get_different_names(database: Database) -> None:
    together = Barrier(6)

    def first(number: int) -> Settled:
        together.wait(30)
        return settle(database, said(subject=str(number)))

    with ThreadPoolExecutor(6) as threads:
        found = [made.result() for made in [threads.submit(first, n) for n in range(6)]]
    assert all(settled.is_new for settled in found)
    assert len({settled.user.username for settled in found}) == 6


def test_claims_at_once_leave_the_newest(database: Database) -> None:
    settle(database, ADA)
    together = Barrier(6)

    def follow(number: int) -> None:
        together.wait(30)
        settle(database, said(full_name=f"Ada {number}", claimed=NOW + number))

    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(follow, number) for number in range(1, 7)]:
            done.result()
    assert settle(database, ADA).user.full_name == "Ada 6"


# --- Tokens that a provider vouches for ---


def keep(database: Database, user: User, expires: int | None, **fields: str) -> Token:
    """Keep the token `hash` of the user, made now."""
    token = Token(id=new_id(), user=user.id, created=NOW, expires=expires, **fields)
    database.write_now(lambda tx: identities.keep_token(tx, token, "hash"))
    return token


def bearer(database: Database, now: int, subclient: str = "") -> str | None:
    """The name of whoever has the token `hash`."""
    user = database.read_now(lambda tx: people.bearer(tx, "hash", subclient, now))
    return None if user is None else user.username


def test_a_token_that_is_kept_is_current_until_it_expires(database: Database) -> None:
    user = settle(database, ADA).user
    keep(database, user, NOW + 10)
    for now, is_current in ((NOW + 9, True), (NOW + 10, False)):
        found = database.read_now(
            lambda tx, now=now: identities.is_current_token(tx, "hash", now)  # type: ignore[misc]
        )
        assert found is is_current
        assert bearer(database, now) == ("ada" if is_current else None)
    assert not database.read_now(lambda tx: identities.is_current_token(tx, "other", NOW))


def test_a_token_that_is_vouched_for_again_is_kept_anew(database: Database) -> None:
    user = settle(database, ADA).user
    keep(database, user, NOW + 10)
    keep(database, user, NOW + 20, subclient="addon")
    assert count(database, tokens) == 1
    assert bearer(database, NOW + 15, "addon") == "ada"
    assert bearer(database, NOW + 5) is None


def test_an_expired_token_may_become_somebody_else_s(database: Database) -> None:
    user, other = settle(database, ADA).user, settle(database, said(subject="other")).user
    keep(database, user, NOW - 1)
    keep(database, other, NOW + 10)
    assert bearer(database, NOW) == other.username


@pytest.mark.parametrize("expires", [None, NOW + 1])
def test_a_token_of_somebody_else_that_is_current_stays_his(
    database: Database, expires: int | None
) -> None:
    user, other = settle(database, ADA).user, settle(database, said(subject="other")).user
    keep(database, user, expires)
    keep(database, other, NOW + 10)
    assert bearer(database, NOW) == "ada"


def test_one_token_kept_at_once_is_kept_once(database: Database) -> None:
    user = settle(database, ADA).user
    together = Barrier(6)

    def work() -> None:
        together.wait(30)
        keep(database, user, NOW + 10)

    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(work) for _ in range(6)]:
            done.result()
    assert count(database, tokens) == 1
