"""Folders in a store that has nothing but blobs under our keys: each bucket has one, `_`."""

from contextlib import aclosing

from cella.store import keys
from cella.store.contract import Entry, Head, List, Stat
from cella.store.problems import missing

Entries = list[Entry]
"""Under this name also inside of stores, in which `list` is a verb."""


async def browse(store: List, bucket: str, path: str, after: str, most: int) -> Entries:
    """The entries of a folder, by the store's listing; see `cella.store.contract.CanBrowse`."""
    if most < 1 or not keys.is_bucket(bucket) or path not in ("", keys.FOLDER):
        return []
    folder = f"{bucket}/{keys.FOLDER}/"
    if path == keys.FOLDER:
        return [_entry(blob) for blob in await _some(store, folder, folder + after, most)]
    is_wanted = after < f"{keys.FOLDER}/"
    has_blobs = is_wanted and await _some(store, folder, "", 1)
    return [Entry(keys.FOLDER, is_folder=True)] if has_blobs else []


async def find(store: Head, bucket: str, path: str) -> Entry:
    """The blob at a path, by the store's `head`; see `cella.store.contract.CanBrowse`."""
    key = f"{bucket}/{path}"
    if not keys.is_key(key):
        raise missing(key)
    return _entry(await store.head(key))


async def _some(store: List, prefix: str, after: str, most: int) -> list[Stat]:
    found: list[Stat] = []
    async with aclosing(store.list(prefix, after)) as blobs:
        async for blob in blobs:
            found.append(blob)
            if len(found) == most:
                break
    return found


def _entry(blob: Stat) -> Entry:
    _, name = keys.split(blob.key)
    return Entry(name, length=blob.length, modified=blob.modified)
