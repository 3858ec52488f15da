"""Forms that have text only, read whole."""

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.forms import BOUNDARY, form, part

from cella.errors import BadRequest
from cella.http.multipart import MultipartLimits, read_fields

HEADER = f"multipart/form-data; boundary={BOUNDARY}"
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.just(f"\r\n--{BOUNDARY[:-1]}")


async def chunked(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The body as a connection brings it."""
    for chunk in chunks:
        yield chunk


def text_part(name: str, value: bytes) -> bytes:
    """A field as browsers send it."""
    return part(value, None, None, name)


@given(
    values=st.lists(st.tuples(st.sampled_from(["name", "size", "größe"]), TEXT), max_size=5),
    cuts=st.lists(st.integers(0, 2000), max_size=9),
)
async def test_fields_come_out_as_they_went_in(
    values: list[tuple[str, str]], cuts: list[int]
) -> None:
    body = form(*(text_part(name, value.encode()) for name, value in values)).body
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    chunks = (body[start:stop] for start, stop in pairwise(edges))
    assert await read_fields(chunked(chunks), HEADER) == dict(values)


async def test_every_cut_is_noticed() -> None:
    whole = form(text_part("name", b"a"), text_part("size", b"b")).body
    for length in range(len(whole) - 2):
        with pytest.raises(BadRequest):
            await read_fields(chunked([whole[:length]]), HEADER)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([part(b"x", "x.txt", None, "name")], "no file"),
        ([part(b"x", "", None, "name")], "no file"),
        ([f"--{BOUNDARY}\r\n\r\nx\r\n".encode()], "named"),
        ([text_part("name", b"\xff")], "part 'name' is not UTF-8"),
        ([text_part("name", b"x" * 1000)], "more than 900 bytes"),
        ([text_part("name", b"x")] * 9, "more than 8 parts"),
    ],
)
async def test_other_forms_are_refused(parts: list[bytes], told: str) -> None:
    limits = MultipartLimits(outside=900, parts=8)
    with pytest.raises(BadRequest, match=told):
        await read_fields(chunked([form(*parts).body]), HEADER, limits)
