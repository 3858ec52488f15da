"""What can be set of films: which ffmpeg, who encodes, and what one film may cost."""

from typing import Literal

import msgspec

from cella.media.wire import Limits
from cella.settings import Amount, Count, SomeSeconds

_GIB = 1 << 30
_MOST_PIXELS = 1 << 26


class FfmpegConfig(msgspec.Struct, kw_only=True, frozen=True):
    """`bin` is the program ffmpeg: a path, or a name to look for; empty is the one there is."""

    bin: str = ""


class EncodingConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Who encodes films, and what encoding one may take here.

    Seconds and bytes as in `Limits`, but that `output_bytes` bounds also what one film takes in
    all while it is made, and `reserve_bytes` is what is left free of the disk meanwhile. Memory is
    address space, of which threads take much that they do not use; 8 GiB suffice for 8K on a
    machine of 16 cores.
    """

    backend: Literal["local", "zencoder"] = "local"
    wall_seconds: SomeSeconds = 6 * 3600.0
    cpu_seconds: SomeSeconds = 48 * 3600.0
    memory_bytes: Count = 8 * _GIB
    output_bytes: Count = 32 * _GIB
    reserve_bytes: Amount = _GIB

    @property
    def limits(self) -> Limits:
        """The limits of the child that encodes. A picture may have 8192 × 8192 pixels."""
        return Limits(
            wall_seconds=self.wall_seconds,
            cpu_seconds=self.cpu_seconds,
            memory_bytes=self.memory_bytes,
            output_bytes=self.output_bytes,
            max_pixels=_MOST_PIXELS,
        )
