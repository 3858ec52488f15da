"""Uploads in pieces."""

import sqlalchemy as sa
from alembic import op

from cella.db.schema import by_code_point

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "uploads",
        sa.Column("id", by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("user_id", by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("project", by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("filename", by_code_point(sa.Text()), nullable=False),
        sa.Column("declared_type", by_code_point(sa.Text()), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("backend", by_code_point(sa.Text()), nullable=False),
        sa.Column("state", by_code_point(sa.String(length=16)), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("file_id", by_code_point(sa.String(length=24)), nullable=True),
        sa.Column("reason", by_code_point(sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name=op.f("fk_uploads_project")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_uploads_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_expires", "uploads", ["expires", "id"], unique=False)
    op.create_index("ix_uploads_user_id", "uploads", ["user_id", "state"], unique=False)
    op.create_table(
        "pieces",
        sa.Column("key", by_code_point(sa.Text()), nullable=False),
        sa.Column("upload_id", by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name=op.f("fk_pieces_upload_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_pieces")),
    )
    op.create_index("ix_pieces_upload_id", "pieces", ["upload_id", "start"], unique=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_pieces_upload_id", table_name="pieces")
    op.drop_table("pieces")
    op.drop_index("ix_uploads_user_id", table_name="uploads")
    op.drop_index("ix_uploads_expires", table_name="uploads")
    op.drop_table("uploads")
