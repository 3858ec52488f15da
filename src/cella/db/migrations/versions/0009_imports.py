"""What was taken over from another server, and as what."""

import sqlalchemy as sa
from alembic import op

from cella.db.schema import by_code_point

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "imports",
        sa.Column("kind", by_code_point(sa.String(length=8)), nullable=False),
        sa.Column("id", by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("etag", by_code_point(sa.String(length=40)), nullable=False),
        sa.Column("digest", by_code_point(sa.String(length=40)), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_imports")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("imports")
