"""What was found of no use in a store, and how far those have come who go through it."""

import sqlalchemy as sa
from alembic import op

from cella.db.schema import by_code_point

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "quarantine",
        sa.Column("backend", by_code_point(sa.String(length=32)), nullable=False),
        sa.Column("key", by_code_point(sa.Text()), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("modified", sa.Double(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("backend", "key", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("name", by_code_point(sa.String(length=64)), nullable=False),
        sa.Column("value", by_code_point(sa.Text()), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_checkpoints")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("checkpoints")
    op.drop_table("quarantine")
