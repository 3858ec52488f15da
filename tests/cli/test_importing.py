"""import: a dump of a Pillar server is taken, and what could not be is told."""

import json
from pathlib import Path

import pytest
from bson import ObjectId
from tests.cli.conftest import Cella
from tests.support import mongodumps

DATA = ("--data", "data")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A dump in which all is well."""
    return mongodumps.folder(tmp_path / "dump" / "eve", mongodumps.studio()).parent


def test_a_dump_is_taken_and_counted(here: Cella, dump: Path, tmp_path: Path) -> None:
    done = here("import", "pillar", str(dump), *DATA, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "groups\t1\t0\t0\t0\t0",
        "users\t2\t0\t0\t0\t0",
        "tokens\t2\t0\t0\t0\t0",
        "projects\t1\t0\t0\t0\t0",
        "files\t2\t0\t0\t0\t0",
    ]
    assert "Not read: nodes." in done.stderr
    assert "users, of those taken, 2: Blender-ID is not configured" in done.stderr
    again = here("import", "pillar", str(dump), "--json", *DATA, folder=tmp_path)
    assert json.loads(again.stdout)["collections"]["files"]["unchanged"] == 2
    assert here("user", "ls", *DATA, folder=tmp_path).stdout.count("\n") == 2


def test_what_cannot_be_taken_is_told_and_written_down(
    here: Cella, dump: Path, tmp_path: Path
) -> None:
    odd = [{"_id": number, "secret": "s3cr3t"} for number in range(60)]
    mongodumps.folder(dump / "eve", {"files": odd})
    report = tmp_path / "report.jsonl"
    done = here("import", "pillar", str(dump), "--report", str(report), *DATA, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("cella: files at byte") == 50
    assert "and 10 more" in done.stderr
    assert "files, refused, 60: its _id is no ObjectId" in done.stderr
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    refused = [line for line in lines if line["verdict"] == "refused"]
    assert len(refused) == 60
    assert refused[0]["collection"] == "files"
    assert "s3cr3t" not in done.stderr + report.read_text()


def test_a_dry_run_leaves_all_as_it_was(here: Cella, dump: Path, tmp_path: Path) -> None:
    done = here("import", "pillar", str(dump), "--dry-run", *DATA, folder=tmp_path)
    assert done.returncode == 0
    assert "nothing was written" in done.stderr
    assert here("user", "ls", *DATA, folder=tmp_path).stdout == ""


def test_damage_is_told_with_its_place(here: Cella, dump: Path, tmp_path: Path) -> None:
    path = dump / "eve" / "files.bson"
    path.write_bytes(path.read_bytes()[:-7])
    done = here("import", "pillar", str(dump), *DATA, folder=tmp_path)
    assert done.returncode == 1
    assert "cella: eve/files.bson, byte " in done.stderr
    assert "users\t2\t" in done.stdout


def test_archives_are_taken(here: Cella, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(mongodumps.archive(mongodumps.studio()))
    done = here("import", "pillar", "archive", *DATA, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "files\t2\t" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "No such file"),
        (["."], "No database of Pillar"),
        (["dump", "--db", "other"], "no database other"),
    ],
)
def test_what_is_no_dump_is_refused(
    arguments: list[str], said: str, here: Cella, dump: Path, tmp_path: Path
) -> None:
    del dump
    done = here("import", "pillar", *arguments, *DATA, folder=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr


def test_an_id_is_kept_by_the_command_too(here: Cella, tmp_path: Path) -> None:
    told = mongodumps.user("ada", _id=ObjectId("0123456789abcdef01234567"))
    mongodumps.folder(tmp_path / "eve", {"users": [told]})
    done = here("import", "pillar", "eve", *DATA, folder=tmp_path)
    assert "There is no collection files in the dump." in done.stderr
    assert "0123456789abcdef01234567" in here("user", "ls", *DATA, folder=tmp_path).stdout
