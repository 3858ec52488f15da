"""links refresh and links expire: on the data directory, beside a server."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.catalog.documents import a_file, a_project, a_user, a_variation
from tests.cli.conftest import Cella, Done
from tests.links.test_cdns import pem
from tests.support.databases import sqlite
from tests.support.servers import COMMAND, environment, wait_until
from tests.support.signing import rsa_key
from tests.support.terminals import at_a_terminal

from cella.catalog import files, people, projects, tables
from cella.db import Database
from cella.ids import new_id
from cella.model import File


class Shop:
    """A data directory with files of a project, and commands that work on it."""

    def __init__(self, db: Database, folder: Path, here: Cella) -> None:
        self.db = db
        self.folder = folder
        self._here = here
        user = a_user()
        self.project = a_project(user.id)

        def work(tx: sa.Connection) -> None:
            people.add_user(tx, user)
            projects.add(tx, self.project)

        db.write_now(work)

    def cella(self, *arguments: str) -> Done:
        """Run a command on the data directory."""
        return self._here("links", *arguments, folder=self.folder, CELLA_DATA=str(self.folder))

    def add(self, number: int, variations: int = 0) -> list[File]:
        """So many files."""
        new = [
            a_file(self.project.id, variations=tuple(a_variation() for _ in range(variations)))
            for _ in range(number)
        ]
        self.db.write_now(lambda tx: files.add_all(tx, new))
        return new

    def kept(self) -> int:
        """Of how many files links are kept."""
        count = sa.select(sa.func.count()).select_from(tables.links)
        return self.db.read_now(lambda tx: tx.execute(count).scalar_one())


@pytest.fixture
def shop(tmp_path: Path, here: Cella) -> Iterator[Shop]:
    with sqlite(tmp_path) as db:
        yield Shop(db, tmp_path, here)


def test_a_backend_is_refreshed_a_chunk_at_a_time(shop: Shop) -> None:
    shop.add(53)
    done = shop.cella("refresh", "--backend", "local")
    assert (done.returncode, done.stdout) == (0, "Refreshed the links of 50 files\n")
    done = shop.cella("refresh", "--backend", "local", "--chunk", "0", "--json")
    assert json.loads(done.stdout) == {"refreshed": 3}
    done = shop.cella("refresh", "--backend", "local", "--chunk", "1", "--window", "99999", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert shop.kept() == 53


def test_a_project_is_expired_and_refreshed(shop: Shop) -> None:
    shop.add(3)
    project = shop.project.id
    assert shop.cella("refresh", "--project", project).stdout == "Refreshed the links of 0 files\n"
    done = shop.cella("expire", "--project", project)
    assert (done.returncode, done.stdout) == (0, "Expired 3 links\n")
    assert shop.cella("refresh", "--project", project).stdout == "Refreshed the links of 3 files\n"
    assert json.loads(shop.cella("expire", "--project", project, "--json").stdout) == {"expired": 3}


@pytest.mark.parametrize(
    "arguments",
    [
        ("refresh",),
        ("refresh", "--project", "5f0123456789abcdef012345", "--backend", "local"),
        ("refresh", "--backend"),
        ("refresh", "--backend", "local", "--chunk", "-1"),
        ("refresh", "--backend", "local", "--window", "-1"),
        ("expire",),
    ],
)
def test_what_makes_no_sense_ends_with_2(shop: Shop, arguments: tuple[str, ...]) -> None:
    done = shop.cella(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["refresh", "expire"])
def test_a_project_that_is_unknown_is_told(shop: Shop, command: str) -> None:
    unknown = new_id()
    done = shop.cella(command, "--project", unknown)
    assert done.returncode == 1
    assert unknown in done.stderr


def test_a_terminal_sees_a_bar(shop: Shop) -> None:
    shop.add(2)
    command = [*COMMAND, "links", "refresh", "--backend", "local"]
    variables = environment(CELLA_DATA=str(shop.folder))
    code, shown = at_a_terminal(command, shop.folder, variables)
    assert code == 0
    assert "2/2" in shown


def test_ctrl_c_keeps_what_is_done(shop: Shop) -> None:
    shop.add(1200, 4)
    variables = {
        "CELLA_DATA": str(shop.folder),
        "CELLA_LINK_CDN": "local=cloudfront",
        "CELLA_CLOUDFRONT_URL": "https://d1.cloudfront.net",
        "CELLA_CLOUDFRONT_KEY": pem(rsa_key()),
        "CELLA_CLOUDFRONT_KEY_PAIR_ID": "K1",
    }
    process = subprocess.Popen(
        [*COMMAND, "links", "refresh", "--backend", "local", "--chunk", "0"],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: shop.kept() > 0)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "stay so" in said
    assert 0 < shop.kept() < 1200
