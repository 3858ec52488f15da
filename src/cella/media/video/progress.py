"""How far ffmpeg has come, read from the file that it tells it in."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

_PAUSE = 0.5
_TAIL = 4096
_TIME = re.compile(r"^out_time_us=(\d{1,18})\n", re.MULTILINE)


async def follow(file: Path, seconds: float, report: Callable[[float], None]) -> None:
    """Report the share of `seconds` that is done, twice a second, until cancelled."""
    while True:
        await asyncio.sleep(_PAUSE)
        done = await asyncio.to_thread(_seconds_done, file)
        if done is not None and seconds > 0:
            report(min(1.0, done / seconds))


def _seconds_done(file: Path) -> float | None:
    try:
        with file.open("rb") as text:
            end = text.seek(0, 2)
            text.seek(max(0, end - _TAIL))
            return latest(text.read().decode(errors="replace"))
    except OSError:
        return None


def latest(text: str) -> float | None:
    """The time in the last complete line of `text` that tells one, in seconds."""
    found = _TIME.findall(text)
    return int(found[-1]) / 1e6 if found else None
