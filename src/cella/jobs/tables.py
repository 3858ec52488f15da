"""The table of jobs, in the catalogue's database so that a row and its job commit together."""

import sqlalchemy as sa

from cella.db.schema import metadata

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("run_at", sa.Double, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("lease_until", sa.Double),
    sa.Column("worker", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("created", sa.Double, nullable=False),
    sa.CheckConstraint("state IN ('ready', 'running', 'dead')", name="state"),
    sa.Index(None, "state", "priority", "run_at", "id"),
    sa.Index(
        None,
        "lease_until",
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    ),
)
"""One row a job that is not finished; a finished one is deleted.

`attempts` counts the claims, ever upwards, and is the fence: who holds an older number has lost
the job. `max_attempts` grows by one where an attempt is handed back. Times are seconds since
the epoch. Smaller priorities go first.

The first index serves the claim of what is due. The second holds only the running jobs, and
finds them even where the statistics were gathered while nothing ran.
"""
