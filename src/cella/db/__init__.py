"""The database: an engine, transactions, and what differs between SQLite and PostgreSQL."""

from cella.db.engine import Database, DatabaseConfig, Tx, Work

__all__ = ["Database", "DatabaseConfig", "Tx", "Work"]
