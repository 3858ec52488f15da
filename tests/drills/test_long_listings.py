"""Thousands of blobs in one bucket: listed in order, continued anywhere, and shown as a folder."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.clouds import ALL_CLOUDS, Cloud
from tests.support.stores import BUCKET, FACTORIES, OTHER, body, listed_keys

from cella.store.contract import CanBrowse, Store

SECONDS = int(os.environ.get("CELLA_DRILL_SECONDS", "600"))
BLOBS = 10_000 if SECONDS >= 600 else 2_500
AT_ONCE = 16
SEED = 20261129


@pytest_asyncio.fixture(params=["disk", "memory", *ALL_CLOUDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param in ALL_CLOUDS:
        cloud: Cloud = request.getfixturevalue(request.param)
        store = cloud.store()
    else:
        store = FACTORIES[request.param](tmp_path / "blobs")
    await store.open()
    yield store
    await store.close()


def names() -> list[str]:
    """Names of blobs, in the order of their code points."""
    chance = random.Random(SEED)
    return sorted(
        f"{chance.getrandbits(128):032x}.{chance.choice(('png', 'PNG', 'mov'))}"
        for _ in range(BLOBS)
    )


async def fill(store: Store, bucket: str, wanted: list[str]) -> None:
    """Put small blobs of these names."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def put(name: str) -> None:
        async with slots:
            await store.put(f"{bucket}/_/{name}", body(b"x"), replace=True)

    await asyncio.gather(*map(put, wanted))


@pytest.mark.drill
@pytest.mark.timeout(600)
async def test_thousands_of_blobs_are_listed_and_browsed(store: Store) -> None:
    wanted = names()
    keys = [f"{BUCKET}/_/{name}" for name in wanted]
    await fill(store, BUCKET, wanted)
    await fill(store, OTHER, wanted[:10])
    assert await listed_keys(store, f"{BUCKET}/") == keys
    assert len(await listed_keys(store)) == BLOBS + 10
    middle = BLOBS // 2
    assert await listed_keys(store, f"{BUCKET}/", keys[middle]) == keys[middle + 1 :]
    assert isinstance(store, CanBrowse)
    (folder,) = await store.browse(BUCKET, "", "", 10)
    assert (folder.name, folder.is_folder) == ("_", True)
    found: list[str] = []
    while page := await store.browse(BUCKET, "_", found[-1] if found else "", 777):
        assert len(page) <= 777
        assert not any(entry.is_folder or entry.length != 1 for entry in page)
        found += [entry.name for entry in page]
    assert found == wanted
