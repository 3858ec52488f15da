"""Which address gives which store."""

from pathlib import Path

import pytest
from tests.support.stores import KEY, body, read

from cella.errors import BadConfig, BadKey
from cella.store.config import Clouds, StoreConfig
from cella.store.contract import HasPath, Store
from cella.store.opening import backend_name, open_stores


def open_store(config: StoreConfig, default_folder: Path) -> Store:
    """The store of new blobs."""
    backend, stores = open_stores(config, Clouds(), default_folder)
    return stores[backend]


@pytest.mark.parametrize(
    ("url", "backend"),
    [("", "local"), ("file:///srv/blobs", "local"), ("memory://", "memory")],
)
def test_each_store_has_the_name_that_documents_carry(url: str, backend: str) -> None:
    assert backend_name(StoreConfig(url=url)) == backend


async def test_without_an_address_blobs_lie_in_the_default_folder(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path / "blobs")
    assert not (tmp_path / "blobs").exists()
    await store.open()
    await store.put(KEY, body(b"x"))
    assert isinstance(store, HasPath)
    assert store.path(KEY).read_bytes() == b"x"
    assert store.path(KEY).is_relative_to(tmp_path / "blobs")
    await store.close()


async def test_a_file_address_may_have_escaped_characters(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/my%20blobs"
    store = open_store(StoreConfig(url=address), Path("/nowhere"))
    await store.open()
    await store.put(KEY, body(b"x"))
    assert (tmp_path / "my blobs").is_dir()
    await store.close()


async def test_memory_has_no_path(tmp_path: Path) -> None:
    store = open_store(StoreConfig(url="memory://"), tmp_path)
    await store.open()
    await store.put(KEY, body(b"x"))
    assert await read(store, KEY) == b"x"
    assert not isinstance(store, HasPath)
    assert list(tmp_path.iterdir()) == []
    await store.close()


async def test_what_is_opened_judges_keys(tmp_path: Path) -> None:
    store = open_store(StoreConfig(url="memory://"), tmp_path)
    with pytest.raises(BadKey):
        await store.head("../../etc/passwd")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:secret@host/x",
        "blobs",
        "/srv/blobs",
        "file://srv/blobs",
        "file:blobs",
        "file://",
        "file:///srv/%00",
        "http://[",
    ],
)
def test_a_wrong_address_is_refused_by_the_name_of_its_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="CELLA_STORE_URL") as refusal:
        open_store(StoreConfig(url=url), tmp_path)
    assert "secret" not in refusal.value.message


def test_an_unknown_scheme_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="file:// or memory:// or gs:// or s3:// or az://"):
        open_store(StoreConfig(url="ftp://host"), tmp_path)
    with pytest.raises(BadConfig, match="file:// or memory:// or gs:// or s3:// or az://"):
        backend_name(StoreConfig(url="ftp://host"))


def test_more_stores_are_those_of_blobs_that_came_before(tmp_path: Path) -> None:
    config = StoreConfig(url="memory://", more=(f"file://{tmp_path}/old",))
    backend, stores = open_stores(config, Clouds(), tmp_path / "blobs")
    assert backend == "memory"
    assert stores.keys() == {"memory", "local"}


def test_there_is_one_store_of_a_kind(tmp_path: Path) -> None:
    config = StoreConfig(url=f"file://{tmp_path}/new", more=(f"file://{tmp_path}/old",))
    with pytest.raises(BadConfig, match="CELLA_STORE_MORE names a second local store"):
        open_stores(config, Clouds(), tmp_path / "blobs")


def test_what_an_address_may_say_after_a_question_mark(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="endpoint= and location="):
        open_stores(StoreConfig(url="memory://?colour=red"), Clouds(), tmp_path / "blobs")
