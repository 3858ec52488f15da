"""Links that are kept; the files of a backend, in order."""

import sqlalchemy as sa
from alembic import op

from cella.db.schema import by_code_point

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NOT_DELETED = sa.text("deleted IS NULL")


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "links",
        sa.Column("file_id", by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("original", by_code_point(sa.Text()), nullable=False),
        sa.Column("variations", by_code_point(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_links_file_id")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_links")),
    )
    op.create_index(op.f("ix_links_expires"), "links", ["expires", "file_id"], unique=False)
    op.create_index(
        "ix_files_backend_id",
        "files",
        ["backend", "id"],
        unique=False,
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index(
        "ix_files_backend_id",
        table_name="files",
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    )
    op.drop_index(op.f("ix_links_expires"), table_name="links")
    op.drop_table("links")
