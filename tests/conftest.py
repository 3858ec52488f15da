"""Fixtures that all tests share."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support import clouds, databases

from cella.db import Database

# With ten thousand tests in memory Python looks for garbage an eighth of the time.
gc.set_threshold(200_000, 20, 100)

# How fast a busy machine comes up with examples says nothing of what is tested.
settings.register_profile("cella", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cella")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.PostgreSQL]:
    """The PostgreSQL server of this session, started by the first test that wants it."""
    with databases.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[clouds.Cloud]:
    """Google Cloud Storage, or what stands in for it, started by the first test that wants it."""
    with clouds.gcs_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def s3() -> Iterator[clouds.Cloud]:
    """S3, or what stands in for it, started by the first test that wants it."""
    with clouds.s3_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def azure() -> Iterator[clouds.Cloud]:
    """Azure, or what stands in for it, started by the first test that wants it."""
    with clouds.azure_cloud() as cloud:
        yield cloud


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
