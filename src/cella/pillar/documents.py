"""Documents of Pillar, as they were in 2016 and in 2020, in the words of our model.

Ids, dates and etags stay. What cannot be understood is left out and noted; a document whose id
cannot be is `Unusable`. Whether what it refers to exists is for others to see.
"""

import base64
import binascii
import hashlib
import re
from typing import Any, NamedTuple, cast, get_args

import msgspec

from cella.model import (
    METHODS,
    File,
    FileStatus,
    Grant,
    Group,
    Permissions,
    Processing,
    ProcessingStatus,
    Project,
    User,
    Variation,
)
from cella.model.project import Method
from cella.names import clean_filename
from cella.pillar.values import Unusable, Values

UNKNOWN_TYPE = "application/octet-stream"

_LINE = 128
_LABEL = 255
_TEXT = 64 << 10
_PATH = 1024
_LINK = 8 << 10
_MOST_VARIATIONS = 1000
_ETAG = re.compile(r"[0-9a-fA-F]{1,40}")
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_MD5 = re.compile(r"[0-9a-f]{32}")
_BACKEND = re.compile(r"[a-z0-9_-]{1,32}")
_URL = re.compile(r"https?://[!-~]+")
_HMAC_LENGTH = 32
_SIGNED_UNTIL = re.compile(r"[?&](?:secure=[A-Za-z0-9_=-]+,|Expires=)(\d{1,12})(?:&|\Z)")
"""Until when links of cdnsun and of Google say themselves that they work."""


class Account(NamedTuple):
    """A user, what Blender-ID calls him, and whether he had a password of Pillar's own."""

    user: User
    blender_ids: tuple[str, ...]
    has_password: bool


class Secret(NamedTuple):
    """A token: as it is (`plain`), or by its HMAC in Base64; `expires` is in seconds."""

    id: str
    user: str
    created: int
    expires: int | None
    is_subclient: bool
    plain: str | None
    hashed: str | None


class Kept(msgspec.Struct, frozen=True):
    """Links that others spelled: `variations` by their paths; all work until `expires`."""

    expires: int
    original: str
    variations: dict[str, str]


class Stored(NamedTuple):
    """A file, and the links to it if they say how long they last."""

    file: File
    links: Kept | None


def group(values: Values, raw: bytes) -> Group:
    """A group. Raises `Unusable`."""
    automatic = _automatic(values, raw)
    return Group(**automatic, name=values.line("name", _LABEL) or automatic["id"])


def account(values: Values, raw: bytes) -> Account:
    """A user. Raises `Unusable`."""
    automatic = _automatic(values, raw)
    username = (values.line("username", _LINE) or "").strip()
    if not username:
        username = f"user-{automatic['id'][-6:]}"
        values.note("username was missing")
    providers = [
        (each.line("provider", _LINE), each.line("user_id", _LABEL))
        for each in values.items("auth")
    ]
    user = User(
        **automatic,
        username=username,
        full_name=values.line("full_name", _LINE) or username,
        email=(values.line("email", _LINE) or "").strip(),
        roles=values.words("roles"),
        groups=values.ids("groups"),
        settings=values.plain("settings"),
        disabled=values.is_true("_deleted"),
    )
    named = [subject for provider, subject in providers if provider == "blender-id" and subject]
    has_password = any(provider == "local" for provider, _ in providers)
    return Account(user, tuple(dict.fromkeys(named)), has_password)


def secret(values: Values, raw: bytes) -> Secret:
    """A token. Raises `Unusable` where nobody could ever sign in with it."""
    automatic = _automatic(values, raw)
    user = values.id("user")
    if user is None:
        raise Unusable("it is nobody's")
    plain = values.line("token", _PATH)
    hashed = values.line("token_hashed", _LABEL)
    if not plain and not _is_hmac(hashed):
        raise Unusable("it has neither a token nor a hash of one")
    return Secret(
        id=automatic["id"],
        user=user,
        created=automatic["created"],
        expires=values.seconds("expire_time"),
        is_subclient=values.is_true("is_subclient_token"),
        plain=plain or None,
        hashed=None if plain else hashed,
    )


def project(values: Values, raw: bytes) -> Project:
    """A project, whose `user` is empty where it has none. Raises `Unusable`."""
    automatic = _automatic(values, raw)
    permissions = values.inner("permissions") or Values({})
    return Project(
        **automatic,
        name=values.line("name", _LINE) or automatic["id"],
        url=values.line("url", _LINE) or f"p-{automatic['id']}",
        user=values.id("user") or "",
        category=values.line("category", _LINE) or "film",
        summary=values.text("summary", _TEXT),
        description=values.text("description", _TEXT),
        status=values.line("status", _LINE) or "published",
        permissions=Permissions(
            world=_methods(permissions, "world"),
            users=_grants(permissions, "users", "user"),
            groups=_grants(permissions, "groups", "group"),
        ),
        deleted=_deleted(values, automatic),
    )


def file(values: Values, raw: bytes) -> Stored:
    """A file, whose `user` is empty where it has none. Raises `Unusable`."""
    automatic = _automatic(values, raw)
    path = values.line("file_path", _PATH) or None
    name = values.line("name", _LABEL) or (path or automatic["id"]).rpartition("/")[2]
    variations, links = _variations(values)
    found = File(
        **automatic,
        project=values.id("project"),
        user=values.id("user") or "",
        name=name,
        filename=clean_filename(values.text("filename", _TEXT) or name),
        content_type=_content_type(values),
        length=values.number("length") or 0,
        backend=_backend(values),
        file_path=path,
        status=_status(values, path),
        md5=_md5(values),
        description=values.text("description", _TEXT),
        format=values.line("format", _LABEL),
        size=values.line("size", _LABEL),
        width=values.number("width"),
        height=values.number("height"),
        duration=values.number("duration"),
        processing=_processing(values),
        variations=variations,
        deleted=_deleted(values, automatic),
    )
    return Stored(found, _kept(values, links))


def _automatic(values: Values, raw: bytes) -> dict[str, Any]:
    found = values.id("_id")
    if found is None:
        raise Unusable("its _id is no ObjectId")
    updated = values.seconds("_updated")
    created = values.seconds("_created")
    # The first four bytes of an ObjectId are when it was made.
    created = (updated if created is None else created) or int(found[:8], 16)
    etag = values.line("_etag", _LABEL)
    if etag is None or _ETAG.fullmatch(etag) is None:
        etag = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
    return {
        "id": found,
        "created": created,
        "updated": created if updated is None else updated,
        "etag": etag,
    }


def _deleted(values: Values, automatic: dict[str, Any]) -> int | None:
    return cast(int, automatic["updated"]) if values.is_true("_deleted") else None


def _is_hmac(hashed: str | None) -> bool:
    try:
        return len(base64.b64decode(hashed or "", validate=True)) == _HMAC_LENGTH
    except (binascii.Error, ValueError):
        return False


def _methods(values: Values, name: str) -> tuple[Method, ...]:
    named = values.words(name)
    if not set(named) <= set(METHODS):
        values.note(f"permissions.{name} has something in it that is no method")
    return tuple(method for method in METHODS if method in named)


def _grants(values: Values, name: str, subject: str) -> tuple[Grant, ...]:
    found = [(each.id(subject), _methods(each, "methods")) for each in values.items(name)]
    return tuple(Grant(each, methods) for each, methods in found if each is not None)


def _content_type(values: Values) -> str:
    text = (values.line("content_type", _LABEL) or "").partition(";")[0].strip().lower()
    if _TYPE.fullmatch(text) is None:
        values.note("content_type was missing, or was none")
        return UNKNOWN_TYPE
    return text


def _backend(values: Values) -> str:
    text = values.line("backend", _LABEL) or ""
    if _BACKEND.fullmatch(text) is None:
        values.note("backend was missing, or was none")
        return "unknown"
    return text


def _md5(values: Values) -> str:
    text = (values.line("md5", _LABEL) or "").lower()
    return text if _MD5.fullmatch(text) else ""


def _status(values: Values, path: str | None) -> FileStatus:
    text = values.line("status", _LABEL)
    if text in get_args(FileStatus):
        return cast(FileStatus, text)
    return "complete" if path else "failed"


def _processing(values: Values) -> Processing | None:
    inside = values.inner("processing")
    if inside is None:
        return None
    status = inside.line("status", _LABEL)
    if status not in get_args(ProcessingStatus):
        return None
    return Processing(
        status=cast(ProcessingStatus, status),
        backend=inside.line("backend", _LABEL) or "local",
        job_id=inside.line("job_id", _LABEL) or None,
    )


def _variations(values: Values) -> tuple[tuple[Variation, ...], dict[str, str]]:
    """The variations, and the links to them by their paths."""
    found: list[Variation] = []
    links: dict[str, str] = {}
    for each in values.items("variations"):
        path = each.line("file_path", _PATH)
        if not path:
            values.note("a variation has no file_path, and was left out")
            continue
        if len(found) == _MOST_VARIATIONS:
            values.note(f"there were more than {_MOST_VARIATIONS} variations")
            break
        found.append(
            Variation(
                content_type=_content_type(each),
                length=each.number("length") or 0,
                file_path=path,
                md5=_md5(each),
                size=each.line("size", _LABEL),
                format=each.line("format", _LABEL),
                width=each.number("width"),
                height=each.number("height"),
                duration=each.number("duration"),
                is_public=each.is_true("is_public"),
            )
        )
        link = each.text("link", _LINK) or ""
        if _URL.fullmatch(link):
            links[path] = link
    return tuple(found), links


def _kept(values: Values, links: dict[str, str]) -> Kept | None:
    original = values.text("link", _LINK) or ""
    expires = values.seconds("link_expires")
    if expires is None or _URL.fullmatch(original) is None:
        return None
    said = [_SIGNED_UNTIL.search(link) for link in (original, *links.values())]
    return Kept(min([expires, *(int(each[1]) for each in said if each)]), original, links)
