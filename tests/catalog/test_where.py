"""`where` finds what MongoDB finds, on both databases."""

import re
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.catalog.documents import NOW, a_project, a_user, a_variation, granted
from tests.catalog.mongo import document_of, matches
from tests.catalog.shelf import Shelf

from cella.catalog import people, projects
from cella.catalog.file_fields import file_fields
from cella.catalog.listing import FileQuery
from cella.catalog.where import MAX_DEPTH, MAX_TERMS, MAX_VALUES, compile_where
from cella.db import Database, Tx
from cella.errors import BadRequest
from cella.ids import new_id
from cella.model import ANONYMOUS, Actor, Processing

MANY = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DATES = [formatdate(NOW + seconds, usegmt=True) for seconds in (0, 1, 86400)]

PICTURES = tuple(
    a_variation(size=size, width=width, height=width, length=width * 10, is_public=size == "t")
    for size, width in (("s", 90), ("b", 160), ("t", 160), ("m", 320))
)
FILM = a_variation(
    size="1080p",
    content_type="video/mp4",
    format="mp4",
    width=1920,
    height=1080,
    duration=7,
    length=1 << 60,
    md5="2" * 32,
)
FILES: list[dict[str, Any]] = [
    {},
    {"description": "", "width": 0, "length": 7, "created": NOW + 1},
    {"description": "A still of the forest", "width": 7, "format": "png", "sha256": "1" * 64},
    {"filename": "Forest_night-010.PNG", "width": -7, "length": (1 << 62) + 1, "size": "xl"},
    {"filename": "ﬁ Ä.png", "description": "stills'; --", "width": 8, "created": NOW + 86400},
    {"variations": PICTURES[:1], "processing": Processing(status="finished")},
    {"variations": PICTURES, "processing": Processing(status="failed", error="It's broken.")},
    {"variations": (*PICTURES[:2], FILM), "status": "processing"},
    {
        "variations": (FILM,),
        "processing": Processing(status="pending", backend="zencoder", job_id="77"),
    },
    {"variations": (a_variation(size=None),), "description": "t"},
    {
        "processing": Processing(status="pending", backend="zencoder"),
        "content_type": "video/mp4",
        "width": 1 << 53,
    },
]


@pytest.fixture
def shelf(database: Database) -> Shelf:
    """A shelf with a bit of everything."""
    shelf = Shelf(database)
    shelf.add(*FILES)
    return shelf


def found(shelf: Shelf, where: dict[str, Any]) -> set[str]:
    """The ids of all files that are listed."""
    total, ids = shelf.find(where)
    assert total == len(ids) == len(set(ids))
    return set(ids)


def expected(shelf: Shelf, where: dict[str, Any]) -> set[str]:
    """The same by the model."""
    return {file.id for file in shelf.files.values() if matches(document_of(file), where)}


# --- Anything ---

JUNK: list[Any] = [None, True, False, 0, 7, 7.0, 7.5, -7, 1 << 53, 1 << 64, -1e300, "", "t", "x\0"]
FIELDS: dict[str, list[Any]] = {
    "_created": [*DATES, "Sun, 99 Nov 2026 17:38:00 GMT", formatdate(NOW)],
    "_deleted": [True, False],
    "user": [new_id()],
    "filename": ["still.png", "ﬁ Ä.png", "stil"],
    "description": ["", "stills'; --", "A still of the forest"],
    "content_type": ["image/png", "video/mp4"],
    "length": [100, 7, 7.5, (1 << 62) + 1, float(1 << 62), (1 << 63) - 1, 1 << 63],
    "length_aggregate_in_bytes": [100, 110, 1000],
    "width": [0, 7, -7, 8.0, (1 << 53) + 1, -0.5],
    "format": ["png"],
    "size": ["xl"],
    "status": ["complete", "processing"],
    "processing.status": ["finished", "failed", "pending"],
    "processing.backend": ["local", "zencoder"],
    "processing.job_id": ["77"],
    "processing.error": ["It's broken."],
    "processing.nothing": ["x"],
    "variations.size": ["s", "t", "1080p"],
    "variations.width": [90, 160, 1920, 159.5],
    "variations.length": [1600, 1 << 60, (1 << 60) + 1, float(1 << 60)],
    "variations.md5": ["", "2" * 32],
    "variations.duration": [7],
    "variations.is_public": [True, False],
    "variations.nothing": ["x"],
    "parent": [new_id()],
    "parent.of.nothing": [1],
    "filename.png": ["x"],
}
INSIDE = [name.removeprefix("variations.") for name in FIELDS if name.startswith("variations.")]


def values(field: str) -> st.SearchStrategy[Any]:
    """A value that the field may well have, or else anything."""
    return st.sampled_from(FIELDS[field] * 3 + JUNK)


def _operators(field: str) -> st.SearchStrategy[dict[str, Any]]:
    one, some = values(field), st.lists(values(field), max_size=3)
    known = values(field).filter(lambda value: value is not None)
    return st.one_of(
        st.builds(lambda value: {"$eq": value}, one),
        st.builds(lambda value: {"$ne": value}, one),
        st.builds(
            lambda verb, value: {verb: value},
            st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
            known,
        ),
        st.builds(lambda low, high: {"$gt": low, "$lte": high}, known, known),
        st.builds(lambda verb, each: {verb: each}, st.sampled_from(["$in", "$nin", "$all"]), some),
        st.builds(lambda flag: {"$exists": flag}, st.sampled_from([True, False, 1, 0])),
        st.builds(
            lambda name: {"$type": name},
            st.sampled_from(["string", "int", "bool", "date", "objectId", 2, 16, ["string", 9]]),
        ),
        st.builds(
            lambda divisor, rest: {"$mod": [divisor, rest]},
            st.sampled_from([4, 3, -3, 7.0, 1 << 40]),
            st.sampled_from([0, 1, -1, 3]),
        ),
        st.builds(lambda size: {"$size": size}, st.sampled_from([0, 1, 3])),
        st.builds(
            lambda text, options: {"$regex": text, "$options": options},
            st.sampled_from(["still", "^ST", "[sf]t?ill$", "^$", "Ä", "p+ng", "^stil"]),
            st.sampled_from(["", "i"]),
        ),
        st.just({"$geoWithin": {"$box": [[0, 0], [1, 1]]}}),
    )


def _conditions(fields: list[str], prefix: str = "") -> st.SearchStrategy[dict[str, Any]]:
    def of(field: str) -> st.SearchStrategy[dict[str, Any]]:
        operators = _operators(prefix + field)
        condition = st.one_of(
            values(prefix + field),
            operators,
            operators,
            st.builds(lambda each: {"$not": each}, operators),
        )
        return st.builds(lambda each: {field: each}, condition)

    return st.sampled_from(fields).flatmap(of)


def _queries(leaves: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(
                lambda verb, parts: {verb: parts},
                st.sampled_from(["$and", "$or", "$nor"]),
                st.lists(inner, min_size=1, max_size=3),
            ),
            st.builds(lambda one, other: {**one, **other}, inner, inner),
        ),
        max_leaves=5,
    )


ELEMENTS = _queries(_conditions(INSIDE, "variations."))
WHOLES = st.one_of(
    st.builds(lambda query: {"variations": {"$elemMatch": query}}, ELEMENTS),
    st.builds(lambda query: {"variations": {"$not": {"$elemMatch": query}}}, ELEMENTS),
    st.builds(
        lambda queries: {"variations": {"$all": [{"$elemMatch": each} for each in queries]}},
        st.lists(ELEMENTS, max_size=2),
    ),
    st.builds(lambda size: {"variations": {"$size": size}}, st.sampled_from([0, 1, 3, 4, 4.0])),
    st.builds(lambda flag: {"variations": {"$exists": flag}}, st.booleans()),
    st.builds(lambda flag: {"processing": {"$exists": flag}}, st.booleans()),
    st.builds(
        lambda field, name: {field: {"$type": name}},
        st.sampled_from(["variations", "processing"]),
        st.sampled_from(["object", "array", "string", 3]),
    ),
    st.sampled_from(
        [
            {"variations": None},
            {"variations": {"$ne": None}},
            {"variations": "t"},
            {"processing": None},
            {"processing": {"status": "finished"}},
            {"processing": {"backend": "local", "status": "finished"}},
            {"processing": {"status": "finished", "error": None}},
            {"processing": {"status": "finished", "unknown": 1}},
            {"processing": {"$in": [None, {"status": "pending", "backend": "zencoder"}, 7]}},
            {"processing": {"$nin": [{"status": "pending", "backend": "zencoder"}]}},
            {"processing": {}},
            {"variations": {}},
            {"variations": msgspec.to_builtins(PICTURES[0])},
            {"variations": {"$ne": msgspec.to_builtins(PICTURES[0])}},
            {"variations": {"$in": [msgspec.to_builtins(PICTURES[2]), "t"]}},
            {"variations": {"$all": [msgspec.to_builtins(each) for each in PICTURES[:2]]}},
        ]
    ),
)


def _levels(query: Any) -> int:
    """How deep a query is nested, not counting its top."""
    if isinstance(query, list):
        return max(map(_levels, query), default=0)
    if not isinstance(query, dict):
        return 0
    nesting = ("$and", "$or", "$nor", "$not", "$elemMatch")
    return max(((name in nesting) + _levels(each) for name, each in query.items()), default=0)


def _is_answered(query: dict[str, Any]) -> bool:
    """Whether a query is within the bounds of what one may ask for at once."""
    try:
        compile_where(query, file_fields(deleted=False, loose=False, shown=None))
    except BadRequest as refusal:
        return "terms" not in refusal.message
    return True


QUERIES = _queries(st.one_of(_conditions(list(FIELDS)), _conditions(list(FIELDS)), WHOLES)).filter(
    lambda query: _levels(query) < MAX_DEPTH and _is_answered(query)
)


@MANY
@given(where=QUERIES)
def test_a_query_finds_what_it_means(shelf: Shelf, where: dict[str, Any]) -> None:
    assert found(shelf, where) == expected(shelf, where)


def test_the_same_of_what_readers_are_not_shown(database: Database) -> None:
    """A condition on a variation that a reader does not get would tell what it is."""
    owner, stranger, uploader = a_user(), a_user(), a_user()
    project = a_project(owner.id, permissions=granted(world=("GET",), users={owner.id: ("POST",)}))
    shelf = Shelf(database)

    def make(tx: Tx) -> None:
        for user in (owner, stranger, uploader):
            people.add_user(tx, user)
        projects.add(tx, project)

    database.write_now(make)
    file, _ = shelf.add(
        {"project": project.id, "user": uploader.id, "variations": (*PICTURES[:2], FILM)}, {}
    )
    conditions: list[dict[str, Any]] = [
        {"variations.format": "mp4"},
        {"variations.file_path": {"$regex": "^" + FILM.file_path[:4]}},
        {"variations": {"$size": 3}},
        {"variations": {"$elemMatch": {"duration": 7}}},
        {"variations": msgspec.to_builtins(FILM)},
        {"variations.width": {"$gt": 1000}},
    ]
    readers = {
        "owner": Actor(user=owner.id),
        "uploader": Actor(user=uploader.id),
        "stranger": Actor(user=stranger.id),
        "member of another": shelf.reader,
        "anonymous": ANONYMOUS,
    }
    for who, reader in readers.items():
        for where in [*conditions, *({"$nor": [each]} for each in conditions)]:
            wanted = {"project": project.id, **where}
            document = document_of(file, pictures_only=who not in ("owner", "uploader"))
            for full, shown in ((False, document), (True, document_of(file))):
                listed = (1, [file.id]) if matches(shown, wanted) else (0, [])
                assert shelf.find(wanted, actor=reader, full=full) == listed, (who, where)


# --- Words ---


SEARCHES: list[tuple[str, list[int]]] = [
    ("forest", [2, 3]),
    ("FOREST", [2, 3]),
    ("night", [3]),
    ("010", [3]),
    ("10", []),
    ("ore", []),
    ("png", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ("night ä", [3, 4]),
    ("forest -night", [2]),
    ("forest -night-010", [2]),
    ('"the forest"', [2]),
    ('"of forest"', []),
    ('"still of" night', [2]),
    ('-"the forest" forest', [3]),
    ("-forest", []),
    ("a still", [0, 1, 2, 5, 6, 7, 8, 9, 10]),
    ("'; --", []),
    ("stills'; --", [4]),
    (".* (x+)+$ [", []),
    ("%", []),
    ("", []),
    ("ﬁ", [4]),
    (" ".join(f"x{number}" for number in range(48)) + " still", [0, 1, 2, 5, 6, 7, 8, 9, 10]),
    ("forest " + " ".join(f"-x{number}" for number in range(36)) + " -night", [2]),
]


def test_words_are_looked_for(shelf: Shelf) -> None:
    ids = sorted(shelf.files)
    for search, wanted in SEARCHES:
        text = {"$search": search, "$language": "en", "$diacriticSensitive": False}
        assert found(shelf, {"$text": text}) == {ids[number] for number in wanted}, search


def test_words_may_be_told_apart_by_case(shelf: Shelf) -> None:
    ids = sorted(shelf.files)
    where = {"$text": {"$search": "forest", "$caseSensitive": True}}
    assert found(shelf, where) == {ids[2]}


# --- What is refused ---


def nested(depth: int) -> dict[str, Any]:
    """A query with this many levels."""
    where: dict[str, Any] = {"width": 1}
    for _ in range(depth - 1):
        where = {"$and": [where]}
    return where


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"$where": "this.a == 1"}, "$where"),
    ({"$expr": {}}, "$expr"),
    ({"$comment": "x"}, "$comment"),
    ({"$regex": "a"}, "$regex"),
    ({"width": {"$foo": 1}}, "$foo"),
    ({"width": {"$gt": 1, "foo": 1}}, "foo"),
    ({"width": {"foo": 1}}, "width"),
    ({"width": {"": 1}}, "width"),
    ({"width": {"$gt": None}}, "$gt"),
    ({"width": {"$in": 7}}, "$in"),
    ({"width": {"$in": None}}, "$in"),
    ({"width": {"$in": [{"$gt": 1}]}}, "$in"),
    ({"width": {"$nin": "7"}}, "$nin"),
    ({"width": {"$in": [7] * (MAX_VALUES + 1)}}, "$in"),
    ({"width": {"$all": 7}}, "$all"),
    ({"width": {"$exists": "yes"}}, "$exists"),
    ({"width": {"$exists": None}}, "$exists"),
    ({"width": {"$type": "text"}}, "$type"),
    ({"width": {"$type": 99}}, "$type"),
    ({"width": {"$type": []}}, "$type"),
    ({"width": {"$type": True}}, "$type"),
    ({"width": {"$type": [["int"]]}}, "$type"),
    ({"width": {"$mod": 4}}, "$mod"),
    ({"width": {"$mod": [0, 1]}}, "$mod"),
    ({"width": {"$mod": [4]}}, "$mod"),
    ({"width": {"$mod": [4, "1"]}}, "$mod"),
    ({"width": {"$mod": [4, True]}}, "$mod"),
    ({"width": {"$mod": [1 << 63, 1]}}, "$mod"),
    ({"width": {"$size": -1}}, "$size"),
    ({"width": {"$size": 1.5}}, "$size"),
    ({"width": {"$size": "1"}}, "$size"),
    ({"width": {"$not": 1}}, "$not"),
    ({"width": {"$not": {}}}, "$not"),
    ({"width": {"$not": {"a": 1}}}, "$not"),
    ({"width": {"$not": {"$foo": 1}}}, "$foo"),
    ({"width": {"$near": [0, 0]}}, "$near"),
    ({"width": {"$nearSphere": [0, 0]}}, "$nearSphere"),
    ({"filename": {"$options": "i"}}, "$options"),
    ({"filename": {"$regex": 7}}, "$regex"),
    ({"filename": {"$regex": "a", "$options": 7}}, "$options"),
    ({"filename": {"$regex": "a", "$options": "g"}}, "$options"),
    ({"filename": {"$regex": "(a+)+"}}, "$regex"),
    ({"$or": []}, "$or"),
    ({"$and": {}}, "$and"),
    ({"$nor": [1]}, "$nor"),
    ({"$and": [{"width": {"$foo": 1}}]}, "$foo"),
    ({"$text": "word"}, "$text"),
    ({"$text": {"$search": 7}}, "$text"),
    ({"$text": {"$search": "a", "$foo": 1}}, "$text"),
    ({"$text": {"$search": "a", "$caseSensitive": 1}}, "$text"),
    ({"$text": {"$search": "a" * 201}}, "$search"),
    ({"variations": []}, "variations"),
    ({"variations": {"$gt": 1}}, "variations"),
    ({"variations": {"$regex": "a"}}, "variations"),
    ({"variations": {"$elemMatch": 1}}, "$elemMatch"),
    ({"variations": {"$elemMatch": {"$gt": 1}}}, "$gt"),
    ({"variations": {"$elemMatch": {"$text": {"$search": "a"}}}}, "$text"),
    ({"variations": {"$elemMatch": {"size": {"$foo": 1}}}}, "$foo"),
    ({"variations": {"$in": [{}] * 6}}, "terms"),
    ({"$or": [{"variations": {}}] * 6}, "terms"),
    ({"$or": [{"variations.size": "t"}] * 21}, "terms"),
    ({"$text": {"$search": "a " * 50}, "$or": [{"width": 1}] * 51}, "terms"),
    ({"variations.0": {}}, "variations.0"),
    ({"variations.0.size": "t"}, "variations.0.size"),
    ({"variations.link": None}, "variations.link"),
    ({"variations": {"link": "x"}}, "variations.link"),
    ({"processing": {"$lt": 1}}, "processing"),
    ({"link": {"$exists": True}}, "link"),
    ({"link_expires": None}, "link_expires"),
    (nested(MAX_DEPTH + 1), "nested"),
    ({"variations": {"$all": [{"$elemMatch": nested(MAX_DEPTH)}]}}, "nested"),
    ({f"field{number}": 1 for number in range(MAX_TERMS + 1)}, "terms"),
    ({"$or": [{"width": 1}] * (MAX_TERMS + 1)}, "terms"),
    ({"width": {"$all": [1] * (MAX_TERMS + 1)}}, "terms"),
    ({"$or": [{"filename": {"$regex": "a" * 150}}, {"filename": {"$regex": "b" * 51}}]}, "201"),
]


@pytest.mark.parametrize(("where", "named"), REFUSED, ids=str)
def test_what_makes_no_sense_is_refused_by_name(where: dict[str, Any], named: str) -> None:
    fields = file_fields(deleted=False, loose=False, shown=None)
    with pytest.raises(BadRequest, match=re.escape(named)) as refused:
        compile_where(where, fields)
    assert "`where`" in refused.value.message


def test_what_is_just_within_the_bounds_is_answered(shelf: Shelf) -> None:
    ids = list(shelf.files)
    for where in (
        nested(MAX_DEPTH),
        {"_id": {"$in": [*ids, *(new_id() for _ in range(MAX_VALUES - len(ids)))]}},
        {"$or": [{"filename": f"{number}.png"} for number in range(MAX_TERMS)]},
        {"filename": {"$regex": "[a-z]{100}.{100}"}},
        {"variations.is_public": {"$in": [True, False] * (MAX_VALUES // 2)}},
        {"variations.is_public": {"$nin": [True] * MAX_VALUES}},
        {"$or": [{"variations.size": f"{number}"} for number in range(MAX_TERMS // 5)]},
        {"variations": {"$nin": [{"size": f"{number}"} for number in range(MAX_TERMS // 20)]}},
    ):
        assert found(shelf, where) == expected(shelf, where)


def test_deep_values_are_no_trouble(shelf: Shelf) -> None:
    value: Any = []
    for _ in range(900):
        value = [value]
    for field in ("filename", "processing", "parent"):
        for condition in (value, {"$eq": value}, {"$in": value}):
            assert shelf.find({field: condition}) == (0, [])


def test_nothing_is_asked_of_the_database_where_the_answer_is_known(shelf: Shelf) -> None:
    statements: list[str] = []

    def work(tx: Tx) -> None:
        original = tx.execute

        def execute(statement: Any, *arguments: Any, **options: Any) -> Any:
            statements.append(str(statement))
            return original(statement, *arguments, **options)

        tx.execute = execute  # type: ignore[method-assign]
        query = FileQuery(where={"parent": new_id(), "size": "t"})
        assert shelf.listing.page(tx, shelf.reader, query).total == 0

    shelf.db.read_now(work)
    assert statements == []
