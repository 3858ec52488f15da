"""Bad usage is one clear line and exit code 2."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests.cli.conftest import Cella
from tests.support.servers import cella

COMMANDS = [
    ["serve"],
    ["worker"],
    ["doctor"],
    ["user", "add"],
    ["token", "new"],
    ["project", "new"],
    ["upload"],
    ["ls"],
    ["get"],
    ["rm"],
]


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["serve", "--port", "web"],
        ["serve", "--port", "65536"],
        ["serve", "--workers", "0"],
        ["serve", "surplus"],
        ["user"],
        ["user", "add"],
        ["token", "new", "x", "--expires", "soon"],
        ["token", "new", "x", "--expires", "-1"],
        ["upload", "project"],
        ["ls"],
        ["ls", "x", "--url", "ftp://x"],
        ["ls", "x", "--token", "two words"],
        ["get", "x", "--nonsense"],
        ["rm"],
    ],
    ids=" ".join,
)
def test_bad_usage(arguments: list[str], tmp_path: Path, here: Cella) -> None:
    done = here(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cella: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "spared"),
    [("upload", "cella.assembly"), ("ls", "sqlalchemy"), ("user", "cella.asgi")],
)
def test_a_command_does_not_wait_for_what_it_does_without(command: str, spared: str) -> None:
    script = (
        "import sys; from cella import cli;"
        f"cli.run([{command!r}, '--help']); print({spared!r} in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert f" cella {command} " in told
    assert told.endswith("\nFalse\n")


def test_a_memory_store_is_not_for_several_processes(tmp_path: Path, here: Cella) -> None:
    for arguments in (["serve", "--workers", "2"], ["worker"]):
        done = here(*arguments, folder=tmp_path, CELLA_STORE_URL="memory://")
        assert (done.returncode, done.stdout) == (2, "")
        assert "one process" in done.stderr


def test_each_command_explains_itself(tmp_path: Path, here: Cella) -> None:
    overview = here(folder=tmp_path)
    assert overview.returncode == 2
    for command in COMMANDS:
        assert command[0] in overview.stdout
        assert here(*command, "--help", folder=tmp_path).stdout.count("Usage: cella") == 1


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).with_name("cella")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"{metadata.version('cella')}\n"


def test_results_survive_any_encoding(tmp_path: Path) -> None:
    done = cella(
        "user", "add", "łucja", "--json", folder=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["username"] == "łucja"
