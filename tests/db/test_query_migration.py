"""Files that were there before lists could be asked for jobs can be asked for them too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.databases import PostgreSQL, opened

from cella.db import Database, migrations

_FILE = sa.text(
    "INSERT INTO files (id, created, updated, etag, user_id, name, filename, content_type, length,"
    " backend, status, md5, variations, length_aggregate, processing)"
    " VALUES (:id, 0, 0, 'etag', 'user', 'name', 'name', 'video/mp4', 0,"
    " 'local', 'complete', '', '[]', 0, :processing)"
)
_JOBS = sa.text("SELECT id, job_id FROM files ORDER BY id")


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database as it was before that."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'before.sqlite'}"
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        server.execute("CREATE DATABASE cella_before TEMPLATE template0")
        url = server.url("cella_before")
    with opened(url) as database:
        migrations.upgrade(database, "0002")
        yield database
    if request.param == "postgresql":
        server.execute("DROP DATABASE cella_before WITH (FORCE)")


def test_jobs_of_old_files_are_known(before: Database) -> None:
    rows: list[dict[str, str | None]] = [
        {"id": "a", "processing": None},
        {"id": "b", "processing": '{"status":"finished"}'},
        {"id": "c", "processing": '{"status":"pending","backend":"zencoder","job_id":"Ä 4711"}'},
    ]
    before.write_now(lambda tx: tx.execute(_FILE, rows))
    migrations.upgrade(before)

    found = before.read_now(lambda tx: [tuple(row) for row in tx.execute(_JOBS)])
    assert found == [("a", None), ("b", None), ("c", "Ä 4711")]
