"""Links that lead away from this server: to stores that sign, and to networks in front of them.

What names other blobs (playlists, cues) still comes from here: the links in it are spelled when it
is served.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from cella.disposition import serving_headers
from cella.links.cdn import Cdn
from cella.links.urls import Linked, LocalLinks, blob_name
from cella.links.validity import Window, window


@runtime_checkable
class Signs(Protocol):
    """What of a store links are signed by; the promises are those of `CanSign` of the stores."""

    signs_slowly: bool
    longest_link: int

    def sign(self, blobs: Sequence[tuple[str, str, str]], begins: int, expires: int) -> list[str]:
        """Links to keys, each with the Content-Type and the Content-Disposition it comes with."""
        ...

    def public_link(self, key: str) -> str:
        """The stable link to a public blob; empty where there is none."""
        ...


class StoredLinks:
    """Links to the store itself; what it cannot hand out leads here, by `local`.

    They last `validity` seconds, and no longer than the store's links can.
    """

    def __init__(self, store: Signs, local: LocalLinks, validity: int) -> None:
        self._store = store
        self._local = local
        self._validity = validity

    @property
    def is_slow(self) -> bool:
        """Whether the store signs slowly, which it may know only when it is open."""
        return self._store.signs_slowly

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        return window(now, min(self._validity, self._store.longest_link))

    def signed(self, bucket: str, blobs: Sequence[Linked], window: Window) -> list[str]:
        """Links to blobs of a bucket that work until the window expires."""

        def sign(some: Sequence[Linked]) -> list[str]:
            told = []
            for blob in some:
                headers = serving_headers(blob.content_type, blob.filename)
                key = _key(bucket, blob.name)
                told.append((key, headers["content-type"], headers["content-disposition"]))
            return self._store.sign(told, window.begins, window.expires)

        return _apart(self._local, bucket, blobs, window, sign)

    def public(self, bucket: str, name: str) -> str:
        """The stable link to a public blob."""
        return self._store.public_link(_key(bucket, name)) or self._local.public(bucket, name)


class CdnLinks:
    """Links to a network, which knows blobs by their keys.

    Without `local` nothing can come from here, and the network knows blobs by the paths that their
    documents have: these were put there by others.
    """

    def __init__(self, cdn: Cdn, local: LocalLinks | None, validity: int) -> None:
        self._cdn = cdn
        self._local = local
        self._validity = validity

    @property
    def is_slow(self) -> bool:
        """Whether the network's signatures take long."""
        return self._cdn.is_slow

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        return window(now, self._validity)

    def signed(self, bucket: str, blobs: Sequence[Linked], window: Window) -> list[str]:
        """Links to blobs of a bucket that work until the window expires."""
        if self._local is None:
            return self._cdn.signed([blob.name for blob in blobs], window.expires)

        def sign(some: Sequence[Linked]) -> list[str]:
            return self._cdn.signed([_key(bucket, blob.name) for blob in some], window.expires)

        return _apart(self._local, bucket, blobs, window, sign)

    def public(self, bucket: str, name: str) -> str:
        """The stable link to a public blob; empty where neither the network nor we have one."""
        if self._local is None:
            return self._cdn.public(name)
        return self._cdn.public(_key(bucket, name)) or self._local.public(bucket, name)


def _key(bucket: str, path: str) -> str:
    return f"{bucket}/_/{blob_name(path)}"


def _apart(
    local: LocalLinks,
    bucket: str,
    blobs: Sequence[Linked],
    window: Window,
    sign: Callable[[Sequence[Linked]], list[str]],
) -> list[str]:
    """Links in order: by `local` to what names others, by `sign` to all the rest."""
    if not any(blob.names_others for blob in blobs):
        return sign(blobs)
    here = iter(local.signed(bucket, [blob for blob in blobs if blob.names_others], window))
    away = iter(sign([blob for blob in blobs if not blob.names_others]))
    return [next(here if blob.names_others else away) for blob in blobs]
