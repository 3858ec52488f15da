"""Films of gigabytes go to a cloud and come back in little memory."""

import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support import discarding_s3
from tests.support.clouds import Cloud, process
from tests.support.stores import KEY

from cella.store import parts
from cella.store.config import Clouds, S3Config
from cella.store.contract import BLOCK

MOST = 5 << 30
"""Bytes after which a run ends, if its time has not ended before."""

SECONDS = int(os.environ.get("CELLA_DRILL_SECONDS", "60"))


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Film:
    """A body of up to `most` bytes, which ends earlier with its time, and watches the memory."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._end = time.monotonic() + seconds
        self.length = 0
        self.peak = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        block = os.urandom(BLOCK)
        while self.length < self._most and time.monotonic() < self._end:
            yield block
            self.length += len(block)
            self.peak = max(self.peak, resident())


async def stream(most: int, seconds: float) -> int:
    """Send a film and read it back; gives how many bytes it had."""
    with process([sys.executable, discarding_s3.__file__], r"(http://\S+)") as endpoint:
        keys = Clouds(s3=S3Config(access_key_id="made", secret_access_key="up"))
        store = Cloud("s3", endpoint, "cella", keys).store()
        await store.open()
        await store.put(KEY, Film(8 * parts.FIRST, 60), replace=True)
        before = resident()
        film = Film(most, seconds / 2)
        key = KEY.replace("png", "mov")
        digests = await store.put(key, film)
        assert digests.length == film.length > 8 * parts.FIRST
        length = peak = 0
        async for block in store.get(key):
            length += len(block)
            peak = max(peak, resident())
        await store.close()
    assert length == film.length
    # What the allocator keeps is not known; a film that is held as a whole is seen for sure.
    assert film.peak - before < 2 * parts.MEMORY
    assert peak - before < 2 * parts.MEMORY
    return length


async def test_a_few_hundred_megabytes_take_little_memory() -> None:
    assert await stream(400 << 20, 30) > parts.MEMORY * 4


@pytest.mark.drill
async def test_gigabytes_take_little_memory() -> None:
    assert await stream(MOST, SECONDS) > parts.MEMORY * 10
