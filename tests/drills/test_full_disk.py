"""A disk that fills up: 507, nothing lost, and work goes on when there is room again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.drills.test_kill import Server

from cella.clock import SystemClock
from cella.db import Database, migrations
from cella.flows.administer import Administer, Founded

_MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB. Needs the right to mount, as CI has it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "cella-drill", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk is refused here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(small_disk: Path) -> None:
    """Uploads are refused with 507 while it is full, and leave nothing."""
    server = Server(small_disk / "data", "")
    founded = _found(server)
    headers = {"Authorization": f"Bearer {founded.token}"}
    stream = f"{server.url}/api/storage/stream/{founded.project.id}"
    server.start()
    try:
        with httpx.Client(headers=headers, timeout=60, verify=False) as client:
            kept = client.put(f"{stream}/kept.bin", content=b"kept")
            assert kept.status_code == 201
            used = _used(small_disk)
            for body in (_sized(64), _streamed(64)):
                refused = client.put(f"{stream}/large.bin", content=body)
                assert refused.status_code == 507
                assert refused.json()["_error"]["name"] == "store_full"
            assert _used(small_disk) <= used + _MIB
            files = client.get(f"{server.url}/api/files").json()["_items"]
            assert [file["filename"] for file in files] == ["kept.bin"]
            assert client.get(files[0]["link"]).content == b"kept"
            _fill_to_the_brim(small_disk)
            for number in range(200):
                answer = client.put(f"{stream}/{number}.bin", content=os.urandom(20_000))
                assert answer.status_code == 507, answer.text
            (small_disk / "filler").unlink()
            assert client.put(f"{stream}/after.bin", content=b"after").status_code == 201
            total = client.get(f"{server.url}/api/files").json()["_meta"]["total"]
            assert total == 2
    finally:
        server.stop()


def _found(server: Server) -> Founded:
    server.data.mkdir()
    config = server.config()
    db = Database(config.database, config.data / "cella.sqlite")
    db.open()
    migrations.upgrade(db)
    key = config.service.auth_token_hmac_key
    founded = Administer(db=db, token_key=key, clock=SystemClock()).found()
    db.close()
    assert founded is not None
    return founded


def _sized(mebibytes: int) -> bytes:
    return bytes(mebibytes * _MIB)


def _streamed(mebibytes: int) -> Iterator[bytes]:
    for _ in range(mebibytes):
        yield bytes(_MIB)


def _used(folder: Path) -> int:
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _fill_to_the_brim(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as filler:
        for size in (_MIB, 4096):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue
