"""The database: an engine, transactions, and what differs between SQLite and PostgreSQL."""

from cella.db.engine import Database, DatabaseConfig, Tx, Work
from cella.db.failures import explain

__all__ = ["Database", "DatabaseConfig", "Tx", "Work", "explain"]
