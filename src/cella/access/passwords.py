"""Passwords, and the slow hash that is kept of them: Argon2id (RFC 9106).

One hash takes tens of milliseconds and 64 MiB, which is what makes guessing dear. So one process
works out two at once at most, in threads of its own.
"""

import asyncio
import unicodedata
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from cella.errors import BadRequest

SHORTEST = 8
LONGEST = 1024
"""Characters that a password may have."""

_AT_ONCE = 2


class Passwords:
    """Hashes passwords and compares them with hashes. Never logs or repeats one."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobodys = _hash_of_nothing(self._hasher)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cella-passwords")

    def judge(self, password: str) -> None:
        """Raise `BadRequest` for one that is shorter than `SHORTEST` or longer than `LONGEST`."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise BadRequest(f"A password has {SHORTEST} to {LONGEST} characters.")

    def hash(self, password: str) -> str:
        """What is kept of a new password. Blocking; raises as `judge` does."""
        self.judge(password)
        return self._hasher.hash(_bytes(password))

    async def hashed(self, password: str) -> str:
        """As `hash`, for who must not be blocked."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.hash, password)

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether it is the password that `kept` was made from.

        None stands for somebody who has no password, and takes as long to refuse.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._matches, kept, password)

    async def renewed(self, kept: str, password: str) -> str | None:
        """What to keep of it from now on, where `kept` costs other than it would today."""
        if not self._hasher.check_needs_rehash(kept):
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._hasher.hash, _bytes(password))

    def _matches(self, kept: str | None, password: str) -> bool:
        if len(password) > LONGEST:
            kept = None
        try:
            return self._hasher.verify(kept or self._nobodys, _bytes(password[:LONGEST]))
        except VerificationError:
            return False


def _bytes(password: str) -> bytes:
    # RFC 8265, section 4.2.2: keyboards differ in how they compose the same letters.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """A hash that no password has, as costly to compare with as those of `hasher`."""
    salt, digest = (
        b64encode(bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
