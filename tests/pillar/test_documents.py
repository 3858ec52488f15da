"""Odd documents of Pillar are understood as far as they make sense."""

import math
from datetime import UTC, datetime
from typing import Any

import bson
import msgspec
import pytest
from bson import Int64, ObjectId, Regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import mongodumps
from tests.support.mongodumps import moment

from cella.model import Grant, Permissions, Processing
from cella.pillar import documents
from cella.pillar.documents import Stored
from cella.pillar.values import LARGEST, Unusable, Values, decoded

ADA = mongodumps.user("ada")
FILM = mongodumps.project(ADA)


def read(**fields: Any) -> tuple[Stored, list[str]]:
    """A file as it is understood, and the notes."""
    raw = bson.encode(mongodumps.file(ADA, FILM, **fields))
    values = Values(decoded(raw))
    return documents.file(values, raw), values.notes


def test_what_makes_sense_is_kept_as_it_is() -> None:
    told = mongodumps.file(ADA, FILM)
    raw = bson.encode(told)
    values = Values(decoded(raw))
    file, links = documents.file(values, raw)
    assert values.notes == []
    assert (file.id, file.etag) == (str(told["_id"]), told["_etag"])
    assert (file.created, file.updated) == (1_470_000_000, 1_470_000_100)
    assert (file.project, file.user) == (str(FILM["_id"]), str(ADA["_id"]))
    for name in ("name", "filename", "content_type", "length", "backend", "file_path", "format"):
        assert getattr(file, name) == told[name]
    assert [each.is_public for each in file.variations] == [True, False]
    assert file.length_aggregate == 1200
    assert links is not None
    assert links.variations[file.variations[0].file_path] == "https://old.example/t"


@pytest.mark.parametrize(
    ("number", "length"),
    [
        (12.0, 12),
        (12.9, 12),
        (Int64(1 << 40), 1 << 40),
        (LARGEST, LARGEST),
        (-1, 0),
        (math.nan, 0),
        (math.inf, 0),
        (Int64(1 << 62), 0),
        ("12", 0),
        (True, 0),
        (None, 0),
    ],
)
def test_numbers(number: Any, length: int) -> None:
    assert read(length=number)[0].file.length == length


def test_numbers_that_make_no_sense_are_noted() -> None:
    assert read(width=-3)[1] == ["width is no number that makes sense"]


@pytest.mark.parametrize("path", [None, "", 5])
def test_without_a_path(path: Any) -> None:
    assert read(file_path=path)[0].file.file_path is None


@pytest.mark.parametrize("variations", [None, [], "none", [None, 3]])
def test_without_variations(variations: Any) -> None:
    assert read(variations=variations)[0].file.variations == ()


def test_a_variation_without_a_path_is_left_out() -> None:
    bare = {"content_type": "video/mp4", "length": 5, "md5": ""}
    (file, _), notes = read(variations=[bare, mongodumps.variation("0" * 32, "t")])
    assert [each.size for each in file.variations] == ["t"]
    assert notes == ["a variation has no file_path, and was left out"]


def test_names_that_are_missing_are_made() -> None:
    file = read(name=None, filename=None, file_path="ab/abc.png")[0].file
    assert (file.name, file.filename) == ("abc.png", "abc.png")
    file = read(name=3, filename=b"x", file_path=None)[0].file
    assert (file.name, file.filename) == (file.id, file.id)


def test_huge_texts_are_cut() -> None:
    (file, _), notes = read(name="x" * 5000, description="d" * 300_000, filename="f" * 900 + ".mp4")
    assert (len(file.name), len(file.description or ""), len(file.filename)) == (255, 1 << 16, 255)
    assert file.filename.endswith(".mp4")
    assert len(notes) == 2


def test_types_that_are_none() -> None:
    assert read(content_type="")[0].file.content_type == documents.UNKNOWN_TYPE
    assert read(content_type="a b/c")[0].file.content_type == documents.UNKNOWN_TYPE
    assert read(content_type="Text/HTML; charset=utf-8")[0].file.content_type == "text/html"


def test_backends_that_we_do_not_have_are_kept() -> None:
    assert read(backend="attract-web")[0].file.backend == "attract-web"
    assert read(backend=None)[0].file.backend == "unknown"


def test_states_and_what_was_processed() -> None:
    assert read(status="strange")[0].file.status == "complete"
    assert read(status=None, file_path=None)[0].file.status == "failed"
    told = {"status": "finished", "job_id": "12", "backend": "zencoder"}
    found = Processing(status="finished", job_id="12", backend="zencoder")
    assert read(processing=told)[0].file.processing == found
    assert read(processing={"status": "x"})[0].file.processing is None
    assert read(processing=[1])[0].file.processing is None


def test_deleted_ones_are_deleted_when_they_changed_last() -> None:
    assert read(_deleted=True)[0].file.deleted == 1_470_000_100
    assert read(_deleted=False)[0].file.deleted is None


def test_links_that_do_not_say_when_they_end_are_not_kept() -> None:
    assert read(link_expires=None)[0].links is None
    assert read(link="")[0].links is None
    assert read(link="javascript:alert(1)")[0].links is None


def test_links_end_when_they_say_themselves() -> None:
    link = "https://cdn.example.com/ab/abcdef.jpg?secure=C_5YCB4w2ShKKq8HjginqQ==,1470000000"
    found = read(link=link, link_expires=moment(1_472_592_000))[0].links
    assert found is not None
    assert found.expires == 1_470_000_000


def test_dates_and_etags_that_are_missing() -> None:
    file = read(_created=None, _updated=None, _etag=None)[0].file
    assert file.created == file.updated == int(file.id[:8], 16)
    assert len(file.etag) == 40
    assert read(_created="yesterday", _updated=datetime(1, 1, 1, tzinfo=UTC))[0].file.created > 0


@pytest.mark.parametrize("odd", [None, 5, "no id", "0" * 23, b"123456789012", {"a": 1}])
def test_without_an_id_it_is_unusable(odd: Any) -> None:
    with pytest.raises(Unusable, match="_id"):
        read(_id=odd)


def test_an_id_may_be_text() -> None:
    assert read(_id="0123456789abcdef01234567")[0].file.id == "0123456789abcdef01234567"


def test_users() -> None:
    told = mongodumps.user(
        "ada",
        groups=[ObjectId(), "subscriber"],
        settings={"id": ObjectId(), "at": moment(0), "n": math.nan, "re": Regex("x"), "k": [1]},
        auth=[{"provider": "local", "user_id": "ada", "token": "$2b$12$…"}],
        _deleted=True,
    )
    values = Values(decoded(bson.encode(told)))
    found = documents.account(values, b"")
    assert found.user.groups == (str(told["groups"][0]),)
    assert found.user.disabled
    assert found.has_password
    assert found.blender_ids == ()
    assert found.user.settings["at"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert found.user.settings["n"] is None
    assert msgspec.json.encode(found.user.settings)
    assert values.notes == ["groups has something in it that is no id"]


def test_permissions() -> None:
    who = ObjectId()
    told = mongodumps.project(
        ADA,
        permissions={
            "world": ["GET", "FLY"],
            "users": [{"user": "nobody", "methods": ["GET"]}],
            "groups": [{"group": who, "methods": ["POST", "GET"]}],
            "is_free": True,
        },
    )
    found = documents.project(Values(decoded(bson.encode(told))), b"")
    assert found.permissions == Permissions(
        world=("GET",), users=(), groups=(Grant(str(who), ("GET", "POST")),)
    )
    bare = mongodumps.project(ADA, permissions=None)
    assert documents.project(Values(decoded(bson.encode(bare))), b"").is_private


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user": None}, "nobody's"),
        ({"token": ""}, "neither"),
        ({"token": None, "token_hashed": "short"}, "neither"),
    ],
)
def test_tokens_that_nobody_can_use(fields: dict[str, Any], reason: str) -> None:
    raw = bson.encode(mongodumps.token(ADA, **fields))
    with pytest.raises(Unusable, match=reason):
        documents.secret(Values(decoded(raw)), raw)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(ObjectId)
    | st.datetimes(min_value=datetime(1, 1, 1), timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["file_path", "user", "methods", "size", "world"]), inner)
    ),
    max_leaves=8,
)
NAMES = sorted({*mongodumps.file(ADA, FILM), *FILM, *ADA, *mongodumps.token(ADA), "_deleted"})


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=12))
def test_anything_is_understood_or_unusable(fields: dict[str, Any]) -> None:
    raw = bson.encode({"_id": ObjectId(), **fields})
    for read_one in (
        documents.group,
        documents.account,
        documents.secret,
        documents.project,
        documents.file,
    ):
        try:
            found = read_one(Values(decoded(raw)), raw)
        except Unusable:
            continue
        assert b"\\u0000" not in msgspec.json.encode(found)
