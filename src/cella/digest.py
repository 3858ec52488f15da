"""Digests that are worked out while bytes pass by."""

import hashlib
from typing import NamedTuple

MD5_WHILE_RECEIVING = 8 << 20
"""Bytes up to which MD5 is worked out at once.

MD5 has half the speed of SHA-256 on processors with SHA extensions, so for larger blobs a
background job does it while nobody waits.
"""


class Digests(NamedTuple):
    """Length in bytes and digests in lower-case hex; `md5` is empty where it was not worked out."""

    length: int
    sha256: str
    md5: str


class Digester:
    """Counts and hashes what it is fed. Feeding large blocks releases the GIL."""

    def __init__(self, md5_up_to: int = MD5_WHILE_RECEIVING) -> None:
        self.length = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._md5_up_to = md5_up_to

    def update(self, block: bytes | bytearray | memoryview) -> None:
        """Take the next block into account."""
        self.length += len(block)
        self._sha256.update(block)
        if self.length <= self._md5_up_to:
            self._md5.update(block)

    def digests(self) -> Digests:
        """What was worked out over all that was fed so far."""
        md5 = self._md5.hexdigest() if self.length <= self._md5_up_to else ""
        return Digests(self.length, self._sha256.hexdigest(), md5)
