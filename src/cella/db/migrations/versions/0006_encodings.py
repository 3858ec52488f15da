"""An index of the files that an encoder elsewhere is busy with."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ENCODED_ELSEWHERE = sa.text("job_id IS NOT NULL AND status = 'processing'")


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "ix_files_encoded_elsewhere",
        "files",
        ["updated", "id"],
        unique=False,
        sqlite_where=_ENCODED_ELSEWHERE,
        postgresql_where=_ENCODED_ELSEWHERE,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index(
        "ix_files_encoded_elsewhere",
        table_name="files",
        sqlite_where=_ENCODED_ELSEWHERE,
        postgresql_where=_ENCODED_ELSEWHERE,
    )
