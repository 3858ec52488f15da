"""Fixtures of running services, and of clients that talk to them."""

from collections.abc import Callable, Iterator

import pytest
import requests
from pillarsdk import Api
from requests.adapters import HTTPAdapter
from tests.support.service import Account, Service
from tests.support.services import (
    local,
    postgresql_memory,
    service,
    sqlite_disk,
    start,
)

__all__ = ["local", "postgresql_memory", "service", "sqlite_disk", "start"]

Sdk = Callable[[Service, Account | None], Api]
"""What makes an `Api` of pillarsdk for a user, or for nobody in particular."""


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sdk]:
    """All of the SDK's calls go over one connection, so that none gets out of step."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1))
        monkeypatch.setattr(Api, "requests_session", session)
        monkeypatch.setattr(Api, "_api_singleton", None)

        def begin(service: Service, account: Account | None) -> Api:
            token = None if account is None else account.token
            return Api(endpoint=f"{service.url}/api", username=None, password=None, token=token)

        yield begin
