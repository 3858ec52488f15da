"""Names, addresses and roles of users, and who may touch an account."""

import pytest

from cella.access.accounts import is_email, is_role, is_username
from cella.access.rules import may_account
from cella.ids import new_id
from cella.model import ANONYMOUS, Actor


@pytest.mark.parametrize("name", ["a", "ada.l", "ada@x", "a+b-c_d", "Ünï", "7", "x" * 128])
def test_names_that_do(name: str) -> None:
    assert is_username(name)


@pytest.mark.parametrize(
    "name",
    ["", " a", "a b", "a/b", "a\n", "a\0", "a\u200b", "x" * 129, "\uff41dmin", "\ufb01", "\u212b"],
)
def test_names_that_do_not(name: str) -> None:
    assert not is_username(name)


@pytest.mark.parametrize("email", ["a@b", "ada@x.example", "ä@ü.example", "a+b@c"])
def test_addresses_that_do(email: str) -> None:
    assert is_email(email)


@pytest.mark.parametrize(
    "email",
    [
        *("", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a\0@b", "a\u202e@b", "a@" * 65),
        *("\uff41@b", "a@b\uff0ec", "u\u0308@b"),
    ],
)
def test_addresses_that_do_not(email: str) -> None:
    assert not is_email(email)


def test_roles_are_plain_words() -> None:
    assert all(map(is_role, ("admin", "video-encoder", "a_1", "x" * 64)))
    assert not any(map(is_role, ("", "Admin", "a b", "ä", "a\n", '"', "x" * 65)))


def test_an_account_is_its_user_s_and_the_administrators() -> None:
    user = new_id()
    may = {
        Actor(user=user): True,
        Actor(user=new_id(), roles=frozenset({"admin"})): True,
        Actor(user=new_id(), roles=frozenset({"service", "badger", "subscriber"})): False,
        ANONYMOUS: False,
    }
    for actor, allowed in may.items():
        assert may_account(actor, user).allowed is allowed
