"""The folder that Pillar left: it is read, and nothing in it ever changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cella.errors import BadConfig, BadKey, BlobMissing, StoreError
from cella.store import keys
from cella.store.config import PillarConfig
from cella.store.contract import BLOCK, Store
from cella.store.opening import old_stores

BUCKET = "5f0123456789abcdef012345"
OTHER = "5f0123456789abcdef012346"
CONTENT = bytes(range(256)) * (5 << 10)
KEY = keys.key_of(BUCKET, "c1/c1f7.mp4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1" / "c1f7.mp4").write_bytes(CONTENT)
    return tmp_path


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[Store]:
    opened = old_stores(PillarConfig(folder=str(folder)))["pillar"]
    await opened.open()
    yield opened
    await opened.close()


async def read(store: Store, key: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([block async for block in store.get(key, start, stop)])


async def body() -> AsyncIterator[bytes]:
    yield b"new"


async def test_a_file_is_a_blob_of_every_bucket(store: Store) -> None:
    assert len(CONTENT) > BLOCK
    for bucket in (BUCKET, OTHER):
        key = keys.key_of(bucket, "c1/c1f7.mp4")
        assert await read(store, key) == CONTENT
        assert (await store.head(key)).length == len(CONTENT)
    assert await read(store, KEY, 5, 9) == CONTENT[5:9]


async def test_nothing_is_taken_and_nothing_removed(store: Store, folder: Path) -> None:
    with pytest.raises(StoreError):
        await store.put(f"{BUCKET}/_/new.mp4", body())
    with pytest.raises(StoreError):
        await store.put(KEY, body(), replace=True)
    with pytest.raises(StoreError):
        await store.copy(KEY, f"{BUCKET}/_/copy.mp4")
    assert await store.delete(KEY) is False
    assert [blob async for blob in store.list()] == []
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found == [folder / "c1" / "c1f7.mp4"]
    assert found[0].read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["c1f8.mp4", "d1f7.mp4", "li.mp4", "c1"])
async def test_what_is_no_plain_file_there_is_missing(
    store: Store, folder: Path, name: str
) -> None:
    (folder / "li").mkdir()
    (folder / "li" / "li.mp4").symlink_to(folder / "c1" / "c1f7.mp4")
    with pytest.raises(BlobMissing):
        await store.head(f"{BUCKET}/_/{name}")
    with pytest.raises(StoreError):
        await read(store, f"{BUCKET}/_/{name}")


def test_the_key_of_a_path_is_made_of_its_last_part() -> None:
    assert f"{BUCKET}/_/c1f7.mp4" == KEY
    assert keys.key_of(BUCKET, "c1f7.mp4") == KEY
    for path in ("", "c1/", "../..", "c1/.c1", "c1/ä.mp4"):
        with pytest.raises(BadKey):
            keys.key_of(BUCKET, path)


def test_the_folder_is_named_in_full() -> None:
    assert old_stores(PillarConfig()) == {}
    with pytest.raises(BadConfig, match="CELLA_PILLAR_FOLDER"):
        old_stores(PillarConfig(folder="storage"))
