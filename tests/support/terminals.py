"""Commands at a terminal: what a person sees."""

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def at_a_terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run a command with a terminal for its output; the exit code, and all that it showed."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
    finally:
        os.close(theirs)
    shown = b""
    with process, os.fdopen(ours, "rb", buffering=0) as screen:
        try:
            while block := screen.read(4096):
                shown += block
        except OSError:
            # Linux says EIO where the last process has closed the other end.
            pass
    return process.returncode, shown.decode()
