"""Jobs that tell how far they are and can be cancelled; periodic jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns, the table, and an index that steps from kind to kind."""
    op.add_column("jobs", sa.Column("started", sa.Double(), nullable=True))
    op.add_column("jobs", sa.Column("progress", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("cancelled", sa.String(length=8), nullable=True))
    op.drop_index("ix_jobs_state_priority_run_at_id", table_name="jobs")
    op.create_index(
        "ix_jobs_state_kind_priority_run_at_id",
        "jobs",
        ["state", "kind", "priority", "run_at", "id"],
        unique=False,
    )
    op.create_table(
        "periods",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_periods")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("periods")
    op.drop_index("ix_jobs_state_kind_priority_run_at_id", table_name="jobs")
    op.create_index(
        "ix_jobs_state_priority_run_at_id",
        "jobs",
        ["state", "priority", "run_at", "id"],
        unique=False,
    )
    op.drop_column("jobs", "cancelled")
    op.drop_column("jobs", "progress")
    op.drop_column("jobs", "started")
