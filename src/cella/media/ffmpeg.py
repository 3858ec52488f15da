"""The program ffmpeg: found, asked what it can do, and run in the sandbox."""

import asyncio
import logging
import shutil
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

from cella.errors import CannotDecode, DecoderCrashed, OverLimit, StoreFull
from cella.media.containers import DEMUXERS, MOV_OPTIONS, PROTOCOLS
from cella.media.reasons import Kind, reason
from cella.media.sandbox import Sandbox
from cella.media.wire import Limits

_SECONDS = 20.0
_NO_ANSWER = "The ffmpeg of this server does not answer. Run `cella doctor` on the server."

log = logging.getLogger(__name__)

_ENCODERS = ("libx264", "aac", "mjpeg")
_FILTERS = ("scale", "split", "fps", "trim", "thumbnail", "bwdif", "zscale", "tonemap")
_TONE_MAPPING = frozenset({"zscale", "tonemap"})


class Abilities(NamedTuple):
    """What an ffmpeg says of itself; `lacks` are the encoders and filters that we miss in it."""

    version: str
    lacks: tuple[str, ...]

    @property
    def maps_tones(self) -> bool:
        """Whether it can bring a picture of high dynamic range down to what screens show."""
        return _TONE_MAPPING.isdisjoint(self.lacks)


def find(configured: str = "") -> Path | None:
    """The ffmpeg to use: the configured one, else the machine's, else that of a wheel.

    None where there is none; a configured one that is missing is not replaced by another.
    """
    if configured:
        found = shutil.which(configured)
        return None if found is None else Path(found).absolute()
    found = shutil.which("ffmpeg")
    return Path(found).absolute() if found else bundled()


def bundled() -> Path | None:
    """The ffmpeg that the wheel imageio-ffmpeg brings; None where it has none for this machine."""
    folder = Path(imageio_ffmpeg.__file__).parent / "binaries"
    programs = sorted(path for path in folder.glob("ffmpeg-*") if path.suffix != ".md")
    return programs[-1] if programs else None


def needed(program: Path | None) -> Path:
    """The program that `find` found. Raises `DecoderCrashed` where it found none."""
    if program is None:
        raise DecoderCrashed("This server has no ffmpeg. Run `cella doctor` on the server.")
    return program


@lru_cache(maxsize=8)
def abilities(program: Path) -> Abilities:
    """What `program` can do. It is asked until it answers, and then no more.

    Raises `DecoderCrashed` where it does not answer, or not as an ffmpeg does.
    """
    words = _ask(program, "-version").split(maxsplit=3)
    if words[:2] != ["ffmpeg", "version"] or len(words) < 3:
        raise DecoderCrashed(_NO_ANSWER)
    there = _names(_ask(program, "-encoders")) | _names(_ask(program, "-filters"))
    lacks = tuple(name for name in (*_ENCODERS, *_FILTERS) if name not in there)
    return Abilities(words[2], lacks)


async def maps_tones(program: Path) -> bool:
    """Whether `program` can bring high dynamic range down; a warning is logged if not.

    Raises as `abilities` does.
    """
    found = await asyncio.to_thread(abilities, program)
    if not found.maps_tones:
        log.warning("this ffmpeg has no zscale or tonemap: films in HDR will look pale")
    return found.maps_tones


def _names(listing: str) -> set[str]:
    rows = (line.split() for line in listing.splitlines())
    return {row[1] for row in rows if len(row) > 1}


def _ask(program: Path, option: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the operator's, with a fixed argument
            [program, "-hide_banner", option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DecoderCrashed(_NO_ANSWER) from error
    return done.stdout.decode(errors="replace")


def reading(source: Path, container: str, max_pixels: int) -> tuple[str, ...]:
    """The arguments that make `source` an input, opened no wider than needed. Pure.

    `container` is the demuxer that took it when it was probed.
    """
    mov = container.startswith("mov,")
    options = {
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": DEMUXERS,
        "max_pixels": str(max_pixels),
        **(MOV_OPTIONS if mov else {}),
    }
    spelled = (word for name, value in options.items() for word in (f"-{name}", value))
    return (*spelled, "-i", f"file:{source.absolute()}")


QUIETLY = ("-nostdin", "-hide_banner", "-loglevel", "error", "-nostats", "-y")
"""What every run of ffmpeg begins with."""


async def run(
    sandbox: Sandbox,
    program: Path,
    arguments: Iterable[str],
    limits: Limits | None = None,
    *,
    reads: Iterable[Path],
    writes: Iterable[Path],
    nice: int = 0,
) -> None:
    """Run ffmpeg in the sandbox, after `QUIETLY`.

    Raises as `Sandbox.run_program` does, and where it complains: `CannotDecode` with a sentence
    for who sent the file, `OverLimit` where it needs more memory than one may have, `StoreFull`
    where the disk is full, `DecoderCrashed` where this machine or its ffmpeg is at fault.
    """
    ended = await sandbox.run_program(
        program, (*QUIETLY, *arguments), limits, reads=reads, writes=writes, nice=nice
    )
    if not ended.code:
        return
    kind, sentence = reason(ended.stderr)
    match kind:
        case Kind.FILE:
            raise CannotDecode(sentence)
        case Kind.LIMIT:
            raise OverLimit(sentence)
        case Kind.MACHINE:
            raise DecoderCrashed(sentence)
        case Kind.DISK:
            raise StoreFull(sentence)
