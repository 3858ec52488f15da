"""Identifiers: 24 lower-case hex digits, compatible with MongoDB's ObjectId.

Four bytes of time in seconds, five random bytes per process, three bytes of a counter
(https://www.mongodb.com/docs/manual/reference/bson-types/#objectid), so ids made by one
process sort by age.
"""

import itertools
import os
import re
import secrets
import time
import uuid

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_counter = itertools.count(secrets.randbelow(1 << 24))
_process: tuple[int, str] = (os.getpid(), secrets.token_hex(5))


def new_id() -> str:
    """A fresh identifier."""
    global _process  # noqa: PLW0603 - a forked child must not repeat its parent's ids
    if _process[0] != os.getpid():
        _process = (os.getpid(), secrets.token_hex(5))
    return f"{int(time.time()):08x}{_process[1]}{next(_counter) & 0xFFFFFF:06x}"


def is_id(text: str) -> bool:
    """Whether `text` has the form of an identifier."""
    return _OBJECT_ID.fullmatch(text) is not None


def new_etag() -> str:
    """A value that no other state of any document has: 40 hex digits."""
    return secrets.token_hex(20)


def new_blob_root() -> str:
    """The part of a blob's name that its original and its variations share: 32 hex digits."""
    return uuid.uuid4().hex
