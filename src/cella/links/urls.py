"""Spells links. A link is a pure function of the blob, who signs, and the time window."""

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cella.errors import NotFound
from cella.links.token import Signer
from cella.links.validity import Window, window

ROUTE = "/api/storage/file"
"""Where local links lead; the path below it is the original's local layout (contract, 5.1)."""

_PATH = re.compile(re.escape(ROUTE) + r"/([^/]+)/([^/]+)/([^/]+)/([^/]+)/?")


class Linked(NamedTuple):
    """A blob that a link leads to: the path that its document has, what it is saved and shown as.

    Of what `names_others` the names are replaced by links when it is served.
    """

    name: str
    filename: str
    content_type: str
    names_others: bool = False


class Speller(Protocol):
    """Spells the links of one backend."""

    @property
    def is_slow(self) -> bool:
        """Whether signing takes so long that it is to be done in a thread, and links are kept."""
        ...

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        ...

    def signed(self, bucket: str, blobs: Sequence[Linked], window: Window) -> list[str]:
        """Links to blobs of a bucket that work until the window expires."""
        ...

    def public(self, bucket: str, name: str) -> str:
        """The stable link to a public blob; empty where there is none but a signed one."""
        ...


class LocalLinks:
    """Links that lead to this service itself; without a `base` they are paths on it."""

    is_slow = False

    def __init__(self, base: str, signer: Signer, validity: int) -> None:
        self._base = base.rstrip("/") + ROUTE
        self._signer = signer
        self._validity = validity

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        return window(now, self._validity)

    def signed(self, bucket: str, blobs: Sequence[Linked], window: Window) -> list[str]:
        """Links to blobs of a bucket that work until the window expires."""
        return self.until(bucket, [blob_name(blob.name) for blob in blobs], window.expires)

    def until(self, bucket: str, names: Sequence[str], expires: int) -> list[str]:
        """Links to blobs of a bucket, by their names, that work until `expires`."""
        sign = self._signer.signing(expires).sign
        folder = f"{self._base}/{bucket[:2]}/{bucket}/"
        query = f"?expires={expires}&signature="
        start = f"{bucket}/_/"
        return [folder + name[:2] + "/" + name + query + sign(start + name) for name in names]

    def public(self, bucket: str, name: str) -> str:
        """The stable link to a public blob."""
        name = blob_name(name)
        return f"{self._base}/{bucket[:2]}/{bucket}/{name[:2]}/{name}"


def blob_name(path: str) -> str:
    """The name of the blob that a document's path means: what stands after the last slash."""
    return path.rpartition("/")[2]


def local_blob(path: str) -> tuple[str, str]:
    """Bucket and name of the blob that a URL's path leads to; raises `NotFound`.

    `path` is what was received, not decoded. So a blob has one spelling, the one that is signed
    with it; only a slash at the end means nothing, as on all routes.
    """
    match = _PATH.fullmatch(path)
    if match is None or match[1] != match[2][:2] or match[3] != match[4][:2]:
        raise NotFound("There is no such file.")
    return match[2], match[4]
