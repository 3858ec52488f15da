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
    sa.Column("started", sa.Double),
    sa.Column("progress", sa.Text),
    sa.Column("cancelled", sa.String(8)),
    sa.CheckConstraint("state IN ('ready', 'running', 'dead')", name="state"),
    sa.Index(None, "state", "kind", "priority", "run_at", "id"),
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

`started` is when the attempt began that goes on, and `progress` how far it is, as JSON. `cancelled`
says what becomes of a running job when its attempt has stopped: `keep` leaves it as dead, `drop`
leaves nothing.

The first index serves the claim of what is due. The second holds only the running jobs, and
finds them even where the statistics were gathered while nothing ran.
"""

periods = sa.Table(
    "periods",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("due", sa.Double, nullable=False),
)
"""When the next job of each periodic kind is to be put, in seconds since the epoch."""
