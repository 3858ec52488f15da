"""Byte ranges: what a `Range` header asks for, and how the answer is framed.

RFC 9110, section 14, and 15.3.7 for the answers.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from cella.errors import RangeNotSatisfiable

MAX_HEADER = 2 << 10
"""Characters of a `Range` header beyond which it is ignored."""

MAX_RANGES = 32
"""Ranges in one request beyond which they are ignored, as section 14.2 allows."""

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_BREAK = "\r\n"


class Span(NamedTuple):
    """Bytes `start` up to, not including, `stop`; never empty."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes it spans."""
        return self.stop - self.start


def parse(header: str | None, length: int) -> tuple[Span, ...] | None:
    """The spans of a blob of `length` bytes that a GET with this `Range` header wants.

    None means to serve the whole: there is no header, its unit is not `bytes`, it is malformed,
    too long, has too many ranges, or asks for the end of an empty blob, which no `Content-Range`
    can express. Ranges that nothing satisfies are left out, ranges that overlap or touch become
    one at the place of the first of them, and the order is otherwise the one asked for. One span
    wants a plain 206, several a `multipart/byteranges`.

    Raises `RangeNotSatisfiable` where the header is valid and no range lies in the blob.
    """
    specs = _specs(header)
    if specs is None:
        return None
    spans = [span for span in (_resolve(*spec, length) for spec in specs) if span is not None]
    if not spans:
        raise RangeNotSatisfiable(
            f"The file has {length} bytes; none of the wanted ranges lies in it.", length
        )
    if length == 0:
        return None
    return _coalesce(spans)


def content_range(span: Span, length: int) -> str:
    """The `Content-Range` of a span of a blob of `length` bytes: `bytes 0-499/1234`."""
    return f"bytes {span.start}-{span.stop - 1}/{length}"


def unsatisfied_range(length: int) -> str:
    """The `Content-Range` of a 416: `bytes */1234`."""
    return f"bytes */{length}"


class Framing(NamedTuple):
    """What stands between the spans in the body of a `multipart/byteranges`.

    The body is, for each span, its head and its bytes, and in the end the tail;
    `content_length` is the exact number of bytes of all that.
    """

    content_type: str
    content_length: int
    heads: tuple[bytes, ...]
    tail: bytes


def frame(boundary: str, content_type: str, spans: Iterable[Span], length: int) -> Framing:
    """Frame several spans of a blob of `length` bytes (RFC 9110, section 14.6).

    `boundary` has at most 70 letters and digits, and must be too random to occur in the blob;
    `content_type` is the blob's own, fit for a header.
    """
    spans = tuple(spans)
    heads = tuple(
        (
            f"{_BREAK if number else ''}--{boundary}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Range: {content_range(span, length)}\r\n\r\n"
        ).encode("latin-1")
        for number, span in enumerate(spans)
    )
    tail = f"\r\n--{boundary}--\r\n".encode("latin-1")
    return Framing(
        content_type=f"multipart/byteranges; boundary={boundary}",
        content_length=sum(map(len, heads)) + sum(span.length for span in spans) + len(tail),
        heads=heads,
        tail=tail,
    )


def _specs(header: str | None) -> list[tuple[int | None, int | None]] | None:
    """The pairs of numbers in a valid header, a missing number being None; else None."""
    if header is None or len(header) > MAX_HEADER:
        return None
    unit, equals, range_set = header.partition("=")
    if not equals or unit.lower() != "bytes":
        return None
    pieces = [piece for piece in (text.strip(" \t") for text in range_set.split(",")) if piece]
    if not pieces or len(pieces) > MAX_RANGES:
        return None
    specs = []
    for piece in pieces:
        match = _SPEC.fullmatch(piece)
        if match is None:
            return None
        first, last = (int(digits) if digits else None for digits in match.groups())
        if first is None and last is None:
            return None
        if first is not None and last is not None and last < first:
            return None
        specs.append((first, last))
    return specs


def _resolve(first: int | None, last: int | None, length: int) -> Span | None:
    """The bytes that one range means, or None where it is not satisfiable.

    A suffix of an empty blob is satisfiable (section 14.1.2) and gives an empty span.
    """
    if first is None:
        return Span(max(0, length - last), length) if last else None
    if first >= length:
        return None
    return Span(first, length if last is None else min(last + 1, length))


def _coalesce(spans: list[Span]) -> tuple[Span, ...]:
    """Join what overlaps or touches; each result stands where its first member stood."""
    joined: list[tuple[int, Span]] = []
    for place, span in sorted(enumerate(spans), key=lambda item: item[1]):
        if joined and span.start <= joined[-1][1].stop:
            earlier, before = joined[-1]
            stop = max(before.stop, span.stop)
            joined[-1] = (min(earlier, place), Span(before.start, stop))
        else:
            joined.append((place, span))
    return tuple(span for _, span in sorted(joined))
