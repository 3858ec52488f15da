"""schemathesis with other requests each time, on both databases, for as long as it is given.

With a number in CELLA_DRILL_SEED they follow from it, and are as many as about fit into the time:
where a clock ends it, no two runs are the same.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.test_schemathesis import SOON
from tests.support.databases import PostgreSQL
from tests.support.fuzzing import fuzz, seed
from tests.support.service import Service, postgresql_database, running

SECONDS = int(os.environ.get("CELLA_DRILL_SECONDS", "60"))
SEED = os.environ.get("CELLA_DRILL_SEED")


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service of its own over each database, with what the document's examples speak of."""
    folder = tmp_path / "service"
    folder.mkdir()
    if request.param == "sqlite":
        with running(folder, event_seconds=SOON) as service:
            seed(service)
            yield service
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        with (
            postgresql_database(server) as (_, url),
            running(folder, database_url=url, event_seconds=SOON) as service,
        ):
            seed(service)
            yield service


@pytest.mark.drill
@pytest.mark.parametrize("roles", [(), ("admin", "service", "badger")], ids=["nobody", "admin"])
def test_schemathesis_long(target: Service, tmp_path: Path, roles: tuple[str, ...]) -> None:
    """Nothing that it thinks of breaks the service or what the document promises."""
    by = target.account(*roles) if roles else None
    if SEED is None:
        fuzz(target, tmp_path, by, examples=100, sequences=200, seconds=SECONDS)
    else:
        examples, sequences = 1 + SECONDS // 3, 1 + SECONDS // 2
        fuzz(target, tmp_path, by, examples=examples, sequences=sequences, chance=int(SEED))
