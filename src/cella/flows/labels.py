"""What blobs are called and said to be where they are handed to people."""

from cella.disposition import serving_headers
from cella.links.urls import Linked
from cella.model import File, Variation
from cella.store.contract import Label

_NAMING_OTHERS = frozenset({"m3u8", "vtt"})
"""Formats of variations that name others: playlists (RFC 8216), and cues of WebVTT."""


def variation_filename(file: File, variation: Variation) -> str:
    """What a variation is saved as: the name of its file, which size it is, its own extension."""
    stem = file.filename.rpartition(".")[0] or file.filename
    extension = variation.file_path.rpartition(".")[2]
    return f"{stem}-{variation.size}.{extension}" if variation.size else f"{stem}.{extension}"


def linked(file: File) -> Linked:
    """The original, for its link."""
    return Linked(file.file_path or "", file.filename, file.content_type)


def linked_variation(file: File, variation: Variation) -> Linked:
    """A variation, for its link."""
    return Linked(
        variation.file_path,
        variation_filename(file, variation),
        variation.content_type,
        variation.format in _NAMING_OTHERS,
    )


def label(content_type: str, filename: str, *, is_public: bool = False) -> Label:
    """What a store that hands blobs out itself is told of one."""
    headers = serving_headers(content_type, filename)
    return Label(headers["content-type"], headers["content-disposition"], is_public)
