"""Why ffmpeg gave up, in plain words. Pure.

What it says itself holds paths of the server, and means little to who sent the file.
"""

from enum import Enum, auto


class Kind(Enum):
    """Whose fault it is: the file's, a limit's, this machine's, or that of its full disk."""

    FILE = auto()
    LIMIT = auto()
    MACHINE = auto()
    DISK = auto()


NO_INDEX = "This file is cut off: its index, which stands at its end, is missing."
NO_ROOM = "The server has no room left to work on this file. Try again later."
NO_ROOM_SIGNS = ("no space left on device", "disk quota exceeded")
"""What programs and libraries say then, in lower case."""

_REASONS: tuple[tuple[Kind, str, tuple[str, ...]], ...] = (
    (
        Kind.LIMIT,
        "Decoding this file needs more memory than one file may have.",
        # The last one is what a thread gets whose stack would be beyond the limit.
        (
            *("cannot allocate memory", "malloc of size", "error allocating"),
            *("failed to allocate", "resource temporarily unavailable"),
        ),
    ),
    (Kind.DISK, NO_ROOM, NO_ROOM_SIGNS),
    (
        Kind.MACHINE,
        "The ffmpeg of this server lacks something. Run `cella doctor` on the server.",
        (
            "unknown encoder",
            "no such filter",
            "unrecognized option",
            "option not found",
            "error while loading shared libraries",
        ),
    ),
    (
        Kind.FILE,
        "This file is no film or sound that we can read: it leads to other files.",
        ("not on whitelist", "not in allowed_extensions", "protocol not found"),
    ),
    (Kind.FILE, NO_INDEX, ("moov atom not found",)),
    (
        Kind.LIMIT,
        "The pictures of this film are larger than what is taken.",
        ("picture size", "exceeds specified max pixel count"),
    ),
    (
        Kind.FILE,
        "This film or sound is made in a way that we cannot decode.",
        (
            "could not find codec parameters",
            "decoder (codec none) not found",
            "no decoder for",
            "cannot find a matching stream",
            "not yet implemented",
            "not supported",
        ),
    ),
    (
        Kind.MACHINE,
        "The disk of this server did not do what was asked. Try again.",
        ("input/output error",),
    ),
)

_BROKEN = "This film or sound is broken, or needs something that we cannot read."


def reason(stderr: str) -> tuple[Kind, str]:
    """Whose fault it is and a sentence about it, from what ffmpeg said at the end."""
    said = stderr.lower()
    for kind, sentence, signs in _REASONS:
        if any(sign in said for sign in signs):
            return kind, sentence
    return Kind.FILE, _BROKEN
