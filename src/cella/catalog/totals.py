"""How much there is, for who runs the place."""

from typing import NamedTuple

import sqlalchemy as sa

from cella.catalog.tables import files, project_stats, projects
from cella.db import Tx


class InBackend(NamedTuple):
    """What lies in one store: files, deleted ones included, and bytes with all variations."""

    backend: str
    files: int
    bytes: int


class InProject(NamedTuple):
    """What one project holds; `bytes` has deleted files in it until they are forgotten."""

    id: str
    name: str
    files: int
    bytes: int


def by_backend(tx: Tx) -> list[InBackend]:
    """What lies in each store. Looks at every file."""
    size = sa.func.coalesce(sa.func.sum(files.c.length_aggregate), 0)
    query = sa.select(files.c.backend, sa.func.count(), size)
    rows = tx.execute(query.group_by(files.c.backend).order_by(files.c.backend))
    return [InBackend(backend, number, int(held)) for backend, number, held in rows]


def largest_projects(tx: Tx, most: int) -> list[InProject]:
    """Those of the projects that hold most."""
    query = (
        sa.select(projects.c.id, projects.c.name, project_stats.c.files, project_stats.c.bytes)
        .join(project_stats, project_stats.c.project_id == projects.c.id)
        .where(projects.c.deleted.is_(None))
        .order_by(project_stats.c.bytes.desc(), projects.c.id)
        .limit(most)
    )
    return [InProject(*row) for row in tx.execute(query)]
