"""What can be made of a file, by its content type. Pure."""

from typing import Literal

from cella.media.image.formats import DECODABLE

MediaKind = Literal["picture", "film", "sound"]

_FILMS = frozenset({"application/mxf", "application/ogg", "application/mp4"})
"""Containers of film whose types do not begin with `video/`, as all others do."""

_SOUNDS = frozenset(
    f"audio/{name}"
    for name in (
        *("mpeg", "mp3", "x-mp3", "mpeg3", "x-mpeg", "x-mpeg-3", "mpg"),
        *("wav", "x-wav", "wave", "vnd.wave", "x-pn-wav", "x-w64"),
        *("flac", "x-flac", "aiff", "x-aiff", "x-caf", "basic", "x-au"),
        *("mp4", "m4a", "x-m4a", "m4b", "x-m4b", "mp4a-latm", "aac", "x-aac", "3gpp", "3gpp2"),
        *("webm", "x-matroska", "matroska", "x-ms-wma", "amr", "ac3", "eac3"),
        *("ogg", "opus", "vorbis", "x-ogg", "x-vorbis+ogg", "x-opus+ogg"),
    )
)
"""Types of sound in containers that we read. Others are kept as they are."""


def kind_of(content_type: str) -> MediaKind | None:
    """What the file is to be looked at as; None where nothing is made of such files."""
    if content_type in DECODABLE:
        return "picture"
    if content_type.startswith("video/") or content_type in _FILMS:
        return "film"
    return "sound" if content_type in _SOUNDS else None
