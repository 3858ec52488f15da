"""The schema's history, and the way to its newest state.

`upgrade` may be called by any number of processes at once: on SQLite the write lock, on
PostgreSQL an advisory lock lets one of them do the work while the others wait.
"""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cella.db.engine import Database
from cella.errors import BadConfig

_LOCK = 0x63656C6C61  # "cella"


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema of an open database to `revision`.

    Raises `BadConfig` where a newer Cella has been at work on it, and changes nothing.
    """
    found = current(database)
    if found is not None and not _is_known(found):
        raise BadConfig(
            f"The database is at revision {found}, which this version of Cella does not know: "
            "a newer one has used it. Start that one, or restore the backup from before it."
        )
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`; `base` removes everything."""
    _run(database, lambda config: command.downgrade(config, revision))


def current(database: Database) -> str | None:
    """The revision that the database's schema is at; None where it is empty."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The newest revision that this version of Cella knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _is_known(revision: str) -> bool:
    scripts = ScriptDirectory.from_config(_config())
    return any(script.revision == revision for script in scripts.walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _run(database: Database, action: Callable[[Config], None]) -> None:
    config = _config()
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        action(config)
