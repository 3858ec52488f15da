"""Fixtures of running services."""

from tests.support.services import (
    local,
    postgresql_memory,
    service,
    sqlite_disk,
    start,
)

__all__ = ["local", "postgresql_memory", "service", "sqlite_disk", "start"]
