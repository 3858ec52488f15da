"""What clients may write of projects: whatever they send is judged, and what fits comes out."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.access.project_edits import (
    CATEGORIES,
    STATUSES,
    Names,
    draft,
    judge_new,
    named,
    read_change,
    read_new,
    revise,
)
from cella.api.documents import project_document
from cella.errors import InvalidDocument
from cella.model import METHODS, Actor, Project

ME, FRIEND, GROUP, STRANGER = ("5f0123456789abcdef01234" + end for end in "0123")
KNOWN = Names(users={ME, FRIEND}, groups={GROUP}, urls={"taken"})
NOW = 1_790_000_000
ADMIN = Actor(user=ME, roles=frozenset({"admin"}))
OWNER = Actor(user=ME, roles=frozenset({"subscriber"}))

ACTORS = st.sampled_from([ADMIN, OWNER])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
IDS = st.sampled_from([ME, FRIEND, GROUP, STRANGER, "x"])
ALLOWED = st.lists(st.sampled_from([*METHODS, "PATCH"]), max_size=5)
PERMISSIONS = st.fixed_dictionaries(
    {},
    optional={
        "world": ALLOWED,
        "users": st.lists(st.fixed_dictionaries({"user": IDS, "methods": ALLOWED}), max_size=3),
        "groups": st.lists(st.fixed_dictionaries({"group": IDS, "methods": ALLOWED}), max_size=3),
    },
)
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["Spring", "Frühling", " ", "a\nb", "x" * 129]),
    "category": st.sampled_from([*CATEGORIES, "nonsense"]),
    "summary": st.none() | st.text(max_size=200),
    "description": st.none() | st.text(max_size=20),
    "user": IDS,
    "url": st.sampled_from(["free", "taken", "No", ""]),
    "status": st.sampled_from([*STATUSES, "deleted"]),
    "is_private": st.booleans(),
    "permissions": PERMISSIONS,
}
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={name: fitting | ANYTHING for name, fitting in FITTING.items()}
    | {"_id": IDS | ANYTHING, "_etag": ANYTHING, "nonsense": ANYTHING},
)
LIKELY = st.fixed_dictionaries(
    {"name": st.just("Spring"), "category": st.sampled_from(CATEGORIES)},
    optional={
        "summary": st.sampled_from([None, "", "short"]),
        "is_private": st.booleans(),
        "permissions": PERMISSIONS,
    },
)


def judged(actor: Actor, document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the document means and what is wrong with it, altogether."""
    values, issues = read_new(document)
    return values, issues | judge_new(actor, values, KNOWN)


def on_the_wire(project: Project) -> dict[str, Any]:
    """The project's document as clients read it."""
    encoded = msgspec.json.encode(project_document(project, list(METHODS)))
    return msgspec.json.decode(encoded, type=dict[str, Any])


def revised(
    actor: Actor, project: Project, document: dict[str, Any], *, partial: bool
) -> Project | None:
    """The project as the document wants it, None where it does not fit."""
    checked = read_change(actor, document, partial=partial)
    try:
        return revise(actor, project, checked, KNOWN, partial=partial)
    except InvalidDocument:
        return None


@given(actor=ACTORS, document=DOCUMENTS | LIKELY)
def test_whatever_is_sent_is_judged_by_field(actor: Actor, document: dict[str, Any]) -> None:
    values, issues = judged(actor, document)
    assert issues.keys() <= document.keys() | {"name", "category"}
    mentioned = named([values])
    assert mentioned.users | mentioned.groups <= {ME, FRIEND, GROUP, STRANGER}
    if issues:
        return
    project = draft(actor, values, NOW)
    assert project.user in KNOWN.users
    assert project.url not in KNOWN.urls
    assert project.is_private == ("GET" not in project.permissions.world)
    if "is_private" in document:
        assert project.is_private == document["is_private"]


@given(actor=ACTORS, document=LIKELY, partial=st.booleans())
def test_what_was_read_can_be_sent_back(
    actor: Actor, document: dict[str, Any], partial: bool
) -> None:
    values, issues = judged(ADMIN, document)
    if issues:
        return
    project = draft(ADMIN, values, NOW)
    new = revised(actor, project, on_the_wire(project), partial=partial)
    if actor.is_admin or "PUT" in str(project.permissions):
        assert new == project
    else:
        assert new is None


@given(document=DOCUMENTS, partial=st.booleans())
def test_owners_change_nothing_that_is_protected(document: dict[str, Any], partial: bool) -> None:
    permissions = {"groups": [{"group": GROUP, "methods": ["PUT"]}]}
    values, _ = read_new({"name": "Spring", "category": "film", "permissions": permissions})
    project = draft(OWNER, values, NOW)
    new = revised(OWNER, project, document, partial=partial)
    if new is None:
        return
    for name in ("id", "created", "updated", "etag", "user", "url", "category", "status"):
        assert getattr(new, name) == getattr(project, name)


@pytest.mark.parametrize(
    ("permissions", "stays"),
    [
        ({"world": ["PUT"], "groups": []}, True),
        ({"groups": [], "users": [{"user": FRIEND, "methods": ["PUT"]}]}, True),
        ({"groups": [{"group": GROUP, "methods": ["GET", "POST", "DELETE"]}]}, False),
        ({"groups": []}, False),
    ],
)
def test_somebody_keeps_put(permissions: dict[str, Any], stays: bool) -> None:
    groups = {"groups": [{"group": GROUP, "methods": ["PUT"]}]}
    values, _ = read_new({"name": "Spring", "category": "film", "permissions": groups})
    project = draft(OWNER, values, NOW)
    for actor, is_taken in ((OWNER, stays), (ADMIN, True)):
        new = revised(actor, project, {"permissions": permissions}, partial=True)
        assert (new is not None) is is_taken
