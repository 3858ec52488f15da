"""The catalogue's tables.

Times are whole seconds since the epoch. Lists and nested values are JSON text that msgspec
reads and writes, the same on both databases.

`grants` repeats `projects.permissions` as rows, so that "whose files may this actor list?" is
one indexed condition; `project_stats` keeps what every list and quota asks for, so that neither
counts rows. Both are written in the transaction that changes what they repeat.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    text,
)

from cella.db.schema import by_code_point, metadata

_ID = by_code_point(String(24))
_TEXT = by_code_point(Text())
_NOT_DELETED = text("deleted IS NULL")


def _automatic() -> list[Column[object]]:
    return [
        Column("id", _ID, primary_key=True),
        Column("created", BigInteger, nullable=False),
        Column("updated", BigInteger, nullable=False),
        Column("etag", by_code_point(String(40)), nullable=False),
    ]


users = Table(
    "users",
    metadata,
    *_automatic(),
    Column("username", _TEXT, nullable=False, unique=True),
    Column("full_name", _TEXT, nullable=False),
    Column("email", _TEXT, nullable=False),
    Column("roles", _TEXT, nullable=False),
    Column("disabled", Boolean, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    *_automatic(),
    Column("name", _TEXT, nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", _ID, ForeignKey("users.id"), primary_key=True),
    Column("group_id", _ID, ForeignKey("groups.id"), primary_key=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("hash", by_code_point(String(64)), nullable=False, unique=True),
    Column("user_id", _ID, ForeignKey("users.id"), nullable=False, index=True),
    Column("subclient", _TEXT, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
)

projects = Table(
    "projects",
    metadata,
    *_automatic(),
    Column("name", _TEXT, nullable=False),
    Column("url", _TEXT, nullable=False, unique=True),
    Column("user_id", _ID, ForeignKey("users.id"), nullable=False),
    Column("category", _TEXT, nullable=False),
    Column("description", _TEXT),
    Column("permissions", _TEXT, nullable=False),
    Column("deleted", BigInteger),
)

grants = Table(
    "grants",
    metadata,
    Column("project_id", _ID, ForeignKey("projects.id"), primary_key=True),
    Column("kind", by_code_point(String(8)), primary_key=True),
    Column("subject", _ID, primary_key=True),
    Column("method", by_code_point(String(8)), primary_key=True),
    Index(None, "kind", "subject", "method", "project_id"),
)

project_stats = Table(
    "project_stats",
    metadata,
    Column("project_id", _ID, ForeignKey("projects.id"), primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

files = Table(
    "files",
    metadata,
    *_automatic(),
    Column("project", _ID, ForeignKey("projects.id")),
    Column("user_id", _ID, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("filename", _TEXT, nullable=False),
    Column("content_type", _TEXT, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("backend", _TEXT, nullable=False),
    Column("file_path", _TEXT),
    Column("status", by_code_point(String(24)), nullable=False),
    Column("md5", by_code_point(String(32)), nullable=False),
    Column("sha256", by_code_point(String(64))),
    Column("description", _TEXT),
    Column("declared_type", _TEXT),
    Column("format", _TEXT),
    Column("size", _TEXT),
    Column("width", BigInteger),
    Column("height", BigInteger),
    Column("duration", BigInteger),
    Column("processing", _TEXT),
    Column("variations", _TEXT, nullable=False),
    Column("length_aggregate", BigInteger, nullable=False),
    Column("deleted", BigInteger),
    Index(
        "ix_files_project_created",
        "project",
        "created",
        "id",
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    ),
    Index(
        "ix_files_project_id",
        "project",
        "id",
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    ),
)

blobs = Table(
    "blobs",
    metadata,
    Column("key", _TEXT, primary_key=True),
    Column("file_id", _ID, ForeignKey("files.id"), nullable=False, index=True),
    Column("size", by_code_point(String(16)), nullable=False),
)
