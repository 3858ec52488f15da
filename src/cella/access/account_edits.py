"""What of a user's document its user and administrators may write: pure decisions.

Clients send documents back whole, as they were shown them. So what only administrators change
may come back as it is from everybody, and is refused where it comes back changed.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from cella.access.accounts import LONGEST, is_email, is_plain, is_role, is_username
from cella.clock import http_date
from cella.fields import READ_ONLY, Field, Issues, check
from cella.model import Actor, User

LARGEST_SETTINGS = 16 << 10
"""Bytes that a user's settings may have as JSON."""

_DEEPEST = 16
_NAME = Field(kind="string", required=True, longest=LONGEST)
FIELDS = {
    "full_name": Field(kind="string", required=True, shortest=1, longest=LONGEST),
    "email": Field(kind="string", longest=LONGEST),
    "settings": Field(kind="dict"),
    "username": Field(kind="string", longest=LONGEST),
    "roles": Field(kind="list", longest=100, items=Field(kind="string")),
    "groups": Field(kind="list", longest=10_000, items=Field(kind="objectid")),
    "disabled": Field(kind="boolean"),
}
"""What changes of users may hold, as far as a schema tells."""

_ADMINISTRATORS = ("username", "roles", "groups", "disabled")
_AUTOMATIC = frozenset({"_id", "_created", "_updated", "_etag", "_status", "_links", "_deleted"})


class Edited(NamedTuple):
    """A user as it is meant to be, with etag and times as they were, and what is wrong."""

    user: User
    issues: Issues


def edit(actor: Actor, user: User, document: Mapping[str, Any], *, whole: bool) -> Edited:
    """Judge what somebody who may change the user wants it to be.

    A `whole` document replaces what users set themselves; any other adds to it, within `settings`
    too. What only administrators change stays where it is missing. Whether names and addresses
    are free, and groups there, is left to the caller.
    """
    sent = {name: value for name, value in document.items() if name not in _AUTOMATIC}
    values, issues = check(sent, FIELDS, partial=not whole)
    issues |= _of_automatic(user, document)
    if not _is_shallow(values.get("settings"), _DEEPEST):
        issues["settings"] = f"max depth is {_DEEPEST}"
        del values["settings"]
    if not actor.is_admin:
        issues |= _take_administrators(user, values)
    if whole:
        values = {"email": "", "settings": {}, **values}
    elif "settings" in values:
        values["settings"] = _merged(user.settings, values["settings"])
    return _edited(user, values, issues)


def rename(user: User, document: Mapping[str, Any]) -> Edited:
    """Judge a document with nothing but a new `username`, which one may give oneself."""
    return _edited(user, *check(document, {"username": _NAME}))


def _edited(user: User, values: Mapping[str, Any], issues: Issues) -> Edited:
    changes = {
        name: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for name, value in values.items()
    }
    new = msgspec.structs.replace(user, **changes)
    return Edited(new, {**_of_values(user, new), **issues})


def _of_automatic(user: User, document: Mapping[str, Any]) -> Issues:
    present = {"_id": user.id, "_created": http_date(user.created)}
    return {
        name: READ_ONLY
        for name, value in present.items()
        if name in document and document[name] != value
    }


def _take_administrators(user: User, values: dict[str, Any]) -> Issues:
    """Take out what only administrators change; an issue for each that is not as it was."""
    issues: Issues = {}
    for name in _ADMINISTRATORS:
        if name in values:
            value, present = values.pop(name), getattr(user, name)
            is_same = set(value) == set(present) if isinstance(value, list) else value == present
            if not is_same:
                issues[name] = READ_ONLY
    return issues


def _of_values(old: User, new: User) -> Issues:
    """What is wrong with those values of `new` that are not those of `old`."""
    issues: Issues = {}
    if new.username != old.username and not is_username(new.username):
        issues["username"] = f"must be 1 to {LONGEST} letters, digits, or signs of .@+-_"
    if new.full_name != old.full_name and not (new.full_name.strip() and is_plain(new.full_name)):
        issues["full_name"] = "must be characters that can be seen, in one line"
    if new.email not in (old.email, "") and not is_email(new.email):
        issues["email"] = "must be an address such as ada@studio.example"
    if not all(is_role(role) for role in new.roles if role not in old.roles):
        issues["roles"] = "a role is 1 to 64 signs of a-z, 0-9, _ and -"
    if len(msgspec.json.encode(new.settings)) > LARGEST_SETTINGS:
        issues["settings"] = f"max length is {LARGEST_SETTINGS} bytes of JSON"
    return issues


def _is_shallow(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in inner)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with the values of `new` in it; what is an object in both is merged likewise."""
    merged = dict(old)
    for name, value in new.items():
        present = merged.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            merged[name] = _merged(present, value)
        else:
            merged[name] = value
    return merged
