"""restore: what was deleted, on the data directory, beside a running server."""

import json
from pathlib import Path

from tests.cli.conftest import Studio


def test_files_and_projects_come_back(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "plate.txt").write_text("wanted after all")
    project = studio.cella("project", "new", "Undone").stdout.strip()
    file_id = studio.cella("upload", project, str(tmp_path / "plate.txt")).stdout.strip()
    assert studio.cella("rm", file_id).returncode == 0
    assert studio.cella("ls", project).stdout == ""

    done = studio.cella("restore", file_id, "0" * 24)

    assert (done.returncode, done.stdout) == (1, f"{file_id}\n")
    assert "its bytes are gone" in done.stderr
    assert studio.cella("ls", project).stdout.startswith(file_id)
    assert studio.cella("get", file_id, "-o", "-").returncode == 0
    done = studio.cella("restore", "--project", project, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [{"project_id": project}])


def test_what_makes_no_sense_is_refused(studio: Studio) -> None:
    for arguments in ((), ("x", "--project", "y")):
        assert studio.cella("restore", *arguments).returncode == 2
    done = studio.cella("restore", "--project", "0" * 24)
    assert (done.returncode, done.stdout) == (1, "")
    done = studio.cella("restore", "nonsense", "--json")
    (only,) = json.loads(done.stdout)
    assert only["file_id"] == "nonsense"
    assert only["error"]
