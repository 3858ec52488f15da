"""What is taken over from another server: written many rows at a time, and remembered.

A row of `imports` stays for each thing, also when the thing goes: so what was deleted here does not
come back, and what was changed here is not overwritten. All functions take a batch and need a
few statements for it, however many rows it has.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from cella.catalog import files as file_rows
from cella.catalog import people, projects
from cella.catalog.files import BlobRef
from cella.catalog.tables import (
    blobs,
    files,
    grants,
    groups,
    imports,
    links,
    memberships,
    project_stats,
    tokens,
    users,
)
from cella.catalog.tables import projects as project_table
from cella.db import Tx
from cella.model import File, Group, Project, Token, User

Kind = Literal["groups", "users", "tokens", "projects", "files"]

_AT_ONCE = 1000
"""Values that one statement is handed in a list; SQLite takes 32766."""

_TABLES = {
    "groups": groups,
    "users": users,
    "tokens": tokens,
    "projects": project_table,
    "files": files,
}


class Mark(NamedTuple):
    """With which etag something was written, and the digest of what was said of it."""

    etag: str
    digest: str


class Present(NamedTuple):
    """What there is now: tokens have no etag, and only files and projects can be deleted."""

    etag: str
    updated: int
    deleted: int | None


class Holder(NamedTuple):
    """The file that a blob belongs to, and whether it was deleted."""

    file_id: str
    is_deleted: bool


class OldLinks(NamedTuple):
    """Links of a file that work until `expires`; `variations` by their paths."""

    file_id: str
    expires: int
    original: str
    variations: Mapping[str, str]


def marks(tx: Tx, kind: Kind, ids: Sequence[str]) -> dict[str, Mark]:
    """What is remembered of those of the ids that were taken before."""
    query = imports.select().where(imports.c.kind == kind, imports.c.id.in_(ids))
    return {row.id: Mark(row.etag, row.digest) for row in tx.execute(query)}


def remember(tx: Tx, kind: Kind, taken: Mapping[str, Mark]) -> None:
    """Remember what was taken, in the place of what was remembered of it."""
    if taken:
        tx.execute(imports.delete().where(imports.c.kind == kind, imports.c.id.in_(list(taken))))
        rows = [
            {"kind": kind, "id": each, "etag": mark.etag, "digest": mark.digest}
            for each, mark in taken.items()
        ]
        tx.execute(imports.insert(), rows)


def present(tx: Tx, kind: Kind, ids: Sequence[str]) -> dict[str, Present]:
    """Those of the ids that there are; nobody else changes them until the transaction ends."""
    table = _TABLES[kind]
    found = table.select().where(table.c.id.in_(ids)).order_by(table.c.id).with_for_update()
    rows = tx.execute(found).mappings()
    return {
        row["id"]: Present(row.get("etag", ""), row.get("updated", 0), row.get("deleted"))
        for row in rows
    }


def known(tx: Tx, kind: Kind, ids: Collection[str]) -> set[str]:
    """Those of the ids that there are, deleted ones included."""
    ids_of = _TABLES[kind].c.id
    return _found(tx, sa.select(ids_of), ids_of, ids)


def usernames(tx: Tx, names: Collection[str]) -> dict[str, str]:
    """The ids of those who have these names."""
    query = sa.select(users.c.username, users.c.id).where(users.c.username.in_(names))
    return {row.username: row.id for row in tx.execute(query)}


def addresses(tx: Tx, emails: Collection[str]) -> set[tuple[str, str]]:
    """Those of the addresses that there are, each with the id of who has it."""
    query = sa.select(users.c.email, users.c.id).where(users.c.email.in_(emails))
    return {(row.email, row.id) for row in tx.execute(query)}


def urls(tx: Tx, wanted: Collection[str]) -> dict[str, str]:
    """The ids of the projects that have these URLs."""
    query = sa.select(project_table.c.url, project_table.c.id)
    rows = tx.execute(query.where(project_table.c.url.in_(wanted)))
    return {row.url: row.id for row in rows}


def hashes(tx: Tx, wanted: Collection[str]) -> dict[str, str]:
    """The ids of the tokens that have these hashes."""
    query = sa.select(tokens.c.hash, tokens.c.id).where(tokens.c.hash.in_(wanted))
    return {row.hash: row.id for row in tx.execute(query)}


def owners(tx: Tx, project_ids: Collection[str]) -> dict[str, str]:
    """Who owns those of the projects that there are, deleted ones included."""
    query = sa.select(project_table.c.id, project_table.c.user_id)
    rows = tx.execute(query.where(project_table.c.id.in_(project_ids)))
    return {row.id: row.user_id for row in rows}


def holders(tx: Tx, keys: Sequence[str]) -> dict[str, Holder]:
    """The files that these blobs belong to."""
    found: dict[str, Holder] = {}
    query = sa.select(blobs.c.key, files.c.id, files.c.deleted).join(
        files, files.c.id == blobs.c.file_id
    )
    for some in _batches(keys):
        for row in tx.execute(query.where(blobs.c.key.in_(some))):
            found[row.key] = Holder(row.id, row.deleted is not None)
    return found


def write_groups(tx: Tx, new: Sequence[Group], changed: Sequence[Group]) -> None:
    """Add groups, and replace others; who is in them is said by the users."""
    _write(tx, groups, map(msgspec.structs.asdict, new), map(msgspec.structs.asdict, changed))


def write_users(tx: Tx, new: Sequence[User], changed: Sequence[User]) -> None:
    """Add users, and replace others, with the groups that they are in, all of which exist."""
    _write(tx, users, map(people.values, new), map(people.values, changed))
    if changed:
        ids = [user.id for user in changed]
        tx.execute(memberships.delete().where(memberships.c.user_id.in_(ids)))
    joined = [
        {"user_id": user.id, "group_id": group_id}
        for user in (*new, *changed)
        for group_id in user.groups
    ]
    if joined:
        tx.execute(memberships.insert(), joined)


def write_tokens(
    tx: Tx, new: Sequence[tuple[Token, str]], changed: Sequence[tuple[Token, str]]
) -> None:
    """Add tokens, each with its hash, and replace others."""
    _write(tx, tokens, map(_token, new), map(_token, changed))


def write_projects(tx: Tx, new: Sequence[Project], changed: Sequence[Project]) -> None:
    """Add projects, and replace others, with what is granted in them."""
    _write(tx, project_table, map(projects.values, new), map(projects.values, changed))
    if new:
        empty = {"files": 0, "bytes": 0, "revision": 0}
        tx.execute(project_stats.insert(), [{"project_id": each.id, **empty} for each in new])
    if changed:
        ids = [each.id for each in changed]
        tx.execute(grants.delete().where(grants.c.project_id.in_(ids)))
    granted = [row for each in (*new, *changed) for row in projects.grant_rows(each)]
    if granted:
        tx.execute(grants.insert(), granted)


def write_files(
    tx: Tx, new: Sequence[File], changed: Sequence[File], refs: Mapping[str, Sequence[BlobRef]]
) -> None:
    """Add files, and replace others, with the blobs that are theirs, and count them."""
    counted = _Counted()
    ids = [file.id for file in changed]
    if ids:
        old = sa.select(files.c.project, files.c.length_aggregate, files.c.deleted)
        for row in tx.execute(old.where(files.c.id.in_(ids))):
            counted.add(row.project, row.length_aggregate, row.deleted, -1)
        tx.execute(blobs.delete().where(blobs.c.file_id.in_(ids)))
        tx.execute(links.delete().where(links.c.file_id.in_(ids)))
    _write(tx, files, map(file_rows.values, new), map(file_rows.values, changed))
    for file in (*new, *changed):
        counted.add(file.project, file.length_aggregate, file.deleted, 1)
    theirs = [
        {"key": ref.key, "file_id": file_id, "size": ref.size}
        for file_id, all_refs in refs.items()
        for ref in all_refs
    ]
    if theirs:
        tx.execute(blobs.insert(), theirs)
    counted.write(tx)


def part(tx: Tx, file_ids: Collection[str]) -> None:
    """Have no blobs belong to these files any more, whatever becomes of the bytes."""
    if file_ids:
        tx.execute(blobs.delete().where(blobs.c.file_id.in_(file_ids)))


def keep_links(tx: Tx, kept: Sequence[OldLinks]) -> None:
    """Keep links of files that have none."""
    rows = [
        {
            "file_id": each.file_id,
            "expires": each.expires,
            "original": each.original,
            "variations": msgspec.json.encode(each.variations).decode(),
        }
        for each in kept
    ]
    if rows:
        tx.execute(links.insert(), rows)


class _Counted:
    """What a batch adds to the totals of projects."""

    def __init__(self) -> None:
        self._shown = Counter[str]()
        self._bytes = Counter[str]()

    def add(self, project_id: str | None, size: int, deleted: int | None, sign: int) -> None:
        if project_id is not None:
            self._shown[project_id] += sign * (deleted is None)
            self._bytes[project_id] += sign * size

    def write(self, tx: Tx) -> None:
        # In one order everywhere, or two transactions would wait for each other.
        for project_id in sorted(self._bytes):
            projects.count(
                tx, project_id, files=self._shown[project_id], size=self._bytes[project_id]
            )


def _write(
    tx: Tx, table: sa.Table, new: Iterable[dict[str, Any]], changed: Iterable[dict[str, Any]]
) -> None:
    added = list(new)
    if added:
        tx.execute(table.insert(), added)
    replaced = [{**row, "old_id": row["id"]} for row in changed]
    if replaced:
        tx.execute(table.update().where(table.c.id == sa.bindparam("old_id")), replaced)


def _token(kept: tuple[Token, str]) -> dict[str, Any]:
    token, hashed = kept
    return {
        "id": token.id,
        "hash": hashed,
        "user_id": token.user,
        "subclient": token.subclient,
        "created": token.created,
        "expires": token.expires,
    }


def _found(
    tx: Tx, query: sa.Select[Any], column: sa.ColumnElement[Any], wanted: Collection[str]
) -> set[str]:
    return {
        found
        for some in _batches(list(wanted))
        for found in tx.execute(query.where(column.in_(some))).scalars()
    }


def _batches(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))
