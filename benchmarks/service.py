"""The servers that are measured: Cella as `cella serve` starts it, and nginx beside it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

from cella.clock import SystemClock
from cella.config import load
from cella.db import Database, migrations
from cella.flows.administer import Administer
from cella.keyring import complete

_PATIENCE = 30.0

_NGINX = """\
{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    client_max_body_size 0;
    client_body_temp_path {folder}/temporary;
    proxy_temp_path {folder}/unused1;
    fastcgi_temp_path {folder}/unused2;
    uwsgi_temp_path {folder}/unused3;
    scgi_temp_path {folder}/unused4;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            root {folder}/files;
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
}}
"""


class Service(NamedTuple):
    """A running server: its port on loopback, its process, and what a client needs to know."""

    port: int
    pid: int
    folder: Path
    token: str = ""
    project: str = ""


class Peak:
    """The most memory that a process and its children had resident, in bytes."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.main = 0
        self.whole = 0

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            main = _resident(self._pid)
            self.main = max(self.main, main)
            self.whole = max(self.whole, main + sum(map(_resident, _children(self._pid))))


@contextlib.contextmanager
def cella(folder: Path, **settings: str) -> Iterator[Service]:
    """Cella on its embedded defaults, freshly founded."""
    port = _free_port()
    environment = {
        **os.environ,
        "CELLA_DATA": str(folder),
        "CELLA_PORT": str(port),
        "CELLA_LOG_LEVEL": "warning",
        **settings,
    }
    config = complete(load(environment))
    db = Database(config.database, config.data / "cella.sqlite")
    db.open()
    try:
        migrations.upgrade(db)
        key = config.service.auth_token_hmac_key
        founded = Administer(db=db, token_key=key, clock=SystemClock()).found()
    finally:
        db.close()
    if founded is None:
        raise RuntimeError("the benchmark's folder was not empty")
    command = [sys.executable, "-m", "cella", "serve"]
    with _running(command, environment) as pid:
        _wait(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)
        yield Service(port, pid, folder, founded.token, founded.project.id)


@contextlib.contextmanager
def worker(service: Service, **settings: str) -> Iterator[int]:
    """A worker beside a running Cella, ready to begin; its process id."""
    environment = {**os.environ, "CELLA_DATA": str(service.folder), **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "cella", "worker"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("Waiting for"):
        if process.poll() is not None:
            raise RuntimeError("a worker did not start")
    drained = threading.Thread(target=process.stderr.read, daemon=True)
    drained.start()
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(_PATIENCE)


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Service]:
    """Debian's nginx-light with the dav module, with two worker processes."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        raise RuntimeError("nginx is needed as the peer: apt-get install nginx-light")
    port = _free_port()
    (folder / "files").mkdir(parents=True)
    folder.chmod(0o777)
    (folder / "files").chmod(0o777)
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(user=user, folder=folder, port=port))
    with _running([program, "-c", str(config), "-e", str(folder / "error.log")], None) as pid:
        _wait(lambda: httpx.get(f"http://127.0.0.1:{port}/").status_code > 0)
        yield Service(port, pid, folder)


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str] | None) -> Iterator[int]:
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with contextlib.suppress(httpx.TransportError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise RuntimeError("a server did not start")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGESIZE")


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    found = [int(child) for child in text.split()]
    return found + [grandchild for child in found for grandchild in _children(child)]
