"""Identifiers: 24 lower-case hex digits, compatible with MongoDB's ObjectId.

Four bytes of time in seconds, three bytes of a counter, five random bytes
(https://www.mongodb.com/docs/manual/reference/bson-types/#objectid has the last two the other
way round), so ids made by one process sort by age. Nobody can tell the next one: who could would
find what nobody told him of, and could take the ids of what others are about to add.
"""

import itertools
import re
import secrets
import time
import uuid

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_counter = itertools.count(secrets.randbelow(1 << 24))


def new_id() -> str:
    """A fresh identifier."""
    return f"{int(time.time()):08x}{next(_counter) & 0xFFFFFF:06x}{secrets.token_hex(5)}"


def is_id(text: str) -> bool:
    """Whether `text` has the form of an identifier."""
    return _OBJECT_ID.fullmatch(text) is not None


def new_etag() -> str:
    """A value that no other state of any document has: 40 hex digits."""
    return secrets.token_hex(20)


def new_blob_root() -> str:
    """The part of a blob's name that its original and its variations share: 32 hex digits."""
    return uuid.uuid4().hex
