"""What may be written of a file's document, and that whatever was shown may come back."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.documents import a_file, a_variation

from cella.access.file_edits import MAX_LENGTH, Edited, draft, edit
from cella.access.rules import visible_variations
from cella.api.documents import file_document
from cella.fields import READ_ONLY
from cella.flows.look import Seen
from cella.ids import new_id
from cella.model import Actor, File, FileStatus, Processing, ProcessingStatus, Variation

SOMEBODY = Actor(user=new_id())
ADMIN = Actor(user=new_id(), roles=frozenset({"admin"}))
FILM = a_variation(content_type="video/mp4", format="mp4", length=5)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=255
)
COUNTS = st.none() | st.integers(0, 1 << 40)
TYPES = st.sampled_from(["image/jpeg", "video/mp4", "application/x-exr"])


def structs(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **fields)


VARIATIONS = structs(
    Variation,
    content_type=TYPES,
    length=st.integers(0, 1 << 40),
    file_path=st.sampled_from(["", "abc-t.jpg"]),
    md5=st.sampled_from(["", "0" * 32]),
    sha256=st.sampled_from([None, "0" * 64]),
    size=st.sampled_from([None, "t", "1080p"]),
    format=st.sampled_from([None, "mp4"]),
    width=COUNTS,
    height=COUNTS,
    duration=COUNTS,
    is_public=st.booleans(),
)
PROCESSINGS = structs(
    Processing,
    status=st.sampled_from(get_args(ProcessingStatus)),
    backend=st.sampled_from(["local", "zencoder"]),
    job_id=st.sampled_from([None, "17"]),
    error=st.none() | TEXT,
)
FILES = structs(
    File,
    id=st.just(new_id()),
    created=st.integers(0, 1 << 32),
    updated=st.integers(0, 1 << 32),
    etag=st.just("0" * 40),
    project=st.sampled_from([None, new_id()]),
    user=st.sampled_from([new_id(), SOMEBODY.user]),
    name=NAMES,
    filename=NAMES,
    # What an upload may be stored as, but nobody may write.
    content_type=TYPES | st.just("application/x-it's~strange|"),
    length=st.integers(0, 1 << 40),
    # Another backend than the contract's, and one of a time before.
    backend=st.sampled_from(["local", "gcs", "tape"]),
    file_path=st.sampled_from([None, "", "abc.png"]),
    status=st.sampled_from(get_args(FileStatus)),
    md5=st.sampled_from(["", "0" * 32]),
    sha256=st.sampled_from([None, "0" * 64]),
    description=st.none() | TEXT,
    format=st.sampled_from([None, "png"]),
    size=st.sampled_from([None, "original"]),
    width=COUNTS,
    height=COUNTS,
    duration=COUNTS,
    processing=st.none() | PROCESSINGS,
    variations=st.lists(VARIATIONS, max_size=4).map(tuple),
)


def as_shown(file: File, *, full: bool) -> dict[str, Any]:
    """The document as a reader gets it over the wire."""
    wire = msgspec.json.encode(file_document(Seen(file=file, full=full, speller=None, window=None)))
    document: dict[str, Any] = msgspec.json.decode(wire)
    return document


def edited(
    file: File,
    document: dict[str, Any],
    actor: Actor = SOMEBODY,
    *,
    whole: bool = False,
    full: bool = True,
) -> Edited:
    shown = visible_variations(file, full)
    return edit(actor, file, document, shown=shown, whole=whole)


def drafted(document: dict[str, Any], actor: Actor = SOMEBODY) -> Edited:
    plain = {"name": "n", "filename": "f", "content_type": "image/png"}
    blank = a_file(None, file_path=None, user=actor.user, length=0)
    return draft(actor, {**plain, **document}, blank)


@given(
    file=FILES, full=st.booleans(), whole=st.booleans(), actor=st.sampled_from([ADMIN, SOMEBODY])
)
def test_what_was_shown_may_come_back(file: File, full: bool, whole: bool, actor: Actor) -> None:
    document = as_shown(file, full=full)
    assert edited(file, document, actor, whole=whole, full=full) == (file, {})


@given(file=FILES, full=st.booleans(), actor=st.sampled_from([ADMIN, SOMEBODY]))
def test_it_may_come_back_as_a_form(file: File, full: bool, actor: Actor) -> None:
    document = as_shown(file, full=full)
    form = {
        name: str(value) for name, value in document.items() if not isinstance(value, dict | list)
    }
    assert edited(file, form, actor) == (file, {})


@given(file=FILES)
def test_a_project_may_come_back_embedded_and_links_as_they_were(file: File) -> None:
    document = as_shown(file, full=True)
    for variation in document.get("variations", []):
        variation["link"] = "https://cella.example/t.jpg"
    extra = {
        "link": "https://cella.example/a.jpg",
        "link_expires": "Sun, 22 Nov 2026 17:38:00 GMT",
        "_links": {"self": {"href": "files"}},
        "_status": "OK",
        "_updated": "Sun, 22 Nov 2009 17:38:00 GMT",
        "_deleted": False,
    }
    if file.project is not None:
        extra["project"] = {"_id": file.project, "name": "Spring", "permissions": {"world": []}}
    for whole in (True, False):
        assert edited(file, document | extra, whole=whole) == (file, {})


@given(file=FILES, name=NAMES, filename=NAMES, description=TEXT)
def test_everybody_sets_three_fields(
    file: File, name: str, filename: str, description: str
) -> None:
    sent = {"name": name, "filename": filename, "description": description}
    for document in (sent, as_shown(file, full=True) | sent):
        for whole in (True, False):
            new, issues = edited(file, document, whole=whole)
            assert issues == {}
            assert new == msgspec.structs.replace(file, **sent)


CHANGES: dict[str, Any] = {
    "_id": new_id(),
    "_created": "Sun, 22 Nov 2009 17:38:00 GMT",
    "_etag": "1" * 40,
    "_deleted": True,
    "content_type": "text/html",
    "format": "html",
    "size": "xl",
    "width": 7,
    "height": 7,
    "duration": 7,
    "length": 7,
    "length_aggregate_in_bytes": 7,
    "md5": "7" * 32,
    "sha256": "7" * 64,
    "user": new_id(),
    "project": new_id(),
    "backend": "gcs",
    "file_path": "../../etc/passwd",
    "status": "failed",
    "processing": {"status": "failed"},
    "variations": [],
}
OF_ADMINISTRATORS = {
    "content_type": "text/html",
    "format": "html",
    "size": "xl",
    "width": 7,
    "height": 7,
    "duration": 7,
    "status": "failed",
    "processing": Processing(status="failed"),
}
A_FILE = a_file(
    new_id(), variations=(a_variation(), FILM), processing=Processing(status="finished")
)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_cellas_own_is_not_changed(name: str, whole: bool) -> None:
    document = as_shown(A_FILE, full=True) | {name: CHANGES[name]}
    new, issues = edited(A_FILE, document, whole=whole)
    assert issues.keys() == {name}
    own = {"_id": "field is immutable", "project": "a file cannot change its project this way"}
    assert issues[name] == own.get(name, READ_ONLY)
    assert new == A_FILE


@pytest.mark.parametrize("name", CHANGES)
def test_administrators_change_what_does_not_tell_where_bytes_lie(name: str) -> None:
    new, issues = edited(A_FILE, {name: CHANGES[name]}, ADMIN)
    if name in OF_ADMINISTRATORS:
        assert (new, issues) == (
            msgspec.structs.replace(A_FILE, **{name: OF_ADMINISTRATORS[name]}),
            {},
        )
    elif name == "user":
        assert (new.user, issues) == (CHANGES["user"], {})
    else:
        assert new == A_FILE
        assert issues.keys() == {name}


def test_the_bucket_of_a_file_stays() -> None:
    """Without a project it is named for the user."""
    user = CHANGES["user"]
    own = a_file(None)
    assert edited(own, {"user": user}, ADMIN) == (own, {"user": READ_ONLY})
    without_bytes = a_file(None, file_path=None)
    assert edited(without_bytes, {"user": user}, ADMIN).file.user == user


def test_administrators_correct_documents_without_bytes() -> None:
    file = a_file(new_id(), file_path=None)
    change = {"length": 7, "md5": "7" * 32}
    assert edited(file, change, ADMIN) == (msgspec.structs.replace(file, **change), {})
    assert edited(file, change).issues == {"length": READ_ONLY, "md5": READ_ONLY}
    assert edited(file, {"length": MAX_LENGTH + 1}, ADMIN).issues == {
        "length": f"max value is {MAX_LENGTH}"
    }


def test_who_sees_pictures_only_may_not_tell_of_others() -> None:
    document = as_shown(A_FILE, full=True)
    assert edited(A_FILE, document, full=False).issues == {"variations": READ_ONLY}


@pytest.mark.parametrize("whole", [False, True])
def test_processing_is_merged(whole: bool) -> None:
    file = a_file(new_id(), processing=Processing(status="processing", job_id="17", error="Oh."))
    names = {"name": file.name, "filename": file.filename}

    def processed(part: Any, actor: Actor = ADMIN) -> Processing | None:
        new, issues = edited(file, {**names, "processing": part}, actor, whole=whole)
        assert issues == {}
        return new.processing

    assert processed({"status": "failed", "error": None}) == Processing(
        status="failed", job_id="17"
    )
    assert processed({"status": "processing"}, SOMEBODY) == file.processing
    assert processed(None) is None


def test_whole_documents_name_what_they_must_and_drop_the_description() -> None:
    file = a_file(None, description="old")
    assert edited(file, {}, whole=True).issues == {
        "name": "required field",
        "filename": "required field",
    }
    names = {"name": "n", "filename": "f"}
    assert edited(file, names, whole=True).file.description is None
    assert edited(file, names).file.description == "old"
    assert edited(file, {"description": None}).file.description is None


@pytest.mark.parametrize(
    ("field", "value", "issue"),
    [
        ("name", None, "null value not allowed"),
        ("name", "", "empty values not allowed"),
        ("name", 5, "must be of string type"),
        ("name", "x" * 256, "max length is 255"),
        ("name", "a\0b", "must not hold NUL or lone surrogates"),
        ("description", "x" * 65537, "max length is 65536"),
        ("$set", {"name": "x"}, "unknown field"),
        ("parent", None, "unknown field"),
        ("width", "wide", "must be of integer type"),
        ("width", -1, "min value is 0"),
        ("status", "done", "unallowed value done"),
        ("_created", "yesterday", "must be of datetime type"),
        ("processing", {"status": "done"}, {"status": "unallowed value done"}),
        ("processing", {"status": "failed", "state": "x"}, {"state": "unknown field"}),
        (
            "variations",
            [{"size": "s"}],
            {"0": {"content_type": "required field", "length": "required field"}},
        ),
        ("variations", [5], {"0": "must be of dict type"}),
        ("variations", {}, "must be of list type"),
        ("content_type", "png", None),
        ("content_type", "text/html\r\nX: y", None),
    ],
)
def test_what_does_not_fit_is_told_by_field(field: str, value: Any, issue: Any) -> None:
    new, issues = edited(A_FILE, {field: value}, ADMIN)
    assert new == A_FILE
    assert issues.keys() == {field}
    assert issue is None or issues[field] == issue
    if field not in ("_created", "parent", "$set"):
        assert drafted({field: value}, ADMIN).issues == issues


def test_a_new_document_may_have_all_that_clients_give() -> None:
    document = {
        "_id": new_id(),
        "description": "d",
        "content_type": "Image/PNG",
        "format": "png",
        "size": "s",
        "width": "3",
        "height": 2.0,
        "duration": 0,
        "length": 5,
        "md5": "0" * 32,
        "user": SOMEBODY.user,
        "project": new_id(),
        "backend": "pillar",
        "status": "complete",
        "file_path": "",
        "variations": [],
        "processing": None,
    }
    new, issues = drafted(document)
    assert issues == {}
    assert new.id == document["_id"]
    assert new.content_type == "image/png"
    assert (new.width, new.height, new.duration, new.length) == (3, 2, 0, 5)
    same = ("description", "format", "size", "md5", "user", "project", "backend", "status")
    assert [getattr(new, name) for name in same] == [document[name] for name in same]
    assert (new.file_path, new.variations, new.processing) == (None, (), None)


@pytest.mark.parametrize("actor", [SOMEBODY, ADMIN])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file_path", "a.png"),
        ("link", "https://x"),
        ("link_expires", "Sun, 22 Nov 2009 17:38:00 GMT"),
        ("length_aggregate_in_bytes", 0),
        ("sha256", "0" * 64),
    ],
)
def test_nobody_gives_what_follows_from_bytes(actor: Actor, field: str, value: Any) -> None:
    new, issues = drafted({field: value}, actor)
    assert issues == {field: READ_ONLY}
    assert new.file_path is None


def test_only_administrators_give_the_originals_states() -> None:
    user = new_id()
    document = {
        "user": user,
        "status": "processing",
        "processing": {"status": "pending", "backend": "zencoder", "job_id": "17"},
        "variations": [{"content_type": "video/mp4", "length": 5, "md5": "", "format": "mp4"}],
    }
    new, issues = drafted(document, ADMIN)
    assert issues == {}
    assert new.user == user
    assert new.processing == Processing(status="pending", backend="zencoder", job_id="17")
    assert new.variations == (
        Variation(content_type="video/mp4", length=5, format="mp4", file_path=""),
    )
    assert drafted(document).issues == {
        "user": "only administrators may name another user",
        "status": "unallowed value processing",
        "processing": READ_ONLY,
        "variations": READ_ONLY,
    }


def test_not_even_they_tell_where_bytes_of_variations_lie() -> None:
    plain = {"content_type": "image/jpeg", "length": 5}
    places = {"file_path": "a.jpg", "link": "https://x", "sha256": "0" * 64}
    issues = drafted({"variations": [plain, {**plain, **places}]}, ADMIN).issues
    assert issues == {"variations": {"1": dict.fromkeys(places, READ_ONLY)}}
    assert drafted({"variations": [{**plain, "file_path": "", "link": None}]}, ADMIN).issues == {}


def test_lengths_stay_countable() -> None:
    half = {"content_type": "image/jpeg", "length": MAX_LENGTH // 2}
    assert drafted({"length": MAX_LENGTH}).issues == {}
    for document in ({"length": MAX_LENGTH + 1}, {"length": 2, "variations": [half, half]}):
        assert drafted(document, ADMIN).issues.keys() == {"length"}
