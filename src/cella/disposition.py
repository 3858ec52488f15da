"""The headers under which foreign bytes are served, so that they can do no harm.

RFC 6266 and RFC 8187 for `Content-Disposition`; the rest follows the OWASP File Upload and
HTTP Headers cheat sheets. Whatever a browser might run (HTML, SVG, XML, anything unknown) is
never shown, only saved.
"""

import re
from typing import Literal
from urllib.parse import quote

from cella.names import readable, split_extension

MAX_NAME_BYTES = 240
"""Bytes of UTF-8 of a proposed name.

Common file systems end at 255, and browsers append things like ` (1)` or `.crdownload`.
"""

_INLINE_IMAGES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"))
# Seen in Chromium 156: a PDF and text show under `_CLOSED`. The page that the browser builds
# around a picture styles it inline; the one around video and audio fetches the blob once more,
# with CORS, which the opaque origin of a bare `sandbox` fails. None may run a script.
_CLOSED = "default-src 'none'; sandbox"
_PICTURE = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_PLAYER = (
    "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin"
)

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)
_UNKNOWN_TYPE = "application/octet-stream"
_FORBIDDEN_IN_NAMES = re.compile(r'[/\\:*?"<>|]')
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&'()+,\-.;=@\[\]^_`{}~]")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:[. ]|\Z)", re.IGNORECASE)
_ATTR_CHARS = "!#$&+-.^_`|~"


def content_disposition(kind: Literal["attachment", "inline"], filename: str) -> str:
    """The value of `Content-Disposition` that proposes `filename`, which may be any string.

    The name is made fit to be saved by any browser on any system (`safe_name`). Where it is not
    plain ASCII, `filename` carries a likeness and `filename*` the name (RFC 6266, section 5).
    """
    name = safe_name(filename)
    plain = _NOT_PLAIN.sub("_", name)
    value = f'{kind}; filename="{plain}"'
    if plain == name:
        return value
    return f"{value}; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def safe_name(filename: str) -> str:
    """A name under which a file can be saved on Linux, macOS and Windows; `file` if need be.

    Of a path the characters stay and the separators become `_`; so do the characters that
    Windows forbids. Leading dots, which hide files, and trailing ones, which Windows drops, are
    removed, names of devices get a `_` in front, and what exceeds `MAX_NAME_BYTES` is cut off
    before the extension.
    """
    name = _FORBIDDEN_IN_NAMES.sub("_", readable(filename)).strip(". ")
    if _DEVICE.match(name):
        name = f"_{name}"
    stem, extension = split_extension(name)
    room = MAX_NAME_BYTES - len(extension.encode())
    return (stem.encode()[:room].decode(errors="ignore") + extension).rstrip(". ") or "file"


def serving_headers(content_type: str, filename: str) -> dict[str, str]:
    """The headers under which a blob of `content_type` goes to a browser, by lower-case name.

    Pictures, video, audio, PDF and plain text are shown (`inline`), all else is saved. What is
    no media type is served as `application/octet-stream`; text is declared to be UTF-8.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        media_type = _UNKNOWN_TYPE
    is_text = media_type.startswith("text/")
    return {
        "content-type": f"{media_type}; charset=utf-8" if is_text else media_type,
        "content-disposition": content_disposition(
            "inline" if is_shown(media_type) else "attachment", filename
        ),
        "x-content-type-options": "nosniff",
        "content-security-policy": _policy(media_type),
        "cross-origin-resource-policy": "cross-origin",
    }


def is_shown(media_type: str) -> bool:
    """Whether a browser may show a blob of this bare, lower-case type rather than save it."""
    return (
        media_type in _INLINE_IMAGES
        or media_type in ("application/pdf", "text/plain")
        or _is_played(media_type)
    )


def _is_played(media_type: str) -> bool:
    # Browsers read every type that ends in +xml as XML, and XML may hold scripts.
    return media_type.startswith(("video/", "audio/")) and not media_type.endswith("+xml")


def _policy(media_type: str) -> str:
    if _is_played(media_type):
        return _PLAYER
    return _PICTURE if media_type in _INLINE_IMAGES else _CLOSED
