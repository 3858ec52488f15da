"""An encoder that fills the disk is stopped. Python plays the encoder."""

import asyncio
import os
import sys
import sysconfig
from pathlib import Path

import pytest

from cella.errors import DecoderCrashed, OverLimit, StoreFull
from cella.media.sandbox import Sandbox
from cella.media.video.room import Room, within

PYTHON = Path(sys.executable).resolve()
INSTALLED = Path(sysconfig.get_path("stdlib")).parents[1]

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def running(sandbox: Sandbox, code: str, folder: Path) -> None:
    """Run a program that does what `code` says; it may write into `folder`."""
    words = ["-I", "-S", "-c", code]
    await sandbox.run_program(PYTHON, words, reads=[INSTALLED / "lib"], writes=[folder])


FILLS_AND_STAYS = """
import os, time
open({pid!r}, "w").write(str(os.getpid()))
for number in range(5):
    open(f"{folder}/{{number}}", "wb").write(bytes(1 << 20))
time.sleep(3600)
"""


async def test_who_fills_too_much_is_killed(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    code = FILLS_AND_STAYS.format(pid=str(folder / "pid"), folder=str(folder))
    with pytest.raises(OverLimit):
        await within(Room(folder, 4 << 20, 0), running(sandbox, code, folder))
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


async def test_what_was_filled_last_counts(tmp_path: Path) -> None:
    async def fill() -> None:
        (tmp_path / "file").write_bytes(bytes(11))

    await within(Room(tmp_path, 11, 0), fill())
    with pytest.raises(OverLimit):
        await within(Room(tmp_path, 10, 0), fill())


async def test_a_disk_that_is_nearly_full_stops_the_work(tmp_path: Path) -> None:
    with pytest.raises(StoreFull):
        await within(Room(tmp_path, 1 << 40, 1 << 62), asyncio.sleep(3600))


async def test_what_goes_wrong_is_raised(tmp_path: Path) -> None:
    async def fail() -> None:
        raise DecoderCrashed("It crashed.")

    with pytest.raises(DecoderCrashed):
        await within(Room(tmp_path, 1, 0), fail())


async def test_cancelling_ends_the_work(tmp_path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.ensure_future(within(Room(tmp_path, 1, 0), wait()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
