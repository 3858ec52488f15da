"""Projects in the catalogue, who is granted what in them, and their running totals."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cella.catalog import people
from cella.catalog.tables import grants, groups, memberships, project_stats, projects
from cella.db import Tx
from cella.errors import Conflict, NotFound, PreconditionFailed
from cella.ids import new_etag, new_id
from cella.model import METHODS, Actor, Grant, Group, Permissions, Project
from cella.model.project import Method

# Statements of the hot paths are built once: building one costs more than running it.
_GET = projects.select().where(projects.c.id == sa.bindparam("project_id"))
_GET_FOR_CHANGE = _GET.with_for_update()
_GET_FOR_ADDING = _GET.with_for_update(read=True, key_share=True)
_STATS = sa.select(project_stats.c.files, project_stats.c.bytes, project_stats.c.revision).where(
    project_stats.c.project_id == sa.bindparam("project_id")
)
_COUNT = (
    project_stats.update()
    .where(project_stats.c.project_id == sa.bindparam("counted_id"))
    .values(
        files=project_stats.c.files + sa.bindparam("more_files"),
        bytes=project_stats.c.bytes + sa.bindparam("more_bytes"),
        revision=project_stats.c.revision + sa.bindparam("more_revisions"),
    )
)

_permissions = msgspec.json.Decoder(Permissions)


class Stats(msgspec.Struct, frozen=True):
    """A project's totals.

    `files` are the ones not deleted, `bytes` all that is stored for the project, deleted files
    included until they are forgotten. `revision` changes whenever a file joins or leaves.
    """

    files: int
    bytes: int
    revision: int


def add(tx: Tx, project: Project) -> None:
    """Put a new project into the catalogue; raises `Conflict` where its id or url is taken."""
    try:
        tx.execute(projects.insert(), values(project))
    except IntegrityError:
        raise _taken() from None
    tx.execute(project_stats.insert().values(project_id=project.id, files=0, bytes=0, revision=0))
    _add_grants(tx, project)


def found(tx: Tx, project: Project) -> Project:
    """Put a new project into the catalogue, with a group of its own that may do everything.

    The group's first member is the project's owner. Returns the project with the group among its
    permissions; raises `Conflict` where its id or url is taken.
    """
    group = Group(
        id=new_id(),
        created=project.created,
        updated=project.created,
        etag=new_etag(),
        name=project.id,
    )
    permissions = msgspec.structs.replace(
        project.permissions, groups=(Grant(group.id, METHODS), *project.permissions.groups)
    )
    whole = msgspec.structs.replace(project, permissions=permissions)
    add(tx, whole)
    add_group(tx, group, [project.user])
    return whole


def get(
    tx: Tx,
    project_id: str,
    *,
    deleted: bool = False,
    for_change: bool = False,
    for_adding: bool = False,
) -> Project:
    """The project; raises `NotFound` where there is none, or a deleted one is not wanted.

    With `for_change` nobody else changes it until the transaction ends, and with `for_adding`
    nobody deletes it: what is added to it meanwhile is there when a deletion looks.
    """
    query = _GET_FOR_CHANGE if for_change else _GET_FOR_ADDING if for_adding else _GET
    row = tx.execute(query, {"project_id": project_id}).one_or_none()
    if row is None or (row.deleted is not None and not deleted):
        raise NotFound(f"Project {project_id} does not exist.")
    return from_row(row)


def replace(tx: Tx, old: Project, new: Project) -> None:
    """Write `new` in the place of `old`.

    Raises `PreconditionFailed` where the project has changed since `old` was read, and `Conflict`
    where its new url is taken.
    """
    statement = projects.update().where(projects.c.id == old.id, projects.c.etag == old.etag)
    try:
        done = tx.execute(statement.values(values(new)))
    except IntegrityError:
        raise _taken() from None
    if done.rowcount != 1:
        raise PreconditionFailed("The project has changed meanwhile; read it again.")
    if new.permissions != old.permissions:
        tx.execute(grants.delete().where(grants.c.project_id == old.id))
        _add_grants(tx, new)


def taken(tx: Tx, ids: Collection[str], urls: Collection[str]) -> tuple[set[str], set[str]]:
    """Those of `ids` and of `urls` that projects have already, deleted ones included.

    A user's id is taken too: it names the bucket of what the user keeps outside of projects.
    """
    is_taken = projects.c.id.in_(ids) | projects.c.url.in_(urls)
    rows = tx.execute(sa.select(projects.c.id, projects.c.url).where(is_taken)).all()
    known = {row.id for row in rows} | people.known_users(tx, ids)
    return known.intersection(ids), {row.url for row in rows}.intersection(urls)


def get_many(tx: Tx, project_ids: Collection[str], *, for_adding: bool = False) -> list[Project]:
    """Those of the projects that exist and are not deleted; for `for_adding` see `get`."""
    if not project_ids:
        return []
    condition = projects.c.id.in_(project_ids) & projects.c.deleted.is_(None)
    query = projects.select().where(condition).order_by(projects.c.id)
    if for_adding:
        query = query.with_for_update(read=True, key_share=True)
    return [from_row(row) for row in tx.execute(query)]


def oldest(tx: Tx) -> Project | None:
    """The first project that was made and is not deleted."""
    query = projects.select().where(projects.c.deleted.is_(None)).order_by(projects.c.id).limit(1)
    row = tx.execute(query).one_or_none()
    return None if row is None else from_row(row)


def may_list(tx: Tx, actor: Actor, project_id: str) -> bool:
    """Whether the project is there, not deleted, and the actor may read it."""
    query = sa.select(projects.c.id).where(
        projects.c.id == project_id, projects.c.deleted.is_(None)
    )
    if not actor.is_admin:
        query = query.join(grants, grants.c.project_id == projects.c.id).where(_may(actor, "GET"))
    return tx.execute(query.limit(1)).first() is not None


def readable(actor: Actor) -> sa.Select[tuple[str]]:
    """The ids of projects, none of them deleted, that the actor is granted to read.

    As a subquery. Administrators may read all others too.
    """
    return (
        sa.select(grants.c.project_id)
        .join(projects, projects.c.id == grants.c.project_id)
        .where(_may(actor, "GET"), projects.c.deleted.is_(None))
    )


def granted(actor: Actor, method: Method) -> sa.Select[tuple[str]]:
    """The ids of projects, deleted ones included, in which the actor is granted the method.

    As a subquery.
    """
    return sa.select(grants.c.project_id).where(_may(actor, method))


def stats(tx: Tx, project_id: str) -> Stats:
    """The project's totals; zeros where there is no such project."""
    row = tx.execute(_STATS, {"project_id": project_id}).one_or_none()
    return Stats(0, 0, 0) if row is None else Stats(*row)


def count(tx: Tx, project_id: str, *, files: int = 0, size: int = 0) -> None:
    """Add to the project's totals; `size` is in bytes, both may be negative."""
    tx.execute(
        _COUNT,
        {
            "counted_id": project_id,
            "more_files": files,
            "more_bytes": size,
            "more_revisions": int(files != 0),
        },
    )


def add_group(tx: Tx, group: Group, user_ids: Sequence[str]) -> None:
    """Put a new group into the catalogue, with these users as its members."""
    tx.execute(
        groups.insert().values(
            id=group.id,
            created=group.created,
            updated=group.updated,
            etag=group.etag,
            name=group.name,
        )
    )
    rows = [{"user_id": user_id, "group_id": group.id} for user_id in user_ids]
    if rows:
        tx.execute(memberships.insert(), rows)
        people.renew(tx, user_ids, group.created)


def _may(actor: Actor, method: Method) -> sa.ColumnElement[bool]:
    """The rows of `grants` that allow the actor the method; the anonymous may only read."""
    if actor.is_anonymous and method != "GET":
        return sa.false()
    who = (grants.c.kind == "world") & (grants.c.subject == "")
    if actor.user is not None:
        who |= (grants.c.kind == "user") & (grants.c.subject == actor.user)
    if actor.groups:
        who |= (grants.c.kind == "group") & grants.c.subject.in_(sorted(actor.groups))
    return (grants.c.method == method) & who


def _add_grants(tx: Tx, project: Project) -> None:
    rows = list(grant_rows(project))
    if rows:
        tx.execute(grants.insert(), rows)


def grant_rows(project: Project) -> Iterator[dict[str, str]]:
    """The rows of `grants` that repeat the project's permissions."""
    permissions = project.permissions
    lines = [("world", "", permissions.world)]
    lines += [("user", grant.subject, grant.methods) for grant in permissions.users]
    lines += [("group", grant.subject, grant.methods) for grant in permissions.groups]
    for kind, subject, method in sorted({(k, s, m) for k, s, methods in lines for m in methods}):
        yield {"project_id": project.id, "kind": kind, "subject": subject, "method": method}


def _taken() -> Conflict:
    return Conflict("There is a project with this _id or url already.")


def values(project: Project) -> dict[str, Any]:
    """The row of the table that holds the project."""
    return {
        "id": project.id,
        "created": project.created,
        "updated": project.updated,
        "etag": project.etag,
        "name": project.name,
        "url": project.url,
        "user_id": project.user,
        "category": project.category,
        "summary": project.summary,
        "description": project.description,
        "status": project.status,
        "permissions": msgspec.json.encode(project.permissions).decode(),
        "deleted": project.deleted,
    }


def from_row(row: sa.Row[Any]) -> Project:
    """The project that a row of the table holds."""
    return Project(
        id=row.id,
        created=row.created,
        updated=row.updated,
        etag=row.etag,
        name=row.name,
        url=row.url,
        user=row.user_id,
        category=row.category,
        summary=row.summary,
        description=row.description,
        status=row.status,
        permissions=_permissions.decode(row.permissions),
        deleted=row.deleted,
    )
