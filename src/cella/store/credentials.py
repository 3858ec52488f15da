"""Whose keys a cloud's requests are signed with."""

import threading
import time
from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, Protocol, TypeVar

from cella.errors import StoreError
from cella.store.signing_s3 import AwsKey

T = TypeVar("T")

_EARLY = 300.0
_PAUSE = 15.0


class AwsKeys(Protocol):
    """Gives the access key that is valid now. Blocking where it has to be fetched."""

    def key(self) -> AwsKey:
        """The key. Raises `StoreUnavailable`, or `StoreRefused` where there is none."""
        ...


class FixedAwsKey:
    """The key from the settings."""

    def __init__(self, key: AwsKey) -> None:
        self._key = key

    def key(self) -> AwsKey:
        """Always the same."""
        return self._key


class Kept(NamedTuple, Generic[T]):
    """Something that is valid until `expires`, in seconds since the epoch."""

    value: T
    expires: float


class Renewed(ABC, Generic[T]):
    """Something temporary that is fetched when it is needed and kept for as long as it is valid.

    It is renewed five minutes before its end; where that fails it serves until then, and is asked
    for again a little later. Threads that need it meanwhile wait for one fetch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: Kept[T] | None = None
        self._failed = -_PAUSE

    def current(self) -> T:
        """What is valid now."""
        with self._lock:
            kept, now = self._kept, time.time()
            serves = kept is not None and now < kept.expires
            if kept is not None and serves:
                is_tired = time.monotonic() - self._failed < _PAUSE
                if now < kept.expires - _EARLY or is_tired:
                    return kept.value
            try:
                kept = self.fetch()
            except StoreError:
                self._failed = time.monotonic()
                if kept is None or not serves:
                    raise
            self._kept = kept
            return kept.value

    @abstractmethod
    def fetch(self) -> Kept[T]:
        """Another one. Raises `StoreUnavailable`, or `StoreRefused` where there is none."""
