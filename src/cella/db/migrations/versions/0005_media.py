"""What films and sounds are made of."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column."""
    media = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("files", sa.Column("media", media, nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("files", "media")
