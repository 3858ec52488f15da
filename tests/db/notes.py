"""A table for tests of transactions, and what is done to it."""

from collections.abc import Callable

import sqlalchemy as sa

from cella.db import Database, Tx

notes = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),
)


def note(number: int, text: str = "") -> Callable[[Tx], int]:
    """Work that writes down a number and returns it."""

    def work(tx: Tx) -> int:
        tx.execute(notes.insert().values(number=number, text=text))
        return number

    return work


def noted(db: Database) -> set[int]:
    """The numbers that are there to stay."""
    return set(db.read_now(lambda tx: tx.scalars(sa.select(notes.c.number)).all()))
