"""The program ffmpeg, as far as asking it who it is goes."""

import subprocess
from pathlib import Path

_SECONDS = 20.0


def version(program: Path) -> str | None:
    """The version that an ffmpeg tells of itself, such as `5.1.6`; None where it is none."""
    try:
        done = subprocess.run(  # noqa: S603 - a program of the operator's, with a fixed argument
            [program, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    words = done.stdout.decode(errors="replace").split(maxsplit=3)
    return words[2] if words[:2] == ["ffmpeg", "version"] and len(words) > 2 else None
