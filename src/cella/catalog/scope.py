"""Whose files somebody gets to see in lists, as conditions on the column with their project.

Files without a project are their uploader's own. Nobody sees those of a deleted project.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa

from cella.catalog.fields import Condition, any_of
from cella.catalog.projects import granted, readable
from cella.catalog.tables import files, grants, project_stats, projects
from cella.db import Tx
from cella.model import Actor


class Reach(NamedTuple):
    """How many files somebody may list, and how many of them are in projects of others.

    Who is no member of a project may read it only because everybody may.
    """

    files: int
    of_others: int


def readable_projects(
    actor: Actor, project_ids: Collection[str] | None = None
) -> sa.Select[tuple[str]]:
    """The ids of the projects, of these or of all, whose files the actor may list: a subquery."""
    query = readable(actor)
    if actor.is_admin:
        query = sa.select(projects.c.id).where(projects.c.deleted.is_(None))
    return query if project_ids is None else query.where(projects.c.id.in_(project_ids))


def is_readable(actor: Actor) -> Condition:
    """Whether the actor may list a file, judged file by file.

    So that a database comes to the few that a query asks for first, and not to all there are.
    """
    is_there = sa.exists().where(projects.c.id == files.c.project, projects.c.deleted.is_(None))
    if actor.is_admin:
        return is_there
    return is_there & _is_granted(actor, everybody=True, method="GET")


def discardable_projects(actor: Actor) -> Condition:
    """Whether the actor, who has signed in, may see deleted files of a project."""
    condition = files.c.project.in_(readable_projects(actor))
    if actor.is_admin:
        return condition
    return condition & files.c.project.in_(granted(actor, "DELETE"))


def is_loose(actor: Actor) -> Condition:
    """Whether a file has no project and is the business of the actor, who has signed in."""
    condition = files.c.project.is_(None)
    return condition if actor.is_admin else condition & (files.c.user_id == actor.user)


def is_partaker(actor: Actor) -> Condition:
    """Whether the actor has uploaded a file, or is a member of its project."""
    if actor.user is None:
        return sa.false()
    return any_of(files.c.user_id == actor.user, _is_granted(actor, everybody=False))


def reachable(actor: Actor, project_ids: Collection[str] | None) -> sa.Select[tuple[str]]:
    """The ids of the projects, of these or of all, that have files the actor may list."""
    return _reachable(actor, project_ids, project_stats.c.project_id)


def reach(tx: Tx, actor: Actor, project_ids: Collection[str] | None = None) -> Reach:
    """How much the actor may list in these projects, or in all; no file is counted for it."""
    if actor.is_admin:
        of_others: sa.ColumnElement[int] = sa.literal(0)
    else:
        is_own = sa.exists().where(
            grants.c.project_id == project_stats.c.project_id,
            grants.c.kind != "world",
            _who(actor, everybody=False),
            grants.c.method == "GET",
        )
        of_others = sa.case((is_own, 0), else_=project_stats.c.files)
    sums = (sa.func.sum(project_stats.c.files), sa.func.sum(of_others))
    row = tx.execute(_reachable(actor, project_ids, *sums)).one()
    return Reach(int(row[0] or 0), int(row[1] or 0))


def _reachable(
    actor: Actor, project_ids: Collection[str] | None, *columns: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    return sa.select(*columns).where(
        project_stats.c.files > 0,
        project_stats.c.project_id.in_(readable_projects(actor, project_ids)),
    )


def _is_granted(actor: Actor, *, everybody: bool, method: str | None = None) -> Condition:
    """Whether the actor, or also `everybody`, is granted a method or any in a file's project."""
    query = sa.exists().where(
        grants.c.project_id == files.c.project, _who(actor, everybody=everybody)
    )
    if method is not None:
        query = query.where(grants.c.method == method)
    # Said outright: by itself it is tied to the nearest query around it only.
    return query.correlate(files)


def _who(actor: Actor, *, everybody: bool) -> Condition:
    """The rows of `grants` that are for the actor."""
    who = [grants.c.kind == "world"] if everybody else []
    if actor.user is not None:
        who.append((grants.c.kind == "user") & (grants.c.subject == actor.user))
    if actor.groups:
        who.append((grants.c.kind == "group") & grants.c.subject.in_(sorted(actor.groups)))
    return any_of(*who)
