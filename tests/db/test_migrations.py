"""The schema's history, on each database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from tests.db import upgrading_process
from tests.support import databases
from tests.support.databases import opened

import cella.catalog.tables
import cella.jobs.tables  # noqa: F401 - these declare their tables on the metadata
from cella.db import Database, migrations
from cella.db.schema import metadata
from cella.errors import BadConfig


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without a single table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
    else:
        server: databases.PostgreSQL = request.getfixturevalue("postgresql")
        server.execute("CREATE DATABASE cella_empty TEMPLATE template0")
        yield server.url("cella_empty")
        server.execute("DROP DATABASE cella_empty WITH (FORCE)")


def _schema(db: Database) -> set[tuple[Any, ...]]:
    """Everything that the database says of its tables but the order of their columns."""
    if db.is_sqlite:
        queries = [
            "SELECT m.tbl_name, m.name, c.name, c.type, c.[notnull], c.dflt_value, c.pk"
            " FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
            "SELECT m.name, k.[table], k.[from], k.[to], k.on_update, k.on_delete"
            " FROM sqlite_master m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table'",
            "SELECT m.tbl_name, i.[unique], i.partial, i.origin, x.seqno, x.name, x.desc, x.coll"
            " FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_xinfo(i.name) x"
            " WHERE m.type = 'table'",
            "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index'",
        ]
    else:
        queries = [
            "SELECT table_name, column_name, data_type, is_nullable, column_default,"
            " collation_name, character_maximum_length FROM information_schema.columns"
            " WHERE table_schema = 'public'",
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        ]
    with db.engine.connect() as connection:
        rows = {tuple(row) for query in queries for row in connection.exec_driver_sql(query)}
    return {row for row in rows if row[0] != "alembic_version"}


def test_the_migrations_lead_to_the_tables_that_the_code_declares(empty: str) -> None:
    with opened(empty) as db:
        migrations.upgrade(db)
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        migrated = _schema(db)

        metadata.drop_all(db.engine)
        assert _schema(db) == set()
        metadata.create_all(db.engine)
        assert _schema(db) == migrated


def test_texts_of_the_catalogue_sort_by_code_point(postgresql: databases.PostgreSQL) -> None:
    with postgresql.database() as db:
        collations = {
            (row[0], row[5])
            for row in _schema(db)
            if row[0] not in ("jobs", "periods") and row[2:3] in (("text",), ("character varying",))
        }
    assert {collation for _, collation in collations} == {"C"}
    assert {"files", "blobs", "users", "projects"} <= {table for table, _ in collations}


def test_the_newest_revision_is_the_last_step() -> None:
    folder = Path(migrations.__file__).parent / "versions"
    steps = sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py"))
    assert steps[-1] == migrations.NEWEST


def test_a_start_without_a_step_to_take_does_not_load_what_takes_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cella.sqlite'}"
    script = (
        "import sys; from cella.db import Database, DatabaseConfig, migrations;"
        f"from pathlib import Path; db = Database(DatabaseConfig(url={url!r}), Path());"
        "db.open(); migrations.upgrade(db); db.close(); print('alembic' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = [
        subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for _ in range(2)
    ]
    assert told == ["True\n", "False\n"]


def test_there_and_back_again(empty: str) -> None:
    with opened(empty) as db:
        assert migrations.current(db) is None

        migrations.upgrade(db)
        first = _schema(db)
        assert migrations.current(db) == migrations.NEWEST

        migrations.downgrade(db, "base")
        assert migrations.current(db) is None
        assert sa.inspect(db.engine).get_table_names() == ["alembic_version"]

        migrations.upgrade(db)
        migrations.upgrade(db)
        assert _schema(db) == first


def test_a_schema_of_a_newer_version_is_left_alone(empty: str) -> None:
    with opened(empty) as db:
        migrations.upgrade(db)
        before = _schema(db)
        with db.engine.begin() as tx:
            tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'newer'")

        with pytest.raises(BadConfig, match="newer"):
            migrations.upgrade(db)
        assert migrations.current(db) == "newer"
        assert _schema(db) == before


def test_processes_that_start_at_once_upgrade_once(empty: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with opened(empty):
        processes = [
            subprocess.Popen(
                [sys.executable, upgrading_process.__file__, empty],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ends = [process.communicate(timeout=60) for process in processes]

    assert ends == [(f"{migrations.NEWEST}\n", "")] * 4
    assert [process.returncode for process in processes] == [0] * 4
