"""The first schema: people, projects, files with their blobs, and jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _by_code_point(kind: sa.String) -> sa.String:
    return kind.with_variant(type(kind)(kind.length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "groups",
        sa.Column("id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("etag", _by_code_point(sa.String(length=40)), nullable=False),
        sa.Column("name", _by_code_point(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.CheckConstraint("state IN ('ready', 'running', 'dead')", name=op.f("ck_jobs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        op.f("ix_jobs_state_priority_run_at_id"),
        "jobs",
        ["state", "priority", "run_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_jobs_subject"), "jobs", ["subject"], unique=False)
    op.create_index(
        op.f("ix_jobs_lease_until"),
        "jobs",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_table(
        "users",
        sa.Column("id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("etag", _by_code_point(sa.String(length=40)), nullable=False),
        sa.Column("username", _by_code_point(sa.Text()), nullable=False),
        sa.Column("full_name", _by_code_point(sa.Text()), nullable=False),
        sa.Column("email", _by_code_point(sa.Text()), nullable=False),
        sa.Column("roles", _by_code_point(sa.Text()), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("group_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_memberships_group_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.PrimaryKeyConstraint("user_id", "group_id", name=op.f("pk_memberships")),
    )
    op.create_table(
        "projects",
        sa.Column("id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("etag", _by_code_point(sa.String(length=40)), nullable=False),
        sa.Column("name", _by_code_point(sa.Text()), nullable=False),
        sa.Column("url", _by_code_point(sa.Text()), nullable=False),
        sa.Column("user_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("category", _by_code_point(sa.Text()), nullable=False),
        sa.Column("description", _by_code_point(sa.Text()), nullable=True),
        sa.Column("permissions", _by_code_point(sa.Text()), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_projects_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("url", name=op.f("uq_projects_url")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("hash", _by_code_point(sa.String(length=64)), nullable=False),
        sa.Column("user_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("subclient", _by_code_point(sa.Text()), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    op.create_table(
        "files",
        sa.Column("id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("etag", _by_code_point(sa.String(length=40)), nullable=False),
        sa.Column("project", _by_code_point(sa.String(length=24)), nullable=True),
        sa.Column("user_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("name", _by_code_point(sa.Text()), nullable=False),
        sa.Column("filename", _by_code_point(sa.Text()), nullable=False),
        sa.Column("content_type", _by_code_point(sa.Text()), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("backend", _by_code_point(sa.Text()), nullable=False),
        sa.Column("file_path", _by_code_point(sa.Text()), nullable=True),
        sa.Column("status", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("md5", _by_code_point(sa.String(length=32)), nullable=False),
        sa.Column("sha256", _by_code_point(sa.String(length=64)), nullable=True),
        sa.Column("description", _by_code_point(sa.Text()), nullable=True),
        sa.Column("declared_type", _by_code_point(sa.Text()), nullable=True),
        sa.Column("format", _by_code_point(sa.Text()), nullable=True),
        sa.Column("size", _by_code_point(sa.Text()), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("duration", sa.BigInteger(), nullable=True),
        sa.Column("processing", _by_code_point(sa.Text()), nullable=True),
        sa.Column("variations", _by_code_point(sa.Text()), nullable=False),
        sa.Column("length_aggregate", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name=op.f("fk_files_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index(
        "ix_files_project_created",
        "files",
        ["project", "created", "id"],
        unique=False,
        sqlite_where=sa.text("deleted IS NULL"),
        postgresql_where=sa.text("deleted IS NULL"),
    )
    op.create_index(
        "ix_files_project_id",
        "files",
        ["project", "id"],
        unique=False,
        sqlite_where=sa.text("deleted IS NULL"),
        postgresql_where=sa.text("deleted IS NULL"),
    )
    op.create_table(
        "grants",
        sa.Column("project_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("kind", _by_code_point(sa.String(length=8)), nullable=False),
        sa.Column("subject", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("method", _by_code_point(sa.String(length=8)), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_grants_project_id")),
        sa.PrimaryKeyConstraint("project_id", "kind", "subject", "method", name=op.f("pk_grants")),
    )
    op.create_index(
        op.f("ix_grants_kind_subject_method_project_id"),
        "grants",
        ["kind", "subject", "method", "project_id"],
        unique=False,
    )
    op.create_table(
        "project_stats",
        sa.Column("project_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_stats_project_id")
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_stats")),
    )
    op.create_table(
        "blobs",
        sa.Column("key", _by_code_point(sa.Text()), nullable=False),
        sa.Column("file_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("size", _by_code_point(sa.String(length=16)), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_blobs_file_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_blobs")),
    )
    op.create_index(op.f("ix_blobs_file_id"), "blobs", ["file_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_blobs_file_id"), table_name="blobs")
    op.drop_table("blobs")
    op.drop_table("project_stats")
    op.drop_index(op.f("ix_grants_kind_subject_method_project_id"), table_name="grants")
    op.drop_table("grants")
    op.drop_index(
        "ix_files_project_id",
        table_name="files",
        sqlite_where=sa.text("deleted IS NULL"),
        postgresql_where=sa.text("deleted IS NULL"),
    )
    op.drop_index(
        "ix_files_project_created",
        table_name="files",
        sqlite_where=sa.text("deleted IS NULL"),
        postgresql_where=sa.text("deleted IS NULL"),
    )
    op.drop_table("files")
    op.drop_index(op.f("ix_tokens_user_id"), table_name="tokens")
    op.drop_table("tokens")
    op.drop_table("projects")
    op.drop_table("memberships")
    op.drop_table("users")
    op.drop_index(
        op.f("ix_jobs_lease_until"),
        table_name="jobs",
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.drop_index(op.f("ix_jobs_subject"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_state_priority_run_at_id"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("groups")
