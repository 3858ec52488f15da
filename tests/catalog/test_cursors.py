"""Cursors lead through a list to its end, whatever happens to it meanwhile."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.catalog.documents import NOW
from tests.catalog.shelf import Shelf

from cella.catalog.file_fields import SORTABLE
from cella.catalog.listing import FileQuery, Page
from cella.catalog.orders import MAX_CURSOR, Order
from cella.db import Database
from cella.errors import BadRequest
from cella.model import ANONYMOUS, File, Processing

LONG = "long " * 4000


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


def page(shelf: Shelf, order: tuple[Order, ...], cursor: str | None = None, limit: int = 4) -> Page:
    """A page of the shelf's project."""
    query = FileQuery(
        where={"project": shelf.project.id}, sort=order, limit=limit, cursor=cursor, page=7
    )
    query = query if cursor else FileQuery(where=query.where, sort=order, limit=limit)
    return shelf.db.read_now(lambda tx: shelf.listing.page(tx, shelf.reader, query))


def follow(shelf: Shelf, order: tuple[Order, ...]) -> list[str]:
    """The ids of all files, page by page."""
    found, cursor = [], None
    for _ in range(100):
        here = page(shelf, order, cursor)
        assert here.total == len(shelf.files)
        found += [file.id for file in here.files]
        cursor = here.next
        if cursor is None:
            return found
        assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
        assert len(cursor) <= MAX_CURSOR
    raise AssertionError("the cursors lead round in circles")


def value(file: File, field: str) -> Any:
    """What the file is sorted by; only the beginning of long texts counts."""
    head, _, rest = field.partition(".")
    names = {"_created": "created", "_updated": "updated", "_etag": "etag", "_id": "id"}
    names |= {"length_aggregate_in_bytes": "length_aggregate"}
    held = getattr(file, names.get(head, head))
    if rest and held is not None:
        held = getattr(held, rest)
    is_long = field in ("description", "processing.job_id", "processing.error")
    return held[:200] if is_long and held is not None else held


def in_order(files: list[File], order: tuple[Order, ...]) -> list[str]:
    """Their ids in that order, null being the least value."""
    rows = sorted(files, key=lambda file: file.id, reverse=order[-1][1])
    for field, descends in reversed(order):
        held = {file.id: value(file, field) for file in files}
        rows.sort(key=lambda file: (held[file.id] is not None, held[file.id]), reverse=descends)
    return [file.id for file in rows]


def _fill(shelf: Shelf, count: int = 14) -> None:
    words = ["", "Ä", "a", LONG, LONG + "end", "\U0001f3ac", None]
    shelf.add(
        *(
            {
                "created": NOW + number % 3,
                "updated": NOW - number % 4,
                "description": words[number % len(words)],
                "filename": f"{number % 4}é.png",
                "width": (None, 1, 0, -5)[number % 4],
                "length": number % 3,
                "sha256": None if number % 2 else f"{number % 6:064x}",
                "file_path": None if number == 5 else f"{number}.png",
                "processing": None
                if number % 3 == 0
                else Processing(
                    status="failed" if number % 2 else "finished",
                    backend="local" if number % 4 else "zencoder",
                    job_id=None if number % 2 else str(number % 4),
                    error=words[number % 6],
                ),
            }
            for number in range(count)
        )
    )


def test_cursors_lead_through_every_order(shelf: Shelf) -> None:
    _fill(shelf)
    orders: list[tuple[Order, ...]] = [
        *(((field, descends),) for field in SORTABLE for descends in (False, True)),
        (("_created", True), ("_id", False)),
        (("width", True), ("description", False)),
        (("processing.status", False), ("width", True), ("_created", False)),
        (("sha256", True), ("file_path", True), ("_id", True)),
    ]
    for order in orders:
        assert follow(shelf, order) == in_order(list(shelf.files.values()), order), order


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(-1, 4)),
        st.tuples(st.just("delete"), st.integers(0, 30)),
        st.tuples(st.just("forget"), st.integers(0, 30)),
        st.tuples(st.just("page"), st.just(0)),
        st.tuples(st.just("page"), st.just(0)),
    ),
    max_size=20,
)


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    start=st.lists(st.integers(0, 3), min_size=3, max_size=12),
    order=st.sampled_from(
        [(), (("_created", True),), (("width", False),), (("width", True), ("_id", False))]
    ),
    moves=MOVES,
)
def test_what_stays_is_met_once_whatever_comes_and_goes(
    database: Database, start: list[int], order: tuple[Order, ...], moves: list[tuple[str, int]]
) -> None:
    shelf = Shelf(database)

    def add(number: int) -> None:
        shelf.add({"created": NOW + number, "width": number or None})

    for number in start:
        add(number)
    stayed = set(shelf.files)
    here = page(shelf, order, limit=2)
    met = [file.id for file in here.files]
    for verb, argument in [*moves, *[("page", 0)] * 30]:
        if verb == "add":
            add(argument)
        elif verb != "page":
            getattr(shelf, verb)(argument)
        elif here.next is not None:
            here = page(shelf, order, here.next, limit=2)
            met += [file.id for file in here.files]
        living = {file.id for file in shelf.files.values() if file.deleted is None}
        stayed &= living | set(met)
    assert len(set(met)) == len(met)
    assert stayed <= set(met)


def test_a_cursor_opens_nothing(shelf: Shelf) -> None:
    _fill(shelf)
    cursor = page(shelf, ()).next
    query = FileQuery(where={"project": shelf.project.id}, cursor=cursor)
    seen = shelf.db.read_now(lambda tx: shelf.listing.page(tx, ANONYMOUS, query))
    assert (seen.total, seen.files, seen.next) == (0, [], None)


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


ID = "5f0123456789abcdef012345"


@pytest.mark.parametrize(
    ("cursor", "is_good"),
    [
        (encoded([["-_created", "-_id"], [NOW, ID]]), True),
        (encoded([["-_created", "-_id"], [-1, "x"]]), True),
        (encoded([["-_created", "-_id"], [(1 << 63) - 1, ""]]), True),
        (encoded([["_created", "_id"], [NOW, ID]]), False),
        (encoded([["-_created"], [NOW]]), False),
        (encoded([["-_created", "-_id"], [NOW]]), False),
        (encoded([["-_created", "-_id"], [NOW, ID, ID]]), False),
        (encoded([["-_created", "-_id"], [ID, NOW]]), False),
        (encoded([["-_created", "-_id"], [None, ID]]), False),
        (encoded([["-_created", "-_id"], [1 << 63, ID]]), False),
        (encoded([["-_created", "-_id"], [True, ID]]), False),
        (encoded([["-_created", "-_id"], [1.5, ID]]), False),
        (encoded([["-_created", "-_id"], [NOW, "\0"]]), False),
        (encoded([["-_created", "-_id"], [NOW, [ID]]]), False),
        (encoded([["-_created", "-_id"], [NOW, "x" * MAX_CURSOR]]), False),
        (encoded({"a": 1}), False),
        (encoded("x"), False),
        ("[" * 2000, False),
        (base64.urlsafe_b64encode(b"[" * 5000).decode(), False),
        (base64.urlsafe_b64encode(b"\xff\xfe").decode(), False),
        ("garbage", False),
        ("!", False),
        ("é", False),
        ("A" * 1001, False),
        ("=", False),
    ],
)
def test_what_is_no_cursor_of_this_list_is_refused(
    database: Database, cursor: str, is_good: bool
) -> None:
    shelf = Shelf(database)
    order: tuple[Order, ...] = (("_created", True),)
    if is_good:
        page(shelf, order, cursor)
        return
    with pytest.raises(BadRequest, match="`cursor`"):
        page(shelf, order, cursor)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cursor=st.one_of(
        st.text(max_size=30),
        st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    )
)
def test_any_text_is_a_cursor_or_refused(database: Database, cursor: str) -> None:
    shelf_query = FileQuery(cursor=cursor)
    shelf = Shelf(database)
    with pytest.raises(BadRequest, match="`cursor`"):
        shelf.db.read_now(lambda tx: shelf.listing.page(tx, shelf.reader, shelf_query))
