"""Byte ranges, against tables from RFC 9110 and against a model that works byte by byte."""

import email
import email.policy
from email.message import EmailMessage
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cella.errors import RangeNotSatisfiable
from cella.http.ranges import (
    MAX_HEADER,
    MAX_RANGES,
    Span,
    content_range,
    frame,
    parse,
    unsatisfied_range,
)

patient = settings(deadline=None)


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=0-0", [(0, 1)]),
        ("bytes=9999-9999", [(9999, 10000)]),
        ("bytes=9500-", [(9500, 10000)]),
        ("bytes=0-", [(0, 10000)]),
        ("bytes=-500", [(9500, 10000)]),
        ("bytes=-1", [(9999, 10000)]),
        ("bytes=-20000", [(0, 10000)]),
        ("bytes=500-20000", [(500, 10000)]),
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=000-001", [(0, 2)]),
        ("bytes=0-" + "9" * 2000, [(0, 10000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10000)]),
        ("bytes=,, 0-0 ,\t, -1,", [(0, 1), (9999, 10000)]),
        ("bytes=500-600,601-999", [(500, 1000)]),
        ("bytes=500-700,601-999", [(500, 1000)]),
        ("bytes=0-9,0-9,0-9", [(0, 10)]),
        ("bytes=20-29,0-9", [(20, 30), (0, 10)]),
        ("bytes=20-29,0-9,10-19", [(0, 30)]),
        ("bytes=50-59,20-29,0-9,25-39", [(50, 60), (20, 40), (0, 10)]),
        ("bytes=0-9,20000-,-0", [(0, 10)]),
    ],
)
def test_what_is_wanted(header: str, spans: list[tuple[int, int]]) -> None:
    assert parse(header, 10_000) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5-1",
        "bytes=0-1,5-1",
        "bytes=a-b",
        "bytes=0-1;2-3",
        "bytes=0 - 1",
        "bytes=+1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=٠-٩",
        "bytes=0x1-2",
        "bytes 0-1",
        "bytes =0-1",
        "lines=0-1",
        "0-1",
        "bytes=0-" + "9" * MAX_HEADER,
        "bytes=" + "0-0," * (MAX_RANGES + 1),
    ],
)
@pytest.mark.parametrize("length", [0, 1, 10_000])
def test_what_is_ignored(header: str | None, length: int) -> None:
    assert parse(header, length) is None


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ("bytes=10000-", 10_000),
        ("bytes=10000-10000", 10_000),
        ("bytes=-0", 10_000),
        ("bytes=20000-30000,-0", 10_000),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-0", 0),
    ],
)
def test_what_cannot_be_satisfied(header: str, length: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse(header, length)
    assert caught.value.length == length


@pytest.mark.parametrize("header", ["bytes=-1", "bytes=0-0,-5"])
def test_the_end_of_an_empty_blob_is_the_whole(header: str) -> None:
    assert parse(header, 0) is None


def test_as_many_ranges_as_allowed() -> None:
    header = "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MAX_RANGES))
    assert parse(header, 100) == tuple(Span(2 * n, 2 * n + 1) for n in range(MAX_RANGES))


def test_content_range() -> None:
    assert content_range(Span(0, 500), 1234) == "bytes 0-499/1234"
    assert content_range(Span(1233, 1234), 1234) == "bytes 1233-1233/1234"
    assert unsatisfied_range(0) == "bytes */0"
    assert Span(3, 10).length == 7


number = st.integers(0, 40)
spec = st.one_of(
    st.tuples(number, number).map(sorted).map(lambda ends: (ends[0], ends[1])),
    st.tuples(number, st.none()),
    st.tuples(st.none(), number),
)
Spec = tuple[int | None, int | None]


def wanted(spec: Spec, length: int) -> set[int]:
    """The model: which of the bytes the range means."""
    first, last = spec
    if first is None:
        return {at for at in range(length) if last is not None and at >= length - last}
    return {at for at in range(length) if at >= first and (last is None or at <= last)}


@settings(deadline=None, max_examples=1000)
@given(st.lists(spec, min_size=1, max_size=8), st.integers(1, 40))
@example([(0, 5), (10, 15), (6, 9)], 20)
def test_ranges_against_the_model(specs: list[Spec], length: int) -> None:
    header = "bytes=" + ", ".join(
        f"{'' if first is None else first}-{'' if last is None else last}" for first, last in specs
    )
    sets = [bytes_ for bytes_ in (wanted(spec, length) for spec in specs) if bytes_]
    if not sets:
        with pytest.raises(RangeNotSatisfiable):
            parse(header, length)
        return
    spans = parse(header, length)
    assert spans is not None
    covered = [set(range(span.start, span.stop)) for span in spans]
    assert set().union(*covered) == set().union(*sets)
    for before, after in pairwise(sorted(spans)):
        assert before.stop < after.start
    places = [min(n for n, one in enumerate(sets) if one <= cover) for cover in covered]
    assert places == sorted(places)


@settings(deadline=None, max_examples=500)
@given(st.text(st.sampled_from("bytes=0123456789-, \t")), st.integers(0, 100))
def test_no_header_breaks_it(text: str, length: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            spans = parse(header, length)
        except RangeNotSatisfiable:
            continue
        assert spans is None or all(0 <= start < stop <= length for start, stop in spans)


@patient
@given(st.binary(min_size=1, max_size=200), st.data())
def test_framing_is_a_multipart_of_the_announced_length(blob: bytes, data: st.DataObject) -> None:
    starts = data.draw(st.lists(st.integers(0, len(blob) - 1), min_size=2, max_size=6))
    spans = [Span(at, data.draw(st.integers(at + 1, len(blob)))) for at in starts]
    framing = frame("0123456789abcdef", "image/png", spans, len(blob))
    assert len(framing.heads) == len(spans)
    body = b"".join(
        head + blob[span.start : span.stop] for head, span in zip(framing.heads, spans, strict=True)
    )
    body += framing.tail
    assert len(body) == framing.content_length

    message = email.message_from_bytes(
        f"Content-Type: {framing.content_type}\r\n\r\n".encode() + body,
        policy=email.policy.HTTP,
    )
    assert message.get_content_type() == "multipart/byteranges"
    parts = list(message.iter_parts())
    assert [part["content-range"] for part in parts] == [
        content_range(span, len(blob)) for span in spans
    ]
    assert all(isinstance(part, EmailMessage) for part in parts)
    assert {part.get_content_type() for part in parts} == {"image/png"}


def test_framing_to_the_letter() -> None:
    framing = frame("SEP", "text/plain; charset=utf-8", [Span(0, 2), Span(4, 5)], 9)
    assert framing.content_type == "multipart/byteranges; boundary=SEP"
    kind = b"Content-Type: text/plain; charset=utf-8\r\n"
    assert framing.heads == (
        b"--SEP\r\n" + kind + b"Content-Range: bytes 0-1/9\r\n\r\n",
        b"\r\n--SEP\r\n" + kind + b"Content-Range: bytes 4-4/9\r\n\r\n",
    )
    assert framing.tail == b"\r\n--SEP--\r\n"
    assert framing.content_length == sum(map(len, framing.heads)) + 3 + len(framing.tail)
