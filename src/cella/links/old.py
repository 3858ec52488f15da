"""Links of documents that came from Pillar, to backends that get nothing new (contract, 5.1)."""

import hashlib
import re
from collections.abc import Sequence

from cella.links.addresses import quoted
from cella.links.token import Signer
from cella.links.urls import ROUTE, Linked
from cella.links.validity import Window, window

PILLAR = "pillar"
"""The backend whose bytes lie in a folder that Pillar left, which is served from here."""

CDNSUN = "cdnsun"
"""The backend whose bytes were put where CDNsun finds them by their paths."""

UNITTEST = "unittest"
"""The backend of the original's own tests."""

_PATH = re.compile(re.escape(ROUTE) + r"/([^/]+/([^/]+))/?")


class PillarLinks:
    """Links to files of the old folder: `<route>/c1/c1f7….mp4`, signed and expiring as all are."""

    is_slow = False

    def __init__(self, base: str, signer: Signer, validity: int) -> None:
        self._base = base.rstrip("/") + ROUTE
        self._signer = signer
        self._validity = validity

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        return window(now, self._validity)

    def signed(self, bucket: str, blobs: Sequence[Linked], window: Window) -> list[str]:
        """Links to files by their paths that work until the window expires."""
        sign = self._signer.signing(window.expires).sign
        return [
            f"{self.public(bucket, blob.name)}?expires={window.expires}"
            f"&signature={sign(signed_as(quoted(blob.name)))}"
            for blob in blobs
        ]

    def public(self, _bucket: str, name: str) -> str:
        """The stable link to a public file."""
        return f"{self._base}/{quoted(name)}"


class UnitTestLinks:
    """Links that lead nowhere, and look as the original's did."""

    is_slow = False

    def __init__(self, validity: int) -> None:
        self._validity = validity

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        return window(now, self._validity)

    def signed(self, bucket: str, blobs: Sequence[Linked], _window: Window) -> list[str]:
        """Links by the digests of paths."""
        return [self.public(bucket, blob.name) for blob in blobs]

    def public(self, _bucket: str, name: str) -> str:
        """A link by the digest of the path."""
        digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        return f"https://unit.test/{digest}"


class NoLinks:
    """Links of backends that nobody can reach any more: empty ones."""

    is_slow = False

    def __init__(self, validity: int) -> None:
        self._validity = validity

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        return window(now, self._validity)

    def signed(self, _bucket: str, blobs: Sequence[Linked], _window: Window) -> list[str]:
        """An empty link for each."""
        return [""] * len(blobs)

    def public(self, _bucket: str, _name: str) -> str:
        """An empty link."""
        return ""


def pillar_path(path: str) -> str | None:
    """What of a URL's path names a file of the old folder; None where it is of another shape.

    `path` is what was received, not decoded, and so is what comes back.
    """
    match = _PATH.fullmatch(path)
    return match[1] if match is not None and match[1][:3] == f"{match[2][:2]}/" else None


def signed_as(path: str) -> str:
    """What the signature of such a link is over: nothing that a blob's key could be."""
    return f"{PILLAR}:{path}"
