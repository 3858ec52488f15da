"""The schema's history, and the way to its newest state.

`upgrade` may be called by any number of processes at once: on SQLite the write lock, on
PostgreSQL an advisory lock lets one of them do the work while the others wait. Where nothing is to
be done, which is at all starts but those of a new version, what does it is not even imported.
"""

from importlib import import_module
from types import ModuleType

import sqlalchemy as sa

from cella.db.engine import Database

NEWEST = "0011"
"""The newest revision that this version of Cella knows."""

_HEAD = "head"


def upgrade(database: Database, revision: str = _HEAD) -> None:
    """Bring the schema of an open database to `revision`.

    Raises `BadConfig` where a newer Cella has been at work on it, and changes nothing.
    """
    found = current(database)
    if revision != _HEAD or found != NEWEST:
        _steps().upgrade(database, found, revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`; `base` removes everything."""
    _steps().downgrade(database, revision)


def current(database: Database) -> str | None:
    """The revision that the database's schema is at; None where it is empty."""
    with database.engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.exec_driver_sql(
            "SELECT version_num FROM alembic_version"
        ).scalar_one_or_none()
        return revision


def _steps() -> ModuleType:
    return import_module("cella.db.migrations.steps")
