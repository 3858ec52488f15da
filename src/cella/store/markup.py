"""The XML that clouds answer with."""

from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from cella.errors import StoreUnavailable

__all__ = ["all_of", "escape", "instant", "parsed", "text"]


def parsed(body: bytes, root: str) -> ET.Element:
    """An answer whose outermost tag is `root`, its tags without namespaces.

    Raises `StoreUnavailable` where it is another one: a proxy's own page has nothing to list.

    Entities, which can blow an answer up, are declared in a DOCTYPE; clouds send none, so an
    answer with one is refused unread.
    """
    if b"<!DOCTYPE" in body:
        raise StoreUnavailable("The store's answer is not one of a store.")
    try:
        found = ET.fromstring(body)  # noqa: S314 - without a DOCTYPE there are no entities
    except (ET.ParseError, ValueError):
        raise StoreUnavailable("The store's answer cannot be read.") from None
    for element in found.iter():
        element.tag = element.tag.rpartition("}")[2]
    if found.tag != root:
        raise StoreUnavailable("The store's answer is not one of a store.")
    return found


def text(element: ET.Element, path: str) -> str:
    """What stands in the element at `path`; empty for nothing."""
    return element.findtext(path) or ""


def all_of(element: ET.Element, path: str) -> Sequence[ET.Element]:
    """All elements at `path`."""
    return element.findall(path)


def instant(written: str) -> float:
    """A time as ISO 8601 writes it, in seconds since the epoch."""
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        raise StoreUnavailable("The store's answer has a time that is none.") from None
