"""The origins that links lead to, which a page that shows blobs has to name in its policy."""

import logging
from collections.abc import Iterable
from threading import Lock
from urllib.parse import urlsplit

from cella.clock import Clock
from cella.errors import CellaError
from cella.links.urls import Linked, Speller

_KEPT_SECONDS = 600.0
_SOME_BUCKET = "0" * 24
_SOME_BLOB = Linked(f"{'0' * 32}.jpg", "picture.jpg", "image/jpeg")

_log = logging.getLogger("cella.links")


class Origins:
    """Finds them out by spelling a link of each kind, since only the spellers know.

    What was found is kept for ten minutes, and for longer where a store cannot sign just now.
    """

    def __init__(self, spellers: Iterable[Speller], clock: Clock) -> None:
        self._spellers = list(spellers)
        self._clock = clock
        self._found: dict[int, frozenset[str]] = {}
        self._until = float("-inf")
        self._lock = Lock()

    def find(self) -> frozenset[str]:
        """Scheme, host and port of each; blocks, and may call a cloud."""
        with self._lock:
            now = self._clock.now()
            if now >= self._until:
                for number, speller in enumerate(self._spellers):
                    try:
                        self._found[number] = _origins_of(speller, now)
                    except CellaError:
                        _log.warning("no link could be spelled to find its origin", exc_info=True)
                self._until = now + _KEPT_SECONDS
            return frozenset().union(*self._found.values())


def _origins_of(speller: Speller, now: float) -> frozenset[str]:
    signed = speller.signed(_SOME_BUCKET, [_SOME_BLOB], speller.window(now))
    links = [*signed, speller.public(_SOME_BUCKET, _SOME_BLOB.name)]
    parts = [urlsplit(link) for link in links if link]
    return frozenset(f"{part.scheme}://{part.netloc}" for part in parts if part.netloc)
