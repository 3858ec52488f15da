"""The catalogue's tables.

Times are whole seconds since the epoch. Lists and nested values are JSON text that msgspec
reads and writes, the same on both databases.

`grants` repeats `projects.permissions` as rows, so that "whose files may this actor list?" is
one indexed condition; `project_stats` keeps what every list and quota asks for, so that neither
counts rows. Both are written in the transaction that changes what they repeat.

`files.job_id` repeats what stands in `files.processing`, so that an index may have it.

`identities` ties users to what a provider calls them; `claims` is the digest of what it last said
of them, and `claimed` when it did.

`sessions` are those of browsers; one that was begun with a token ends when `token_id` does.

`uploads` are files on their way, of which `pieces` are there already: blobs without a file, each of
which becomes one with the others, or the file's own where it is the whole of it.

`links` keeps links of a file that are slow to sign, or that others read from the database:
`variations` is a JSON object of them by `file_path`, and all of them work until `expires`.

`quarantine` has the blobs of which no row knows, since when they were `found` to be so;
`checkpoints` how far those have come who go through a whole store.

`imports` has what was taken over from another server: the etag that it was written with, so that a
change made here shows, and a digest of what was said of it there.

`attempts` counts failed sign-ins since a moment, by the HMAC of who tried.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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
_DELETED = text("deleted IS NOT NULL")
ENCODED_ELSEWHERE = text("job_id IS NOT NULL AND status = 'processing'")
"""Files that an encoder elsewhere may be busy with: the index of these is as small as they are."""


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
    Column("settings", _TEXT, nullable=False, server_default="{}"),
    Column("disabled", Boolean, nullable=False),
    Index("ix_users_email", "email"),
)

passwords = Table(
    "passwords",
    metadata,
    Column("user_id", _ID, ForeignKey("users.id"), primary_key=True),
    Column("hash", _TEXT, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("provider", _TEXT, primary_key=True),
    Column("subject", _TEXT, primary_key=True),
    Column("user_id", _ID, ForeignKey("users.id"), nullable=False, index=True),
    Column("claims", by_code_point(String(64)), nullable=False),
    Column("claimed", BigInteger, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("key", by_code_point(String(64)), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False, index=True),
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
    Column("group_id", _ID, ForeignKey("groups.id"), primary_key=True, index=True),
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

sessions = Table(
    "sessions",
    metadata,
    Column("hash", by_code_point(String(64)), primary_key=True),
    Column("user_id", _ID, ForeignKey("users.id"), nullable=False, index=True),
    Column("token_id", _ID),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    *_automatic(),
    Column("name", _TEXT, nullable=False),
    Column("url", _TEXT, nullable=False, unique=True),
    Column("user_id", _ID, ForeignKey("users.id"), nullable=False),
    Column("category", _TEXT, nullable=False),
    Column("summary", _TEXT),
    Column("description", _TEXT),
    Column("status", _TEXT, nullable=False, server_default="published"),
    Column("permissions", _TEXT, nullable=False),
    Column("deleted", BigInteger),
    Index("ix_projects_user_id", "user_id"),
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
    Column("media", _TEXT),
    Column("processing", _TEXT),
    Column("job_id", _TEXT),
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
    Index(
        "ix_files_project_id_deleted",
        "project",
        "id",
        sqlite_where=_DELETED,
        postgresql_where=_DELETED,
    ),
    Index("ix_files_user_id", "user_id", "project", "id"),
    Index("ix_files_name", "name"),
    Index("ix_files_filename", "filename"),
    Index("ix_files_file_path", "file_path"),
    Index("ix_files_md5", "md5"),
    Index("ix_files_sha256", "sha256"),
    Index(
        "ix_files_backend_id",
        "backend",
        "id",
        sqlite_where=_NOT_DELETED,
        postgresql_where=_NOT_DELETED,
    ),
    # A job's id may be too long for a row of a B-tree.
    Index("ix_files_job_id", "job_id", postgresql_using="hash"),
    Index(
        "ix_files_encoded_elsewhere",
        "updated",
        "id",
        sqlite_where=ENCODED_ELSEWHERE,
        postgresql_where=ENCODED_ELSEWHERE,
    ),
)

blobs = Table(
    "blobs",
    metadata,
    Column("key", _TEXT, primary_key=True),
    Column("file_id", _ID, ForeignKey("files.id"), nullable=False, index=True),
    Column("size", by_code_point(String(16)), nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("user_id", _ID, ForeignKey("users.id"), nullable=False),
    Column("project", _ID, ForeignKey("projects.id"), nullable=False),
    Column("filename", _TEXT, nullable=False),
    Column("declared_type", _TEXT),
    Column("length", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("backend", _TEXT, nullable=False),
    Column("state", by_code_point(String(16)), nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("file_id", _ID),
    Column("reason", _TEXT),
    Index("ix_uploads_user_id", "user_id", "state"),
    Index("ix_uploads_expires", "expires", "id"),
)

pieces = Table(
    "pieces",
    metadata,
    Column("key", _TEXT, primary_key=True),
    Column("upload_id", _ID, ForeignKey("uploads.id"), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Index("ix_pieces_upload_id", "upload_id", "start", unique=True),
)

links = Table(
    "links",
    metadata,
    Column("file_id", _ID, ForeignKey("files.id"), primary_key=True),
    Column("expires", BigInteger, nullable=False),
    Column("original", _TEXT, nullable=False),
    Column("variations", _TEXT, nullable=False),
    Index("ix_links_expires", "expires", "file_id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("backend", by_code_point(String(32)), primary_key=True),
    Column("key", _TEXT, primary_key=True),
    Column("length", BigInteger, nullable=False),
    Column("modified", Double, nullable=False),
    Column("found", BigInteger, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("name", by_code_point(String(64)), primary_key=True),
    Column("value", _TEXT, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("kind", by_code_point(String(8)), primary_key=True),
    Column("id", _ID, primary_key=True),
    Column("etag", by_code_point(String(40)), nullable=False),
    Column("digest", by_code_point(String(40)), nullable=False),
)
