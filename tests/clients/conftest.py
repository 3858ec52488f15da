"""Fixtures of running services."""

from tests.support.services import (
    local,
    postgresql_disk,
    service,
    sqlite_disk,
    sqlite_memory,
    start,
)

__all__ = ["local", "postgresql_disk", "service", "sqlite_disk", "sqlite_memory", "start"]
