"""files move: on the data directory and the stores, without a server."""

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.conftest import Cella, Done
from tests.support.yard import Yard

from cella.assembly import Assembly
from cella.config import load
from cella.db import migrations
from cella.model import File
from cella.store.memory import MemoryStore


class Place(NamedTuple):
    """A data directory with two files, of which the second has lost its bytes."""

    here: Cella
    folder: Path
    project: str
    whole: File
    broken: File

    def cella(self, *arguments: str) -> Done:
        """Run a command there, with a second store that is gone when the command ends."""
        return self.here(*arguments, folder=self.folder, CELLA_STORE_MORE="memory://")


@pytest.fixture
def place(here: Cella, tmp_path: Path) -> Place:
    """The data directory, made anew."""
    assembly = Assembly(load({}, folder=tmp_path, overrides={"data": str(tmp_path / "data")}))

    async def furnish() -> tuple[str, File, File]:
        async with assembly.storing():
            yard = Yard(assembly.db, assembly.store, MemoryStore())
            whole, broken = await yard.add(backend="local"), await yard.add(backend="local")
            await assembly.store.delete(f"{yard.project}/_/{broken.file_path}")
            await yard.add(backend="local", deleted=1)
            return yard.project, whole, broken

    assembly.db.open()
    migrations.upgrade(assembly.db)
    made = asyncio.run(furnish())
    assembly.db.close()
    return Place(here, tmp_path, *made)


def test_a_dry_run_tells_and_moves_nothing(place: Place) -> None:
    size = place.whole.length_aggregate + place.broken.length_aggregate
    done = place.cella("files", "move", "--to", "memory", "--backend", "local", "--dry-run")
    assert (done.returncode, done.stdout) == (0, f"2\t{size}\n")
    assert "2 files of" in done.stderr
    assert "1 file that are deleted" not in done.stderr
    assert "1 deleted file" in done.stderr
    done = place.cella(
        *("files", "move", "--to", "memory", "--project", place.project, "--dry-run", "--json")
    )
    assert json.loads(done.stdout) == {"files": 2, "bytes": size, "deleted_files": 1}


def test_what_was_moved_and_what_was_not_is_told(place: Place) -> None:
    done = place.cella("files", "move", "--to", "memory", "--backend", "local", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    (failed,) = told.pop("failed")
    assert failed["file_id"] == place.broken.id
    assert "has no blob" in failed["error"]
    assert told == {
        "moved": 1,
        "bytes": place.whole.length_aggregate,
        "passed_over": 0,
        "copies_left": {"local": place.whole.length_aggregate},
        "deleted_files": 1,
    }
    assert place.broken.id in done.stderr


def test_people_are_told_what_becomes_of_the_old_bytes(place: Place) -> None:
    done = place.cella(
        *("files", "move", "--to", "memory", "--file", place.whole.id, "--delete-source")
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 file of" in done.stderr
    assert "go when no link leads there any more" in done.stderr
    jobs = json.loads(place.cella("jobs", "ls", "--json").stdout)["jobs"]
    assert [(job["kind"], job["subject"]) for job in jobs] == [("drop_blobs", place.whole.id)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--file", "x", "--project", "y"), 2),
        (("--backend", "nowhere"), 1),
        (("--backend", "memory"), 1),
        (("--project", "0" * 24), 1),
        (("--file", "nonsense"), 1),
    ],
)
def test_what_makes_no_sense_is_refused(
    place: Place, arguments: tuple[str, ...], code: int
) -> None:
    done = place.cella("files", "move", "--to", "memory", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr
