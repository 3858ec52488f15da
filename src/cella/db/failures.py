"""What a failure of the database means to who waits for an answer."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cella.errors import CellaError, DatabaseUnavailable, StoreFull

_DISK_FULL = "53100"


def explain(error: Exception) -> CellaError | None:
    """The error of ours that says it, or None where the database is not what failed.

    SQLSTATE 53100 is PostgreSQL's `disk_full`
    (https://www.postgresql.org/docs/current/errcodes-appendix.html).
    """
    if isinstance(error, DBAPIError) and _is_full(error.orig):
        return StoreFull("The disk of the database is full; nothing was changed.")
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return DatabaseUnavailable("The database does not answer. Try again in a moment.")
    return None


def _is_full(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == _DISK_FULL
