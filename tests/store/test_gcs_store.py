"""Google Cloud Storage: what the contract does not say, and what goes wrong on the way there."""

import asyncio
import hashlib
import random
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.support.gcs import Emulator, gcs_store
from tests.support.keys import service_account
from tests.support.stores import BUCKET, KEY, OTHER, body, chunked, listed_keys, read

from cella.errors import (
    BadConfig,
    BadKey,
    BlobExists,
    BlobMissing,
    Corrupt,
    StoreRefused,
    StoreUnavailable,
)
from cella.store.config import Clouds, GcsConfig, StoreConfig
from cella.store.contract import BLOCK, CanBrowse, CanSign, Entry, Label
from cella.store.gcs import GcsStore
from cella.store.gcs_service import Bounds
from cella.store.gcs_transfer import CHUNK
from cella.store.opening import open_stores

COPY = f"{KEY}.copy"
NAME = KEY.rpartition("/")[2]
PICTURE = Label("image/jpeg", 'inline; filename="a.jpg"', is_public=True)
HASTY = Bounds(connect=2, answer=0.4, trying=1.5, pause=0.01)
CALM = Bounds(pause=0.01)
HMAC = GcsConfig(hmac_access_id="GOOG1E", hmac_secret="s")


@pytest.fixture
def service() -> Iterator[Emulator]:
    """A service of one test's own, in which something may go wrong."""
    service = Emulator()
    yield service
    service.stop()


@pytest_asyncio.fixture
async def store(service: Emulator) -> AsyncIterator[GcsStore]:
    store = gcs_store(service, bounds=CALM)
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture
async def hasty(service: Emulator) -> AsyncIterator[GcsStore]:
    """A store that gives up soon."""
    store = gcs_store(service, bounds=HASTY)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def content() -> bytes:
    """Two chunks and a bit."""
    return random.Random(2).randbytes(2 * CHUNK + 12_345)


def first(kind: str, times: int, wanted: str) -> Callable[[str], str]:
    """Trouble of a kind with the first requests whose lines have `wanted` in them."""
    left = [kind] * times
    return lambda line: left.pop() if wanted in line and left else ""


def stored(service: Emulator) -> dict[str, dict[str, Any]]:
    """What is in all buckets, by name."""
    return {
        name: one for objects in service.storage.objects.values() for name, one in objects.items()
    }


# --- where blobs lie


async def test_in_a_shared_bucket_projects_are_folders(service: Emulator) -> None:
    store = gcs_store(service, prefix="studio/assets")
    await store.open()
    await store.put(KEY, body(b"x"))
    assert list(stored(service)) == [f"studio/assets/{KEY}"]
    await store.close()


async def test_each_project_may_have_a_bucket_which_is_made_on_demand(service: Emulator) -> None:
    store = gcs_store(service, "studio-{project}")
    await store.open()
    assert await listed_keys(store) == []
    with pytest.raises(BlobMissing):
        await store.head(KEY)
    with pytest.raises(BlobMissing):
        await read(store, KEY)
    assert not await store.delete(KEY)
    assert await store.browse(BUCKET, "", "", 10) == []
    await store.put(KEY, body(b"x"))
    await store.copy(KEY, f"{OTHER}/_/copy")
    assert {name: list(found) for name, found in service.storage.objects.items()} == {
        f"studio-{BUCKET}": [f"_/{NAME}"],
        f"studio-{OTHER}": ["_/copy"],
    }
    assert await listed_keys(store) == [KEY, f"{OTHER}/_/copy"]
    await store.close()


async def test_buckets_are_listed_in_the_order_of_keys_page_by_page(service: Emulator) -> None:
    service.page = 2
    store = gcs_store(service, "b-{project}-x")
    await store.open()
    keys = sorted(f"{number:024x}/_/{name}" for number in range(5) for name in "abc")
    for key in keys:
        await store.put(key, body(b"x"))
    for stranger in ("b-x", f"b-{BUCKET}", "b-nothex-x", "zzz"):
        service.storage.create_bucket(stranger, bucket_resource(stranger))
    assert await listed_keys(store) == keys
    assert await listed_keys(store, after=keys[7]) == keys[8:]
    assert await listed_keys(store, prefix=keys[4][:24]) == keys[3:6]
    assert await listed_keys(store, prefix="0" * 23, after=keys[4]) == keys[5:]
    await store.close()


async def test_what_others_have_put_is_not_listed_but_can_be_browsed(service: Emulator) -> None:
    service.page = 3
    bucket = service.new_bucket()
    store = gcs_store(service, bucket, "p")
    await store.open()
    await store.put(KEY, body(b"mine"))
    for name in ("", "renders/", "renders/a b.exr", "renders/é/1", "renders/é/2", "z", "a//b"):
        put_by_hand(service, bucket, f"p/{BUCKET}/{name}", b"theirs")
    assert await listed_keys(store) == [KEY]
    assert isinstance(store, CanBrowse)
    folders = [Entry(name, is_folder=True) for name in ("_", "a", "renders")]
    found = await store.browse(BUCKET, "", "", 10)
    assert found[:3] == folders
    assert [(entry.name, entry.length, entry.is_folder) for entry in found[3:]] == [("z", 6, False)]
    assert await store.browse(BUCKET, "", "", 2) == folders[:2]
    assert await store.browse(BUCKET, "", "a/", 2) == [folders[2], found[3]]
    names = [entry.name for entry in await store.browse(BUCKET, "renders", "", 10)]
    assert names == ["a b.exr", "é"]
    assert (await store.find(BUCKET, "renders/é/2")).name == "2"
    assert (await store.find(BUCKET, f"_/{NAME}")).content_type == "application/octet-stream"
    for path in ("", "renders", "nothing", "x" * 2000, "\ud800", "a\nb"):
        with pytest.raises(BlobMissing):
            await store.find(BUCKET, path)
    assert await store.browse(BUCKET, "x" * 2000, "", 5) == []
    assert await store.browse(OTHER, "", "", 5) == []
    with pytest.raises(BadKey):
        await store.browse("..", "", "", 5)
    await store.close()


# --- what goes along


async def test_a_label_goes_with_the_blob_and_its_copies(service: Emulator) -> None:
    store = gcs_store(service, config=HMAC)
    await store.open()
    assert isinstance(store, CanSign)
    await store.put(KEY, body(b"x"), label=PICTURE)
    await store.copy(KEY, COPY)
    async with httpx.AsyncClient() as client:
        for key in (KEY, COPY):
            answer = await client.get(store.public_link(key))
            assert answer.content == b"x"
            assert answer.headers["content-type"] == "image/jpeg"
            assert answer.headers["content-disposition"] == PICTURE.disposition
    await store.close()


async def test_only_public_blobs_are_public(service: Emulator) -> None:
    store = gcs_store(service, config=HMAC)
    await store.open()
    assert isinstance(store, CanSign)
    await store.put(KEY, body(b"x"), label=Label("image/png"))
    await store.copy(KEY, COPY)
    link = store.sign([(KEY, "text/plain", "attachment")], 1_800_000_000, 1_800_000_060)[0]
    async with httpx.AsyncClient() as client:
        for key in (KEY, COPY):
            assert (await client.get(store.public_link(key))).status_code == 403
        answer = await client.get(link)
        assert answer.headers["content-type"] == "text/plain"
        assert answer.headers["content-disposition"] == "attachment"
    await store.close()


@pytest.mark.parametrize(
    ("access", "public_objects"),
    [
        ({"uniformBucketLevelAccess": {"enabled": True}}, True),
        ({"publicAccessPrevention": "enforced"}, True),
        ({}, False),
    ],
)
async def test_where_public_objects_are_forbidden_there_are_none(
    service: Emulator, access: dict[str, Any], public_objects: bool
) -> None:
    config = GcsConfig(hmac_access_id="a", hmac_secret="s", public_objects=public_objects)
    store = gcs_store(service, service.new_bucket(**access), config=config)
    await store.open()
    assert isinstance(store, CanSign)
    assert store.public_link(KEY) == ""
    await store.put(KEY, body(b"x"), label=PICTURE)
    await store.copy(KEY, COPY)
    assert [one["acl"] for one in stored(service).values()] == [[], []]
    assert sum(line.startswith("GET /storage/v1/b/test-0?") for line in service.requests) == 1
    await store.close()


async def test_an_organisation_that_forbids_public_objects_is_found_out(service: Emulator) -> None:
    """It does so without the bucket telling."""
    bucket = service.new_bucket()
    store = gcs_store(service, bucket, config=HMAC)
    await store.open()
    assert isinstance(store, CanSign)
    assert store.public_link(KEY)
    service.storage.buckets[bucket]["iamConfiguration"]["publicAccessPrevention"] = "enforced"
    await store.put(KEY, body(b"x"), label=PICTURE)
    assert store.public_link(KEY) == ""
    with pytest.raises(BlobExists):
        await store.put(KEY, body(b"y"), label=PICTURE)
    await store.close()


async def test_who_may_not_ask_about_the_bucket_makes_nothing_public(service: Emulator) -> None:
    service.tells_of_buckets = False
    store = gcs_store(service)
    await store.open()
    await store.put(KEY, body(b"x"), label=PICTURE)
    assert stored(service)[KEY]["acl"] == []
    await store.close()


async def test_without_public_objects_new_buckets_can_never_have_any(service: Emulator) -> None:
    config = GcsConfig(public_objects=False)
    store = gcs_store(service, "b-{project}", config=config)
    await store.open()
    await store.put(KEY, body(b"x"), label=PICTURE)
    access = service.storage.buckets[f"b-{BUCKET}"]["iamConfiguration"]
    assert access["uniformBucketLevelAccess"]["enabled"]
    assert access["publicAccessPrevention"] == "enforced"
    await store.close()


# --- uploads that take several requests


@pytest.mark.parametrize("length", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
async def test_no_more_requests_are_sent_than_there_are_chunks(
    service: Emulator, store: GcsStore, length: int
) -> None:
    digests = await store.put(KEY, chunked(bytes(length), 3 << 20))
    assert digests.length == length
    assert sum(line.startswith("PUT") for line in service.requests) == -(-length // CHUNK)


@pytest.mark.parametrize("kind", ["503", "429", "cut before", "cut after"])
@pytest.mark.parametrize("wanted", ["POST /upload", "PUT /upload", "GET /download"])
async def test_what_may_come_right_is_tried_again(
    service: Emulator, store: GcsStore, content: bytes, kind: str, wanted: str
) -> None:
    service.trouble = first(kind, 2, wanted)
    digests = await store.put(KEY, chunked(content, 5 << 20))
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    assert await read(store, KEY) == content


@pytest.mark.parametrize("replace", [False, True])
async def test_a_blob_whose_last_answer_was_lost_is_not_sent_twice(
    service: Emulator, store: GcsStore, replace: bool
) -> None:
    """Nor is it taken for somebody else's, as it would be if the upload began anew."""
    service.trouble = first("cut after", 1, "PUT")
    await store.put(KEY, body(b"once"), replace=replace)
    assert sum(line.startswith("PUT") for line in service.requests) == 2
    assert await read(store, KEY) == b"once"


@pytest.mark.parametrize("kind", ["503", "cut before", "cut after"])
async def test_a_copy_whose_answer_was_lost_is_no_other_blob(
    service: Emulator, store: GcsStore, kind: str
) -> None:
    await store.put(KEY, body(b"x"))
    service.trouble = first(kind, 1, "rewriteTo")
    assert (await store.copy(KEY, COPY)).length == 1
    with pytest.raises(BlobExists):
        await store.copy(KEY, COPY)


@pytest.mark.parametrize("replace", [False, True])
async def test_a_large_copy_takes_several_steps(
    service: Emulator, store: GcsStore, replace: bool
) -> None:
    service.copies_in_steps = True
    await store.put(KEY, body(b"large"))
    assert (await store.copy(KEY, COPY, replace=replace)).length == 5
    assert sum("rewriteToken=the+second+step" in line for line in service.requests) == 1
    assert await read(store, COPY) == b"large"


async def test_a_service_that_never_comes_back_is_given_up(
    service: Emulator, hasty: GcsStore
) -> None:
    store = hasty
    await store.put(KEY, body(b"x"))
    service.trouble = lambda _line: "503"
    calls = [
        store.put(COPY, body(b"y")),
        store.head(KEY),
        read(store, KEY),
        store.delete(KEY),
        store.copy(KEY, COPY),
        listed_keys(store),
        store.browse(BUCKET, "", "", 5),
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    service.trouble = lambda _line: ""
    assert await listed_keys(store) == [KEY]


async def test_a_service_that_stalls_is_given_up(service: Emulator, hasty: GcsStore) -> None:
    service.trouble = lambda _line: "stall"
    with pytest.raises(StoreUnavailable):
        await hasty.head(KEY)


@pytest.mark.parametrize("wanted", ["POST /upload", "PUT /upload", "GET /download"])
async def test_a_request_that_stalls_is_asked_again(service: Emulator, wanted: str) -> None:
    store = gcs_store(service, bounds=Bounds(answer=0.5, pause=0.01))
    await store.open()
    service.trouble = first("stall", 1, wanted)
    await store.put(KEY, body(b"x" * BLOCK))
    assert await read(store, KEY) == b"x" * BLOCK
    service.goes_on.set()
    await store.close()


@pytest.mark.parametrize("replace", [False, True])
async def test_a_put_is_cancelled_while_its_last_bytes_are_under_way(
    service: Emulator, store: GcsStore, replace: bool
) -> None:
    """They arrive. What is new can be taken back; what was replaced cannot come back."""
    if replace:
        await store.put(KEY, body(b"old"))
    service.trouble = first("stall", 1, "PUT")
    before = len(service.requests)
    putting = asyncio.create_task(store.put(KEY, body(b"new"), replace=replace))
    while not any(line.startswith("PUT") for line in service.requests[before:]):
        await asyncio.sleep(0.01)
    putting.cancel()
    service.goes_on.set()
    if replace:
        assert (await putting).length == 3
        assert await read(store, KEY) == b"new"
    else:
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert await listed_keys(store) == []


async def test_a_download_that_is_cut_goes_on_where_it_was(
    service: Emulator, store: GcsStore, content: bytes
) -> None:
    await store.put(KEY, body(content))
    service.trouble = first("truncate", 5, "GET /download")
    assert await read(store, KEY) == content
    service.trouble = first("truncate", 5, "GET /download")
    assert await read(store, KEY, 3, 9 << 20) == content[3 : 9 << 20]


async def test_a_download_never_mixes_two_blobs(
    service: Emulator, store: GcsStore, content: bytes
) -> None:
    await store.put(KEY, body(content))
    service.trouble = first("truncate", 1, "GET /download")
    async with aclosing(store.get(KEY)) as blocks:
        assert await anext(blocks) == content[:BLOCK]
        await store.put(KEY, body(content[::-1]), replace=True)
        with pytest.raises(StoreUnavailable, match="replaced or deleted"):
            assert b"".join([block async for block in blocks]) == b""


async def test_an_upload_that_is_given_up_is_ended_at_the_service_too(
    service: Emulator, store: GcsStore
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(CHUNK + 1)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await store.put(KEY, broken())
    assert service.storage.resumable == {}
    assert stored(service) == {}


async def test_bytes_that_change_on_the_way_are_not_kept(
    service: Emulator, store: GcsStore
) -> None:
    service.garbles = True
    with pytest.raises(Corrupt):
        await store.put(KEY, body(b"abc"))
    assert stored(service) == {}


# --- what is final


@pytest.mark.parametrize(
    ("status", "words"),
    [("401", "CELLA_GCS_CREDENTIALS"), ("403", "lacks a role"), ("400", "400")],
)
async def test_a_refusal_is_not_tried_again(
    service: Emulator, store: GcsStore, status: str, words: str
) -> None:
    service.trouble = lambda _line: status
    before = len(service.requests)
    for call in (store.head(KEY), store.put(KEY, body(b"x")), listed_keys(store)):
        with pytest.raises(StoreRefused, match=words):
            await call
    assert len(service.requests) - before == 3


async def test_a_bucket_that_is_not_there_is_told_when_the_store_is_opened(
    service: Emulator,
) -> None:
    store = gcs_store(service, "not-there")
    with pytest.raises(StoreRefused, match="CELLA_STORE_URL"):
        await store.open()


async def test_a_bucket_that_goes_away_is_not_a_missing_blob(
    service: Emulator, store: GcsStore
) -> None:
    service.storage.buckets.clear()
    for call in (
        store.put(KEY, body(b"x")),
        store.head(KEY),
        read(store, KEY),
        store.delete(KEY),
        listed_keys(store),
        store.copy(KEY, COPY),
    ):
        with pytest.raises(StoreRefused, match="no such bucket"):
            await call


async def test_a_service_that_is_away_does_not_keep_the_store_from_opening(
    service: Emulator,
) -> None:
    service.trouble = lambda _line: "503"
    store = gcs_store(service, bounds=Bounds(trying=0.1), config=HMAC)
    await store.open()
    service.trouble = lambda _line: ""
    assert isinstance(store, CanSign)
    assert store.public_link(KEY) == ""
    await store.put(KEY, body(b"x"))
    await store.close()


# --- settings


def test_the_address_of_a_store_in_the_cloud(tmp_path: Path) -> None:
    for url in ("gs://bucket", "gs://bucket/some/prefix", "gs://b-{project}"):
        backend, stores = open_stores(StoreConfig(url=url), Clouds(), tmp_path)
        assert backend == "gcs"
        assert isinstance(stores["gcs"], CanBrowse)
        assert not isinstance(stores["gcs"], CanSign)


@pytest.mark.parametrize(
    "url", ["gs://", "gs://UPPER", "gs://a", "gs://{project}{project}", "gs://-x"]
)
def test_what_is_no_bucket_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="CELLA_STORE_URL"):
        open_stores(StoreConfig(url=url), Clouds(), tmp_path)


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"client_email": "a", "private_key": "b"}']
)
def test_what_is_no_key_is_refused(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_text(text)
    clouds = Clouds(gcs=GcsConfig(credentials=str(path)))
    with pytest.raises(BadConfig, match="CELLA_GCS_CREDENTIALS") as refusal:
        open_stores(StoreConfig(url="gs://bucket"), clouds, tmp_path)
    assert str(tmp_path) not in refusal.value.message


def test_what_is_no_endpoint_is_refused(tmp_path: Path) -> None:
    config = StoreConfig(url="gs://bucket", endpoint="127.0.0.1:4443")
    with pytest.raises(BadConfig, match="endpoint"):
        open_stores(config, Clouds(), tmp_path)


def test_half_an_hmac_key_is_refused(tmp_path: Path) -> None:
    clouds = Clouds(gcs=GcsConfig(hmac_access_id="GOOG1E"))
    with pytest.raises(BadConfig, match="CELLA_GCS_HMAC_SECRET"):
        open_stores(StoreConfig(url="gs://bucket"), clouds, tmp_path)


def test_who_has_a_key_signs(tmp_path: Path) -> None:
    clouds = Clouds(gcs=GcsConfig(credentials=str(service_account(tmp_path))))
    _, stores = open_stores(StoreConfig(url="gs://bucket"), clouds, tmp_path)
    store = stores["gcs"]
    assert isinstance(store, CanSign)
    assert store.signs_slowly
    assert store.longest_link == 604_800


def test_the_client_is_loaded_by_whom_it_serves_and_by_nobody_else() -> None:
    """Twelve megabytes, in each process."""
    script = (
        "import sys, cella.assembly, cella.store.opening as o\n"
        "from cella.store.config import *\nfrom pathlib import Path\n"
        "def loaded(url):\n"
        "    o.open_stores(StoreConfig(url=url), Clouds(), Path('/nonexistent'))\n"
        "    return 'google.cloud.storage' in sys.modules, 'requests' in sys.modules\n"
        "print(loaded('file:///nonexistent'), loaded('gs://bucket'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert told.stdout.strip() == "(False, False) (True, True)"


# --- nobody else is called


async def test_nobody_is_called_but_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, service: Emulator
) -> None:
    """And that only for what is wanted: left to itself, the client looks at buckets on its own."""
    called: list[Any] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        called.append(address)
        connect(self, address)

    def resolved(*args: Any, **options: Any) -> Any:
        called.append(args[:2])
        return lookup(*args, **options)

    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    store = gcs_store(service, config=HMAC)
    await store.open()
    await store.put(KEY, body(b"x"), label=PICTURE)
    await store.copy(KEY, COPY)
    assert await read(store, KEY) == b"x"
    assert await listed_keys(store) == [KEY, COPY]
    assert not await store.delete(f"{KEY}.not-there")
    assert isinstance(store, CanSign)
    store.sign([(KEY, "", "")], 1_800_000_000, 1_800_000_060)
    await store.close()
    for thread in threading.enumerate():
        if "background" in thread.name:
            thread.join()
    assert [line for line in service.requests if line.startswith("GET /storage/v1/b/test-0?")] == [
        "GET /storage/v1/b/test-0?projection=noAcl&prettyPrint=false"
    ]
    host, port = service.url.removeprefix("http://").split(":")
    assert called
    assert {tuple(map(str, address)) for address in called} == {(host, port)}


# --- by hand


def bucket_resource(name: str) -> dict[str, Any]:
    """What the emulator holds of a bucket."""
    return {"name": name, "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}


def put_by_hand(service: Emulator, bucket: str, name: str, content: bytes) -> None:
    """An object that somebody else has put."""
    meant = {"contentType": "image/x-exr", "crc32c": "", "md5Hash": "", "acl": []}
    times = {"generation": "1", "timeCreated": "2026-01-01T00:00:00.000Z"}
    told = meant | times | {"name": name, "size": str(len(content))}
    service.storage.create_file(bucket, name, content, told)
