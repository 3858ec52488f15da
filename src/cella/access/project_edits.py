"""What of a project's document its clients may write: pure decisions over what they are handed.

What makes a project private is that its permissions let the world not read it. Clients send
documents back whole, as they were shown them, so what is Cella's own is passed over.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import msgspec

from cella.access.accounts import LONGEST, is_plain
from cella.errors import InvalidDocument
from cella.fields import NOT_EMPTY, READ_ONLY, Checked, Field, Issues, check
from cella.ids import new_etag, new_id
from cella.model import METHODS, Actor, Grant, Permissions, Project
from cella.model.project import Method

CATEGORIES = (
    "training",
    "film",
    "assets",
    "software",
    "game",
    "home",
    "course",
    "workshop",
)
STATUSES = ("published", "pending")

_LONGEST_DESCRIPTION = 64 << 10
_MOST_GRANTS = 1000
_PROTECTED = ("category", "status", "url", "user")
_DERIVED = ("allowed_methods", "is_private")
_CLEARED = ("description", "summary")
_MISFIT = "The document does not fit; see _issues."

_METHODS = Field(kind="list", longest=64, items=Field(kind="string", allowed=METHODS))


def _granted(subject: str) -> Field:
    grant = {
        subject: Field(kind="objectid", required=True),
        "methods": msgspec.structs.replace(_METHODS, required=True),
    }
    return Field(kind="list", longest=_MOST_GRANTS, items=Field(kind="dict", fields=grant))


FIELDS = {
    "name": Field(kind="string", required=True, shortest=1, longest=LONGEST),
    "summary": Field(kind="string", nullable=True, longest=LONGEST),
    "description": Field(kind="string", nullable=True, longest=_LONGEST_DESCRIPTION),
    "category": Field(kind="string", required=True, allowed=CATEGORIES),
    "user": Field(kind="objectid"),
    "url": Field(kind="string", pattern=r"[a-z0-9][a-z0-9_-]*", longest=LONGEST),
    "status": Field(kind="string", allowed=STATUSES),
    "permissions": Field(
        kind="dict",
        fields={"world": _METHODS, "users": _granted("user"), "groups": _granted("group")},
    ),
}
"""What changes of projects may hold, as far as a schema tells."""

NEW_FIELDS = {
    **FIELDS,
    "_id": Field(kind="objectid"),
    "is_private": Field(kind="boolean"),
}
"""What new projects may hold, as far as a schema tells."""


class Names(NamedTuple):
    """Users, groups, ids of projects and urls: those that documents name, or of them some."""

    users: Set[str] = frozenset()
    groups: Set[str] = frozenset()
    ids: Set[str] = frozenset()
    urls: Set[str] = frozenset()


def named(documents: Iterable[Mapping[str, Any]]) -> Names:
    """What the documents refer to, and the ids and urls that they want to have."""
    users, groups, ids, urls = set(), set(), set(), set()
    for values in documents:
        permissions = values.get("permissions", {})
        users |= {row["user"] for row in permissions.get("users", ())}
        groups |= {row["group"] for row in permissions.get("groups", ())}
        users |= {values["user"]} if "user" in values else set()
        ids |= {values["_id"]} if "_id" in values else set()
        urls |= {values["url"]} if "url" in values else set()
    return Names(users, groups, ids, urls)


def read_new(document: Mapping[str, Any]) -> Checked:
    """A new project's document as it is meant, and what its schema finds wrong with it."""
    return check(document, NEW_FIELDS)


def judge_new(actor: Actor, values: Mapping[str, Any], known: Names) -> Issues:
    """What no schema can tell: the actor may not say this, or it contradicts itself.

    `known` are the users and groups that exist, and the urls that are taken.
    """
    issues = _misfits(values, known)
    if not actor.is_admin and values.get("user", actor.user) != actor.user:
        issues["user"] = "only administrators found projects for others"
    if not actor.is_admin and "_id" in values:
        issues["_id"] = READ_ONLY
    world = values.get("permissions", {}).get("world")
    if world is not None and values.get("is_private", "GET" not in world) != ("GET" not in world):
        issues["is_private"] = "contradicts permissions.world; leave it out"
    return issues


def draft(actor: Actor, values: Mapping[str, Any], now: int) -> Project:
    """The project that a document means in which nothing is wrong.

    Where it does not say who may read it, everybody may if an administrator founds it.
    """
    project_id = values.get("_id") or new_id()
    is_private = values.get("is_private", not actor.is_admin)
    usual = Permissions(world=() if is_private else ("GET",))
    return Project(
        id=project_id,
        created=now,
        updated=now,
        etag=new_etag(),
        name=values["name"],
        url=values.get("url", f"p-{project_id}"),
        user=values.get("user", actor.user),
        category=values["category"],
        summary=values.get("summary"),
        description=values.get("description"),
        status=values.get("status", "published"),
        permissions=_permissions(values.get("permissions", {}), usual),
    )


def read_change(actor: Actor, document: Mapping[str, Any], *, partial: bool) -> Checked:
    """What a document would change, and what its schema finds wrong with it.

    What the actor may not set is as if it had not come.
    """
    settable = {
        name: value
        for name, value in document.items()
        if not name.startswith("_") and name not in _DERIVED
    }
    values, issues = check(settable, FIELDS, partial=partial)
    if not actor.is_admin:
        values = {name: value for name, value in values.items() if name not in _PROTECTED}
    return Checked(values, issues)


def revise(
    actor: Actor, project: Project, checked: Checked, known: Names, *, partial: bool
) -> Project:
    """The project as a change wants it; raises `InvalidDocument`.

    `known` are the users and groups that exist, and the urls that other projects have.
    """
    values, issues = checked
    issues = issues | _misfits(values, known)
    if issues:
        raise InvalidDocument(_MISFIT, issues)
    wanted = values if partial else dict.fromkeys(_CLEARED) | values
    if "permissions" in values:
        present = project.permissions if partial else Permissions()
        wanted = wanted | {"permissions": _permissions(values["permissions"], present)}
    new = msgspec.structs.replace(project, **wanted)
    if not actor.is_admin and not _may_be_changed(new.permissions):
        nobody = "somebody must keep PUT, or nobody could change the project"
        raise InvalidDocument(_MISFIT, {"permissions": nobody})
    return new


def _may_be_changed(permissions: Permissions) -> bool:
    granted = [grant.methods for grant in (*permissions.users, *permissions.groups)]
    return any("PUT" in methods for methods in (permissions.world, *granted))


def _misfits(values: Mapping[str, Any], known: Names) -> Issues:
    """What is wrong with a document's fields that no schema can tell."""
    issues: Issues = {}
    name = values.get("name")
    if name is not None and not name.strip():
        issues["name"] = NOT_EMPTY
    elif name is not None and not is_plain(name):
        issues["name"] = "must be one line of characters that can be seen"
    if "user" in values and values["user"] not in known.users:
        issues["user"] = _missing(values["user"], "users")
    if values.get("url") in known.urls:
        issues["url"] = f"value '{values['url']}' for the field 'url' is not unique"
    granted = values.get("permissions", {})
    nested = {
        "users": _strangers(granted.get("users", ()), "user", known.users),
        "groups": _strangers(granted.get("groups", ()), "group", known.groups),
    }
    nested = {part: misfits for part, misfits in nested.items() if misfits}
    if nested:
        issues["permissions"] = nested
    return issues


def _strangers(rows: Sequence[Mapping[str, Any]], subject: str, known: Set[str]) -> Issues:
    return {
        str(at): {subject: _missing(row[subject], f"{subject}s")}
        for at, row in enumerate(rows)
        if row[subject] not in known
    }


def _missing(value: str, resource: str) -> str:
    return f"value '{value}' must exist in resource '{resource}', field '_id'."


def _permissions(wanted: Mapping[str, Any], otherwise: Permissions) -> Permissions:
    """The wanted permissions; each of their parts that is not named is as `otherwise` has it."""
    return Permissions(
        world=_in_order(wanted["world"]) if "world" in wanted else otherwise.world,
        users=_grants(wanted["users"], "user") if "users" in wanted else otherwise.users,
        groups=_grants(wanted["groups"], "group") if "groups" in wanted else otherwise.groups,
    )


def _grants(rows: Sequence[Mapping[str, Any]], subject: str) -> tuple[Grant, ...]:
    methods: dict[str, set[str]] = {}
    for row in rows:
        methods.setdefault(row[subject], set()).update(row["methods"])
    return tuple(Grant(granted, _in_order(of_it)) for granted, of_it in methods.items())


def _in_order(methods: Collection[str]) -> tuple[Method, ...]:
    return tuple(method for method in METHODS if method in methods)
