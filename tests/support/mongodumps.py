"""Dumps of a Pillar server, written as `mongodump` writes them."""

import gzip
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
from bson import ObjectId

from cella.pillar.archive import MAGIC
from cella.pillar.dump import Dump

Documents = Mapping[str, Sequence[Mapping[str, Any] | bytes]]
"""Documents by collection; bytes are written as they are."""

TERMINATOR = b"\xff\xff\xff\xff"
DAY = 24 * 3600


def encoded(document: Mapping[str, Any] | bytes) -> bytes:
    """A document as BSON."""
    return document if isinstance(document, bytes) else bson.encode(document)


def folder(path: Path, documents: Documents, *, packed: bool = False) -> Path:
    """Write a dump of one database into the folder `path`, which is returned."""
    path.mkdir(parents=True, exist_ok=True)
    pack, ending = (gzip.compress, ".gz") if packed else (bytes, "")
    for name, found in documents.items():
        content = b"".join(map(encoded, found))
        (path / f"{name}.bson{ending}").write_bytes(pack(content))
        (path / f"{name}.metadata.json{ending}").write_bytes(pack(b'{"indexes":[]}'))
    return path


def header(database: str, collection: str, *, ends: bool) -> bytes:
    """What stands before the documents of a block, or in the place of them."""
    return bson.encode({"db": database, "collection": collection, "EOF": ends, "CRC": 0})


def archive(documents: Documents, *, database: str = "eve", at_once: int = 2) -> bytes:
    """An archive in which the collections alternate, `at_once` documents in a block."""
    head = {"concurrent_collections": 4, "version": "0.1", "server_version": "4.0.1"}
    parts = [MAGIC, bson.encode(head)]
    for name in documents:
        told = {"db": database, "collection": name, "metadata": "{}", "size": 0}
        parts.append(bson.encode(told))
    parts.append(TERMINATOR)
    columns = [
        [(name, found[at : at + at_once]) for at in range(0, len(found), at_once)]
        for name, found in documents.items()
    ]
    for blocks in itertools.zip_longest(*columns):
        for block in blocks:
            if block is not None:
                name, found = block
                content = b"".join(map(encoded, found))
                parts += [header(database, name, ends=False), content, TERMINATOR]
    for name in documents:
        parts += [header(database, name, ends=True), TERMINATOR]
    return b"".join(parts)


def ids_in(dump: Dump, collection: str) -> list[Any]:
    """The `_id`s of a collection, as they are read."""
    return [bson.decode(each.raw)["_id"] for each in dump.documents(collection, lambda _: None)]


# Documents


def moment(seconds: float) -> datetime:
    """An instant as documents have it."""
    return datetime.fromtimestamp(seconds, UTC)


def automatic(**fields: Any) -> dict[str, Any]:
    """What every document has."""
    return {
        "_id": ObjectId(),
        "_created": moment(1_470_000_000.25),
        "_updated": moment(1_470_000_100.999),
        "_etag": ObjectId().binary.hex().ljust(40, "0"),
        **fields,
    }


def group(**fields: Any) -> dict[str, Any]:
    """A group."""
    return automatic(**{"name": "a group", **fields})


def user(name: str, **fields: Any) -> dict[str, Any]:
    """A user who signs in with Blender-ID."""
    told = {
        "username": name,
        "full_name": f"{name} of Pillar",
        "email": f"{name}@studio.example",
        "roles": ["subscriber"],
        "groups": [],
        "auth": [{"provider": "blender-id", "user_id": f"id-{name}", "token": ""}],
        "settings": {"email_communications": 1},
    }
    return automatic(**told | fields)


def token(owner: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A token of a user, of the kind of 2016."""
    expires = moment(datetime.now(UTC).timestamp() + DAY)
    told = {"user": owner["_id"], "token": f"token-{ObjectId()}", "expire_time": expires}
    return automatic(**told | fields)


def project(owner: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A private project, with fields that are passed over."""
    told = {
        "name": "The project",
        "url": f"project-{ObjectId()}",
        "user": owner["_id"],
        "category": "film",
        "summary": "A film",
        "description": "About\nsomething",
        "status": "published",
        "is_private": True,
        "permissions": {
            "world": [],
            "users": [{"user": owner["_id"], "methods": ["GET", "PUT", "POST", "DELETE"]}],
            "groups": [],
        },
        "picture_header": ObjectId(),
        "node_types": [{"name": "asset", "dyn_schema": {"file": {"type": "objectid"}}}],
        "extension_props": {"attract": {}},
        "_deleted": False,
    }
    return automatic(**told | fields)


def file(owner: Mapping[str, Any], of: Mapping[str, Any] | None, **fields: Any) -> dict[str, Any]:
    """A picture with a preview, in the local store."""
    root = f"{ObjectId()}{'0' * 8}"
    told = {
        "name": f"{root}.png",
        "filename": "Reference sheet.png",
        "user": owner["_id"],
        "content_type": "image/png",
        "format": "png",
        "length": 1000,
        "length_aggregate_in_bytes": 1,
        "md5": "",
        "backend": "local",
        "file_path": f"{root}.png",
        "width": 640,
        "height": 480,
        "status": "complete",
        "variations": [variation(root, "t", is_public=True), variation(root, "m")],
        "link": "https://old.example/api/storage/file/x",
        "link_expires": moment(datetime.now(UTC).timestamp() + DAY),
    }
    if of is not None:
        told["project"] = of["_id"]
    return automatic(**told | fields)


def variation(root: str, size: str, **fields: Any) -> dict[str, Any]:
    """A preview."""
    return {
        "size": size,
        "content_type": "image/jpeg",
        "file_path": f"{root}-{size}.jpg",
        "length": 100,
        "width": 160,
        "height": 120,
        "md5": "",
        "link": f"https://old.example/{size}",
        **fields,
    }


def studio() -> dict[str, list[dict[str, Any]]]:
    """A small installation, with something that is not taken in it."""
    artists = group()
    ada, ben = user("ada", roles=["admin"]), user("ben", groups=[artists["_id"]])
    may = {"group": artists["_id"], "methods": ["GET"]}
    film = project(ada, permissions={"world": [], "users": [], "groups": [may]})
    return {
        "nodes": [automatic(name="a node")],
        "files": [file(ada, film), file(ben, film)],
        "projects": [film],
        "tokens": [token(ada), token(ben)],
        "users": [ada, ben],
        "groups": [artists],
    }


def many(count: int, of: Mapping[str, Any], owner: Mapping[str, Any]) -> Iterator[bytes]:
    """Files of one project, each with six previews, one after the other."""
    for _ in range(count):
        made = file(owner, of)
        root = made["file_path"].partition(".")[0]
        made["variations"] = [variation(root, size) for size in "sbtmlh"]
        yield bson.encode(made)


def write_all(path: Path, documents: Iterable[bytes]) -> None:
    """Write documents into one file, without having all of them at once."""
    with path.open("wb") as target:
        for document in documents:
            target.write(document)
