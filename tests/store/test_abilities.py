"""Wrappers can what the store inside can, and nothing else."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.support.stores import BUCKET, KEY

from cella.errors import StoreUnavailable
from cella.store.checked import CheckedStore
from cella.store.contract import CanBrowse, CanSign, Entry, HasPath, Store
from cella.store.disk import DiskStore
from cella.store.failing import FailingStore, Faults
from cella.store.memory import MemoryStore

WRAPPERS: dict[str, Callable[[Store], Store]] = {
    "checked": CheckedStore,
    "failing": lambda inner: FailingStore(inner, Faults()),
    "both": lambda inner: FailingStore(CheckedStore(inner), Faults()),
}


class Signing(MemoryStore):
    signs_slowly = True
    longest_link = 7

    def sign(self, blobs: Sequence[tuple[str, str, str]], begins: int, expires: int) -> list[str]:
        return [f"https://example.com/{key}?{begins}-{expires}" for key, *_ in blobs]

    def public_link(self, key: str) -> str:
        return f"https://example.com/{key}"


class Browsing(MemoryStore):
    async def browse(self, bucket: str, path: str, after: str, most: int) -> list[Entry]:
        return [Entry(f"{bucket}{path}{after}{most}")]

    async def find(self, bucket: str, path: str) -> Entry:
        return Entry(f"{bucket}{path}")


def blind(inner: Store) -> Store:
    """The store, which cannot be browsed."""
    store = CheckedStore(inner)
    for member in ("browse", "find"):
        vars(store).pop(member)
    return store


@pytest.fixture(params=WRAPPERS)
def wrap(request: pytest.FixtureRequest) -> Callable[[Store], Store]:
    return WRAPPERS[request.param]


def test_what_the_inner_store_cannot_the_wrapper_cannot(wrap: Callable[[Store], Store]) -> None:
    wrapped = wrap(blind(MemoryStore()))
    assert not isinstance(wrapped, HasPath)
    assert not isinstance(wrapped, CanBrowse)
    assert not isinstance(wrapped, CanSign)


def test_a_path_is_handed_on(wrap: Callable[[Store], Store], tmp_path: Path) -> None:
    disk = DiskStore(tmp_path)
    wrapped = wrap(disk)
    assert isinstance(wrapped, HasPath)
    assert wrapped.path(KEY) == disk.path(KEY)
    assert not isinstance(wrapped, CanSign)


def test_signing_is_handed_on(wrap: Callable[[Store], Store]) -> None:
    wrapped = wrap(blind(Signing()))
    assert isinstance(wrapped, CanSign)
    assert (wrapped.signs_slowly, wrapped.longest_link) == (True, 7)
    assert wrapped.sign([(KEY, "", "")], 1, 2) == [f"https://example.com/{KEY}?1-2"]
    assert wrapped.public_link(KEY) == f"https://example.com/{KEY}"
    assert not isinstance(wrapped, CanBrowse)


async def test_browsing_is_handed_on(wrap: Callable[[Store], Store]) -> None:
    wrapped = wrap(Browsing())
    assert isinstance(wrapped, CanBrowse)
    assert await wrapped.browse(BUCKET, "a", "b", 3) == [Entry(f"{BUCKET}ab3")]
    assert await wrapped.find(BUCKET, "a") == Entry(f"{BUCKET}a")
    assert not isinstance(wrapped, CanSign)


async def test_browsing_has_steps_that_fail() -> None:
    faults = Faults(1, lasting=True)
    wrapped = FailingStore(Browsing(), faults)
    assert isinstance(wrapped, CanBrowse)
    with pytest.raises(StoreUnavailable):
        await wrapped.browse(BUCKET, "", "", 1)
    with pytest.raises(StoreUnavailable):
        await wrapped.find(BUCKET, "a")
    assert faults.steps == ["browse", "find"]
