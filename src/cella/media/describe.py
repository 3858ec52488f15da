"""What a file seems to be that we can do nothing with, for the person who sent it. Pure."""

from cella.media.sniff import sniff

_TEXT_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<head", "HTML"),
    (b"<script", "HTML"),
    (b"<!doctype svg", "SVG"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"#extm3u", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"[playlist]", "a playlist"),
    (b"{", "JSON"),
)
_PRINTABLE = frozenset(b"\t\n\r\f\x1b") | frozenset(range(0x20, 0x100)) - {0x7F}


def describe(head: bytes) -> str:
    """The end of a sentence about a file that begins with `head`: "it is …", "it begins like …".

    `head` is as long as for `sniff`.
    """
    media_type = sniff(head)
    if media_type is not None:
        return f"it is {media_type}"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    for beginning, name in _TEXT_BEGINNINGS:
        if start.startswith(beginning):
            return f"it begins like {name}"
    if _PRINTABLE.issuperset(head[:512]):
        return "it begins like text"
    return "it begins like nothing known"
