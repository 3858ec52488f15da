"""The steps from one state of the schema to another, taken by Alembic.

It takes 12 MiB of memory, so it is imported where there is a step to take, and only then: see
`cella.db.migrations`.
"""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from cella.db.engine import Database
from cella.errors import BadConfig

_LOCK = 0x63656C6C61  # "cella"


def upgrade(database: Database, found: str | None, revision: str) -> None:
    """Bring the schema of an open database, which is at `found`, to `revision`.

    Raises `BadConfig` where a newer Cella has been at work on it, and changes nothing.
    """
    if found is not None and not _is_known(found):
        raise BadConfig(
            f"The database is at revision {found}, which this version of Cella does not know: "
            "a newer one has used it. Start that one, or restore the backup from before it."
        )
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`; `base` removes everything."""
    _run(database, lambda config: command.downgrade(config, revision))


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
