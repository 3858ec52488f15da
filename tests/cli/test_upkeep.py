"""sweep and verify: on the data directory, with the files of a real disk."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import Cella, Done
from tests.support.databases import sqlite
from tests.support.servers import COMMAND, environment
from tests.support.stock import DAY, Stock
from tests.support.terminals import at_a_terminal

from cella.clock import ManualClock
from cella.db import Database
from cella.model import File
from cella.store.disk import DiskStore


class Archive:
    """A data directory with ten files, the newest of which is three days old."""

    def __init__(self, db: Database, folder: Path, here: Cella) -> None:
        self.folder = folder
        self._here = here
        self.stock = Stock(
            db,
            {"local": DiskStore(folder / "blobs")},
            ManualClock(time.time() - 5 * DAY),
            folder,
        )
        self.files = self.add(10)

    def add(self, count: int) -> list[File]:
        """More files, an hour apart."""
        return asyncio.run(self.stock.add(count))

    def path(self, file: File) -> Path:
        """Where the original lies."""
        return DiskStore(self.folder / "blobs").path(self.stock.keys_of(file)[0])

    def cella(self, *arguments: str) -> Done:
        """Run a command on the data directory."""
        return self._here(*arguments, folder=self.folder, CELLA_DATA=str(self.folder))

    def blobs(self) -> list[str]:
        """All that lies in the store."""
        paths = (self.folder / "blobs").rglob("[0-9a-f]*.*g")
        return sorted(path.name for path in paths)


@pytest.fixture
def archive(tmp_path: Path, here: Cella) -> Iterator[Archive]:
    with sqlite(tmp_path) as db:
        yield Archive(db, tmp_path, here)


def test_all_is_well(archive: Archive) -> None:
    swept = archive.cella("sweep")
    assert (swept.returncode, swept.stdout) == (0, "")
    assert swept.stderr.startswith("local: 20 blobs of 1500 bytes, 20 rows.\n")
    verified = archive.cella("verify")
    assert (verified.returncode, verified.stdout) == (0, "")
    assert verified.stderr.startswith("local: 20 blobs read, 1500 bytes.\n")


def test_what_is_wrong_is_told_a_line_each_and_ends_with_1(archive: Archive) -> None:
    lost, rotten, *_ = archive.files
    archive.path(lost).unlink()
    archive.path(rotten).write_bytes(b"x" * 100)
    keys = [archive.stock.keys_of(file)[0] for file in (lost, rotten)]
    project = archive.stock.project.id

    swept = archive.cella("sweep")
    assert swept.returncode == 1
    assert swept.stdout == f"missing\t{keys[0]}\t-\t{lost.id}\t{project}\tstill.png\n"

    verified = archive.cella("verify", "--json")
    assert verified.returncode == 1
    (report,) = json.loads(verified.stdout)
    assert {(each["what"], each["key"], each["file_id"]) for each in report["findings"]} == {
        ("missing", keys[0], lost.id),
        ("changed", keys[1], rotten.id),
    }


def test_a_stray_goes_in_two_steps(archive: Archive) -> None:
    (stray,) = archive.add(1)
    archive.add(1)
    archive.stock.lose([stray])
    before = archive.blobs()

    assert archive.cella("sweep").returncode == 1
    noted = archive.cella("sweep", "--quarantine", "--json")
    assert noted.returncode == 0
    assert json.loads(noted.stdout)[0]["noted"] == 2
    assert archive.cella("sweep", "--purge").returncode == 0
    assert archive.blobs() == before

    purged = archive.cella("sweep", "--purge", "--grace", "0")
    assert purged.returncode == 0
    assert "2 purged (150 bytes)" in purged.stderr
    assert len(archive.blobs()) == len(before) - 2


@pytest.mark.parametrize("since", [0, 2])
def test_a_database_restored_from_yesterday_is_refused(archive: Archive, since: int) -> None:
    """A real copy of the database, made by SQLite, is put back after three more uploads."""
    database, copy = archive.folder / "cella.sqlite", archive.folder / "copy.sqlite"
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    archive.add(3)
    with closing(sqlite3.connect(copy)) as source, closing(sqlite3.connect(database)) as target:
        source.backup(target)
    archive.add(since)
    before = archive.blobs()

    for action in ("--quarantine", "--purge"):
        refused = archive.cella("sweep", action, "--grace", "0")
        assert refused.returncode == 1
        assert "cella: local: Nothing was changed." in refused.stderr
        assert archive.blobs() == before
    assert "So --quarantine would refuse." in archive.cella("sweep").stderr

    forced = archive.cella("sweep", "--quarantine", "--force")
    assert forced.returncode == 0
    assert "Going on by force." in forced.stderr
    assert "6 put into quarantine" in forced.stderr
    assert archive.blobs() == before
    assert archive.cella("sweep", "--purge", "--grace", "0", "--force").returncode == 0
    assert len(archive.blobs()) == len(before) - 6


def test_verify_goes_on_where_it_ended(archive: Archive) -> None:
    first = archive.cella("verify", "--bytes", "300", "--json")
    (report,) = json.loads(first.stdout)
    assert 300 <= report["bytes"] < 400
    again = archive.cella("verify", "--share", "100")
    assert "it went on from the beginning" in again.stderr
    restarted = archive.cella("verify", "--share", "10", "--restart")
    assert "it went on" not in restarted.stderr


def test_a_store_that_is_not_here(archive: Archive) -> None:
    for command in ("sweep", "verify"):
        done = archive.cella(command, "--backend", "tape")
        assert done.returncode == 1
        assert done.stderr == "cella: There is no store tape here; there is local.\n"


def test_an_empty_disk_takes_no_row_along(archive: Archive) -> None:
    """The store's disk was not mounted, so a folder was made in its place."""
    (archive.folder / "blobs").rename(archive.folder / "unmounted")
    done = archive.cella("sweep", "--quarantine", "--purge", "--json")
    assert done.returncode == 1
    (report,) = json.loads(done.stdout)
    assert (report["missing"], report["purged"]) == (20, 0)
    (archive.folder / "blobs" / ".incoming").rmdir()
    (archive.folder / "blobs").rmdir()
    (archive.folder / "unmounted").rename(archive.folder / "blobs")
    assert archive.cella("sweep").returncode == 0


def test_a_person_sees_a_table_and_how_far_it_is(archive: Archive) -> None:
    archive.path(archive.files[0]).unlink()
    code, shown = at_a_terminal(
        [*COMMAND, "verify"], archive.folder, environment(CELLA_DATA=str(archive.folder))
    )
    assert code == 1, shown
    assert "WHAT" in shown
    assert "local" in shown
