"""Projects in the catalogue, who is granted what in them, and their running totals."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from cella.catalog.tables import grants, groups, memberships, project_stats, projects
from cella.db import Tx
from cella.errors import NotFound
from cella.model import Actor, Group, Permissions, Project

# Statements of the hot paths are built once: building one costs more than running it.
_GET = projects.select().where(projects.c.id == sa.bindparam("project_id"))
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
    """Put a new project into the catalogue."""
    tx.execute(
        projects.insert().values(
            id=project.id,
            created=project.created,
            updated=project.updated,
            etag=project.etag,
            name=project.name,
            url=project.url,
            user_id=project.user,
            category=project.category,
            description=project.description,
            permissions=msgspec.json.encode(project.permissions).decode(),
            deleted=project.deleted,
        )
    )
    tx.execute(project_stats.insert().values(project_id=project.id, files=0, bytes=0, revision=0))
    rows = list(_grant_rows(project))
    if rows:
        tx.execute(grants.insert(), rows)


def get(tx: Tx, project_id: str, *, deleted: bool = False) -> Project:
    """The project; raises `NotFound` where there is none, or a deleted one is not wanted."""
    row = tx.execute(_GET, {"project_id": project_id}).one_or_none()
    if row is None or (row.deleted is not None and not deleted):
        raise NotFound(f"Project {project_id} does not exist.")
    return _project(row)


def listing(tx: Tx, actor: Actor, limit: int, offset: int) -> tuple[int, list[Project]]:
    """How many projects the actor may read, and `limit` of them from `offset`, oldest first."""
    condition: sa.ColumnElement[bool] = projects.c.deleted.is_(None)
    if not actor.is_admin:
        condition &= projects.c.id.in_(readable(actor))
    total = tx.execute(
        sa.select(sa.func.count()).select_from(projects).where(condition)
    ).scalar_one()
    rows = tx.execute(
        projects.select().where(condition).order_by(projects.c.id).limit(limit).offset(offset)
    )
    return total, [_project(row) for row in rows]


def get_many(tx: Tx, project_ids: Collection[str]) -> list[Project]:
    """Those of the projects that exist and are not deleted, in any order."""
    if not project_ids:
        return []
    condition = projects.c.id.in_(project_ids) & projects.c.deleted.is_(None)
    return [_project(row) for row in tx.execute(projects.select().where(condition))]


def oldest(tx: Tx) -> Project | None:
    """The first project that was made and is not deleted."""
    query = projects.select().where(projects.c.deleted.is_(None)).order_by(projects.c.id).limit(1)
    row = tx.execute(query).one_or_none()
    return None if row is None else _project(row)


def deleted() -> sa.Select[tuple[str]]:
    """The ids of deleted projects, as a subquery."""
    return sa.select(projects.c.id).where(projects.c.deleted.is_not(None))


def may_list(tx: Tx, actor: Actor, project_id: str) -> bool:
    """Whether the project is there, not deleted, and the actor may read it."""
    query = sa.select(projects.c.id).where(
        projects.c.id == project_id, projects.c.deleted.is_(None)
    )
    if not actor.is_admin:
        query = query.join(grants, grants.c.project_id == projects.c.id).where(_may_read(actor))
    return tx.execute(query.limit(1)).first() is not None


def readable(actor: Actor) -> sa.Select[tuple[str]]:
    """The ids of projects, none of them deleted, that the actor is granted to read.

    As a subquery. Administrators may read all others too.
    """
    return (
        sa.select(grants.c.project_id)
        .join(projects, projects.c.id == grants.c.project_id)
        .where(_may_read(actor), projects.c.deleted.is_(None))
    )


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


def add_group(tx: Tx, group: Group, members: Sequence[str]) -> None:
    """Put a new group and its members into the catalogue."""
    tx.execute(
        groups.insert().values(
            id=group.id,
            created=group.created,
            updated=group.updated,
            etag=group.etag,
            name=group.name,
        )
    )
    for user_id in members:
        tx.execute(memberships.insert().values(user_id=user_id, group_id=group.id))


def _may_read(actor: Actor) -> sa.ColumnElement[bool]:
    """The rows of `grants` that let the actor read."""
    who = (grants.c.kind == "world") & (grants.c.subject == "")
    if actor.user is not None:
        who |= (grants.c.kind == "user") & (grants.c.subject == actor.user)
    if actor.groups:
        who |= (grants.c.kind == "group") & grants.c.subject.in_(sorted(actor.groups))
    return (grants.c.method == "GET") & who


def _grant_rows(project: Project) -> Iterator[dict[str, str]]:
    permissions = project.permissions
    lines = [("world", "", permissions.world)]
    lines += [("user", grant.subject, grant.methods) for grant in permissions.users]
    lines += [("group", grant.subject, grant.methods) for grant in permissions.groups]
    for kind, subject, method in sorted({(k, s, m) for k, s, methods in lines for m in methods}):
        yield {"project_id": project.id, "kind": kind, "subject": subject, "method": method}


def _project(row: sa.Row[Any]) -> Project:
    return Project(
        id=row.id,
        created=row.created,
        updated=row.updated,
        etag=row.etag,
        name=row.name,
        url=row.url,
        user=row.user_id,
        category=row.category,
        description=row.description,
        permissions=_permissions.decode(row.permissions),
        deleted=row.deleted,
    )
