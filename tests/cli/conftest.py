"""Commands run in this process, and one server that they can talk to.

What depends on a process of its own (signals, pipes, terminals, memory) starts one instead, by
`tests.support.servers.cella`.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from tests.support import servers
from tests.support.servers import Start

from cella import cli


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Cella(Protocol):
    """Runs a command in a folder, with no other settings of Cella in the environment."""

    def __call__(self, *arguments: str, folder: Path, **variables: str) -> Done:
        """Run it to its end."""
        ...


class Studio(NamedTuple):
    """A running server, and who works with it."""

    server: servers.Server
    here: Cella

    @property
    def start(self) -> Start:
        """What the server said when it started."""
        return self.server.start

    def cella(self, *arguments: str, **variables: str) -> Done:
        """Run a command as the server's administrator, in its folder."""
        return self.here(*arguments, folder=self.server.folder, **self.server.variables | variables)


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cella:
    """Runs commands in this process."""

    def run(*arguments: str, folder: Path, **variables: str) -> Done:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(logging.root, "handlers", [])
            patch.setattr(logging.root, "level", logging.root.level)
            for name in [name for name in os.environ if name.startswith("CELLA_")]:
                patch.delenv(name)
            for name, text in variables.items():
                patch.setenv(name, text)
            capsys.readouterr()
            code = cli.run(list(arguments))
            return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server in its first start, with its administrator's token."""
    with servers.serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def studio(server: servers.Server, here: Cella) -> Studio:
    """The server, with commands that run in this process."""
    return Studio(server, here)
