"""Spells links. A link is a pure function of the blob, who signs, and the time window."""

from typing import Protocol

from cella.errors import NotFound
from cella.links.token import Signer
from cella.links.validity import Window, window

ROUTE = "/api/storage/file"
"""Where local links lead; the path below it is the original's local layout (contract, 5.1)."""


class Speller(Protocol):
    """Spells the links of one backend."""

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        ...

    def signed(self, bucket: str, names: list[str], expires: int) -> list[str]:
        """Links to blobs of a bucket, by their names, that work until `expires`."""
        ...

    def public(self, bucket: str, name: str) -> str:
        """The stable link to a public blob."""
        ...


class LocalLinks:
    """Links that lead to this service itself."""

    def __init__(self, base: str, signer: Signer, validity: int) -> None:
        self._base = base.rstrip("/") + ROUTE
        self._signer = signer
        self._validity = validity

    def window(self, now: float) -> Window:
        """The window that links spelled at `now` belong to."""
        return window(now, self._validity)

    def signed(self, bucket: str, names: list[str], expires: int) -> list[str]:
        """Links to blobs of a bucket, by their names, that work until `expires`."""
        sign = self._signer.signing(expires).sign
        folder = f"{self._base}/{bucket[:2]}/{bucket}/"
        query = f"?expires={expires}&signature="
        start = f"{bucket}/_/"
        return [folder + name[:2] + "/" + name + query + sign(start + name) for name in names]

    def public(self, bucket: str, name: str) -> str:
        """The stable link to a public blob."""
        return f"{self._base}/{bucket[:2]}/{bucket}/{name[:2]}/{name}"


def local_blob(path: str) -> tuple[str, str]:
    """Bucket and name of the blob that a path below `ROUTE` spells; raises `NotFound`."""
    parts = path.strip("/").split("/")
    if len(parts) != 4 or parts[0] != parts[1][:2] or parts[2] != parts[3][:2]:
        raise NotFound("There is no such file.")
    return parts[1], parts[3]
