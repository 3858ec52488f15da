"""Signing in with a password, where the timing matters."""

import asyncio
from contextlib import suppress

import pytest
from tests.catalog.documents import NOW, a_user

from cella.access.passwords import Passwords
from cella.catalog import people
from cella.clock import ManualClock
from cella.db import Database
from cella.errors import CellaError, Forbidden, Overloaded
from cella.flows.config import LoginConfig
from cella.flows.login import Login
from cella.model import User

PASSWORD = "correct horse battery staple"
OLD, NEW = "192.0.2.1", "192.0.2.2"


class Interrupted(Passwords):
    """Has something happen between the look at a password and what follows from it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.user = a_user()
        database.write_now(lambda tx: people.add_user(tx, self.user))
        hashed = self.hash(PASSWORD)
        database.write_now(lambda tx: people.set_password(tx, self.user.id, hashed))

    async def verify(self, kept: str | None, password: str) -> bool:
        found = await super().verify(kept, password)
        self.happen()
        return found

    def happen(self) -> None:
        """Nothing does."""


class Renewed(Interrupted):
    """The password is set again."""

    def happen(self) -> None:
        hashed = self.hash("another password")
        self.database.write_now(lambda tx: people.set_password(tx, self.user.id, hashed))


class Disabled(Interrupted):
    """The user is shut out."""

    def happen(self) -> None:
        self.replace(disabled=True)

    def replace(self, **fields: object) -> None:
        """Write other values into the user's row."""
        old = self.database.read_now(lambda tx: people.get_user(tx, self.user.id))
        values = {name: getattr(old, name) for name in User.__struct_fields__}
        new = User(**{**values, **fields})
        self.database.write_now(lambda tx: people.replace_user(tx, old, new))


class Renamed(Disabled):
    """The user gets another name."""

    def happen(self) -> None:
        self.replace(username="renamed")


def a_login(database: Database, passwords: Passwords, attempts: int = 1000) -> Login:
    """The flow, over these."""
    return Login(
        db=database,
        passwords=passwords,
        token_key="k" * 32,
        clock=ManualClock(NOW),
        config=LoginConfig(attempts=attempts),
    )


async def test_without_interruption_there_is_a_token(database: Database) -> None:
    passwords = Interrupted(database)
    login = a_login(database, passwords)
    assert await login.token(passwords.user.username, PASSWORD, OLD)


@pytest.mark.parametrize("kind", [Renewed, Disabled, Renamed])
async def test_what_changes_meanwhile_counts(database: Database, kind: type[Interrupted]) -> None:
    passwords = kind(database)
    with pytest.raises(Forbidden):
        await a_login(database, passwords).token(passwords.user.username, PASSWORD, OLD)
    assert database.read_now(people.issued) == []


async def test_too_many_at_once_are_sent_away_before_they_count(database: Database) -> None:
    login = a_login(database, Passwords(), attempts=48)
    under_way = [asyncio.ensure_future(login.token("nobody", PASSWORD, OLD)) for _ in range(48)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="You have 48"):
            await login.token("somebody", PASSWORD, OLD)
        under_way += [
            asyncio.ensure_future(login.token("nobody", PASSWORD, NEW)) for _ in range(16)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="64 sign-ins at once"):
            await login.token("somebody", PASSWORD, "2001:db8::1")
    finally:
        for each in under_way:
            each.cancel()
        for each in under_way:
            with suppress(asyncio.CancelledError, CellaError):
                await each
    with pytest.raises(Forbidden):
        await login.token("somebody", PASSWORD, OLD)
