"""Passwords, identities from outside, failed sign-ins; settings of users, more of projects."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _by_code_point(kind: sa.String) -> sa.String:
    return kind.with_variant(type(kind)(kind.length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables and columns."""
    op.add_column(
        "users",
        sa.Column("settings", _by_code_point(sa.Text()), nullable=False, server_default="{}"),
    )
    op.add_column("projects", sa.Column("summary", _by_code_point(sa.Text()), nullable=True))
    op.add_column(
        "projects",
        sa.Column("status", _by_code_point(sa.Text()), nullable=False, server_default="published"),
    )
    op.create_index("ix_users_email", "users", ["email"], unique=False)
    op.create_index("ix_projects_user_id", "projects", ["user_id"], unique=False)
    op.create_index(op.f("ix_memberships_group_id"), "memberships", ["group_id"], unique=False)
    op.create_table(
        "passwords",
        sa.Column("user_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("hash", _by_code_point(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passwords_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_passwords")),
    )
    op.create_table(
        "identities",
        sa.Column("provider", _by_code_point(sa.Text()), nullable=False),
        sa.Column("subject", _by_code_point(sa.Text()), nullable=False),
        sa.Column("user_id", _by_code_point(sa.String(length=24)), nullable=False),
        sa.Column("claims", _by_code_point(sa.String(length=64)), nullable=False),
        sa.Column("claimed", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identities_user_id")),
        sa.PrimaryKeyConstraint("provider", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("key", _by_code_point(sa.String(length=64)), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_since"), "attempts", ["since"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_attempts_since"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_identities_user_id"), table_name="identities")
    op.drop_table("identities")
    op.drop_table("passwords")
    op.drop_index(op.f("ix_memberships_group_id"), table_name="memberships")
    op.drop_index("ix_projects_user_id", table_name="projects")
    op.drop_index("ix_users_email", table_name="users")
    op.drop_column("projects", "status")
    op.drop_column("projects", "summary")
    op.drop_column("users", "settings")
