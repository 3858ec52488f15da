"""How much of the disk an encoder may fill, looked at while it works.

The limit that the kernel keeps is one for each file, and an encoder writes several.
"""

import asyncio
import os
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from cella.errors import OverLimit, StoreFull
from cella.media.reasons import NO_ROOM
from cella.media.rendered import length_of
from cella.media.sandbox import mebibytes

_PAUSE = 0.5


class Room(NamedTuple):
    """The folder that is filled, and in bytes: the most of it, and what its disk keeps free."""

    folder: Path
    most: int
    reserve: int

    def check(self) -> None:
        """Raise `OverLimit` where the folder holds too much, `StoreFull` where the disk does."""
        if sum(map(length_of, self._files())) > self.most:
            raise OverLimit(
                f"Making this film playable takes more than {mebibytes(self.most)} of the disk."
            )
        if shutil.disk_usage(self.folder).free < self.reserve:
            raise StoreFull(NO_ROOM)

    def _files(self) -> list[Path]:
        with os.scandir(self.folder) as found:
            return [Path(entry) for entry in found]


async def within(room: Room, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, which fills `room`, and look at it twice a second and at the end.

    Raises what `work` and `Room.check` raise. When this returns or raises, cancellation
    included, `work` has ended.
    """
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_watch(room))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        await (working if working.done() else watching)
        await asyncio.to_thread(room.check)
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _watch(room: Room) -> None:
    """Look until cancelled. Raises as `Room.check` does."""
    while True:
        await asyncio.sleep(_PAUSE)
        await asyncio.to_thread(room.check)
