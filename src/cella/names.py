"""File names that strangers give: what is kept of them, and how a URL spells them.

A name is a label for people. It never becomes a path or a key of ours, so it is kept as given,
down to `../../etc/pass wd.txt`; only what deceives or breaks a reader is taken out.
"""

import re
from urllib.parse import unquote_to_bytes

from cella.errors import BadRequest

MAX_LENGTH = 255
"""Characters of a name that are kept."""

UNNAMED = "unnamed"
"""The name of a file whose own name has nothing left."""

_CONTROL = "\x00-\x1f\x7f-\x9f"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNWANTED = re.compile(f"[{_CONTROL}{_BIDI}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXTENSION = re.compile(r"(?<=[^./\\])\.[^./\\\s]{1,32}\Z")


def clean_filename(raw: str) -> str:
    """The name to keep as a document's `filename`: valid UTF-8, and never empty or only blanks.

    It is what is `readable` of the given name; one that is longer than `MAX_LENGTH` characters
    loses the end of its stem but not its extension. Nothing else changes.
    """
    name = readable(raw)
    if not name.strip():
        return UNNAMED
    if len(name) <= MAX_LENGTH:
        return name
    stem, extension = split_extension(name)
    return stem[: MAX_LENGTH - len(extension)] + extension


def plain_name(raw: str) -> str:
    """Of a name only letters and digits of any script, blanks, `.` and `_`; it may be nothing.

    It neither begins with a dot nor begins or ends with a blank (contract, section 7).
    """
    kept = "".join(sign for sign in raw if sign.isalnum() or sign in " ._")
    return kept.lstrip(" .").rstrip(" ")


def readable(raw: str) -> str:
    """What of a name can be read and written as UTF-8; it may be nothing.

    Control characters (Unicode category Cc) and the controls of writing direction (the property
    Bidi_Control of UAX #9, which can make `exe.jpg` of `gpj.exe`) are left out, and a lone
    surrogate becomes U+FFFD.
    """
    return _SURROGATE.sub("\ufffd", _UNWANTED.sub("", raw))


def split_extension(name: str) -> tuple[str, str]:
    """Stem and extension; the latter has its dot, and is empty where none is recognisable."""
    found = _EXTENSION.search(name)
    return (name, "") if found is None else (name[: found.start()], found.group())


def decode_path_name(segment: bytes) -> str:
    """The name in one segment of a URL's path, percent-decoded exactly once (RFC 3986, 2.1).

    `segment` is a part of the path as it was received (ASGI's `raw_path`), so `%252e` gives
    `%2e`. A percent sign that begins no escape stays as it is, and so does a plus sign. The
    result is as the client gave it: `clean_filename` makes of it what is kept. Raises
    `BadRequest` where the bytes are not UTF-8.
    """
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise BadRequest(
            "The file's name in the address is not UTF-8; percent-encode it as UTF-8."
        ) from None
