"""A database that a newer Cella has used is refused with a sentence, and left alone."""

import pytest
import sqlalchemy as sa

from cella.db import Database, migrations
from cella.errors import BadConfig


def test_newer_schema(database: Database) -> None:
    migrations.upgrade(database)
    database.write_now(
        lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num='9999'"))
    )
    with pytest.raises(BadConfig, match="revision 9999"):
        migrations.upgrade(database)
    assert migrations.current(database) == "9999"
