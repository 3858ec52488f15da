"""The command `cella` as people run it: in processes of its own, on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

PATIENCE = 60.0
"""Seconds after which a test gives up waiting."""

COMMAND = (sys.executable, "-m", "cella")


class Start(NamedTuple):
    """What `cella serve --json` says."""

    url: str
    data: str
    project: str
    project_name: str
    username: str | None
    token: str | None


class Server:
    """A running server, with the folder that it and its clients work in."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, start: Start) -> None:
        self.process = process
        self.folder = folder
        self.start = start

    def cella(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command against the server, as the administrator where the token is known."""
        return cella(*arguments, folder=self.folder, **self.variables | variables)

    @property
    def variables(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {"CELLA_URL": self.start.url, "CELLA_TOKEN": self.start.token or ""}


def environment(**variables: str) -> dict[str, str]:
    """This process's environment with these variables, and no other setting of Cella."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("CELLA_")}
    return {**inherited, "COLUMNS": "200", **variables}


def cella(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def serving(folder: Path, *arguments: str, **variables: str) -> Iterator[Server]:
    """A server on a free port with its data in `<folder>/data`, ready; stopped at the end.

    It leads a process group of its own, as it would at a terminal. Its log is `server.log`.
    """
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--json", *arguments],
            cwd=folder,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "server.log").read_text()
            server = Server(process, folder, Start(**json.loads(line)))
            wait_until(lambda: process.poll() is not None or is_ready(server.start.url))
            assert process.poll() is None, (folder / "server.log").read_text()
            yield server
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> int:
    """Ask the process to end, by its own id, and wait for it; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def is_ready(url: str) -> bool:
    """Whether the server at `url` says that it can work."""
    try:
        return httpx.get(f"{url}/readyz", timeout=PATIENCE, verify=False).is_success
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds; fails where it does not in time."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


def children(pid: int) -> set[int]:
    """The processes that `pid` has started and that live."""
    return {
        int(child)
        for tasks in Path(f"/proc/{pid}/task").glob("*/children")
        for child in _read(tasks).split()
        if lives(int(child))
    }


def descendants(pid: int) -> set[int]:
    """The children of `pid`, theirs, and so on."""
    found = children(pid)
    return found.union(*(descendants(child) for child in found))


def lives(pid: int) -> bool:
    """Whether there is such a process and it has not ended."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2][1:2] not in ("", "Z", "X")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
