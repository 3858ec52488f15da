"""Indexes for what lists of files are asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DELETED = sa.text("deleted IS NOT NULL")
_COLUMNS = ("name", "filename", "file_path", "md5", "sha256")
_JOB_ID = {
    "sqlite": "json_extract(processing, '$.job_id')",
    "postgresql": "CAST(processing AS JSON) ->> 'job_id'",
}


def upgrade() -> None:
    """Make the indexes, and the column that one of them needs."""
    job_id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("files", sa.Column("job_id", job_id, nullable=True))
    found = _JOB_ID[op.get_context().dialect.name]
    op.execute(f"UPDATE files SET job_id = {found} WHERE processing IS NOT NULL")  # noqa: S608
    op.create_index(
        "ix_files_project_id_deleted",
        "files",
        ["project", "id"],
        unique=False,
        sqlite_where=_DELETED,
        postgresql_where=_DELETED,
    )
    op.create_index("ix_files_user_id", "files", ["user_id", "project", "id"], unique=False)
    for column in _COLUMNS:
        op.create_index(f"ix_files_{column}", "files", [column], unique=False)
    op.create_index("ix_files_job_id", "files", ["job_id"], unique=False, postgresql_using="hash")


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_files_job_id", table_name="files")
    for column in reversed(_COLUMNS):
        op.drop_index(f"ix_files_{column}", table_name="files")
    op.drop_index("ix_files_user_id", table_name="files")
    op.drop_index(
        "ix_files_project_id_deleted",
        table_name="files",
        sqlite_where=_DELETED,
        postgresql_where=_DELETED,
    )
    op.drop_column("files", "job_id")
