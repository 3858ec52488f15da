"""Fixtures that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import databases

from cella.db import Database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.PostgreSQL]:
    """The PostgreSQL server of this session, started by the first test that wants it."""
    with databases.postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open, empty database with all tables; SQLite alone by `-k sqlite`."""
    if request.param == "sqlite":
        with databases.sqlite(tmp_path) as opened:
            yield opened
    else:
        server: databases.PostgreSQL = request.getfixturevalue("postgresql")
        with server.database() as opened:
            yield opened
