"""Fixtures of running services; a conftest that wants them imports all of them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.databases import PostgreSQL
from tests.support.service import Service, Start, postgresql_database, running


@pytest.fixture(scope="session")
def sqlite_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on SQLite and the disk, shared by all tests."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="session")
def postgresql_memory(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL
) -> Iterator[Service]:
    """A service on PostgreSQL with its blobs in memory, shared by all tests."""
    with (
        postgresql_database(postgresql) as (_, url),
        running(
            tmp_path_factory.mktemp("service"), database_url=url, store_url="memory://"
        ) as service,
    ):
        yield service


@pytest.fixture(params=["sqlite_disk", "postgresql_memory"])
def service(request: pytest.FixtureRequest) -> Service:
    """A service over each database, and over a store on the disk and one that is elsewhere."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Service)
    return found


@pytest.fixture
def local(sqlite_disk: Service) -> Service:
    """The shared service on SQLite and the disk, for what neither matters to."""
    return sqlite_disk


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts services of the test's own, which end with it: `start(clock=…, **settings)`."""
    with ExitStack() as stack:

        def begin(**settings: object) -> Service:
            folder = tmp_path / f"service{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(running(folder, **settings))  # type: ignore[arg-type]

        yield begin
