"""Clouds that go wrong in the middle: what passes is tried again, and nothing is half done."""

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
import pytest_asyncio
from tests.support.clouds import CLOUDS, Cloud
from tests.support.faulty_proxy import Answers, Cuts, FaultyProxy, Hangs, Loses, faulty_proxy
from tests.support.stores import BUCKET, KEY, body, chunked, listed, listed_keys, read

from cella.errors import (
    BlobExists,
    BlobMissing,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from cella.store import parts, remote, s3
from cella.store.contract import BLOCK, PLAIN, CanBrowse, Store
from cella.store.layout import Layout
from cella.store.remote import RemoteStore
from cella.store.service import Place, Writing

LONG = os.urandom(2 * parts.FIRST + BLOCK + 1)
"""Three parts."""

MIDDLING = LONG[: 4 * BLOCK + 1]
"""One request, read in five blocks."""

ALWAYS = 10_000
BLOB = ".*/_/"
PART = "PUT .*(partNumber=|comp=block&)"
COMPLETE = "(POST .*uploadId=|PUT .*comp=blocklist)"


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Cloud)
    return found


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[FaultyProxy]:
    with faulty_proxy(cloud.endpoint) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def store(cloud: Cloud, proxy: FaultyProxy) -> AsyncIterator[Store]:
    store = cloud.hurried(proxy.url)
    await store.open()
    yield store
    await store.close()


def uploads(cloud: Cloud) -> int:
    """How many uploads are unfinished; 0 on Azure, which forgets them itself."""
    service = cloud.service()
    found = b""
    if isinstance(service, s3.S3Service):
        found = service._ask("GET", Place(cloud.bucket, ""), {"uploads": ""}).body
    service.close()
    return found.count(b"<Upload>")


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_parts_that_fail_for_a_while_are_sent_again(
    store: Store, proxy: FaultyProxy, cloud: Cloud, status: int
) -> None:
    proxy.fail(PART, Answers(status), times=3, skip=1)
    await store.put(KEY, chunked(LONG, 1 << 20))
    assert proxy.is_spent
    assert await read(store, KEY) == LONG
    assert uploads(cloud) == 0


async def test_looking_before_a_put_is_tried_again(store: Store, proxy: FaultyProxy) -> None:
    proxy.fail("HEAD ", Answers(503), times=3)
    await store.put(KEY, body(b"x"))
    assert proxy.is_spent


async def test_parts_that_fail_for_good_leave_nothing(
    store: Store, proxy: FaultyProxy, cloud: Cloud
) -> None:
    proxy.fail(PART, Answers(503), times=ALWAYS, skip=1)
    with pytest.raises(StoreUnavailable):
        await store.put(KEY, chunked(LONG, 1 << 20))
    assert await listed(store) == []
    assert uploads(cloud) == 0
    assert proxy.count(PART) < 20


async def test_what_dead_processes_have_begun_is_told_when_it_is_old_and_dropped(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout("-", cloud.bucket, uuid.uuid4().hex, re.compile(".*"))
    service = cloud.service()
    store = RemoteStore(service, layout)
    await store.open()
    before = uploads(cloud)
    others = Place(cloud.bucket, f"{layout.root}notes/of somebody else")
    begun = [
        (place, service.begin(Writing(place, PLAIN, "mark", True)))
        for place in (layout.place(KEY), others)
    ]
    kept = 1 if uploads(cloud) > before else 0
    # Moto says of each that it began in 2010.
    monkeypatch.setattr(remote, "_ABANDONED_SECONDS", 100 * 365 * 86400)
    assert [each async for each in store.unfinished()] == []
    assert await store.drop_unfinished() == 0

    monkeypatch.setattr(remote, "_ABANDONED_SECONDS", -60)
    assert [each.key async for each in store.unfinished()] == [KEY] * kept
    assert await store.drop_unfinished() == kept
    assert [each async for each in store.unfinished()] == []
    assert uploads(cloud) == before + kept
    for place, upload in begun:
        service.abort(place, upload)
    await store.close()
    assert uploads(cloud) == before


async def test_a_body_that_fails_after_parts_leaves_nothing(store: Store, cloud: Cloud) -> None:
    class Broken(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        for offset in range(0, len(LONG), BLOCK):
            yield LONG[offset : offset + BLOCK]
        raise Broken

    with pytest.raises(Broken):
        await store.put(KEY, broken())
    assert await listed(store) == []
    assert uploads(cloud) == 0


async def test_a_put_that_is_cancelled_after_parts_leaves_nothing(
    store: Store, cloud: Cloud
) -> None:
    reached = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        for offset in range(0, len(LONG), BLOCK):
            yield LONG[offset : offset + BLOCK]
        reached.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.put(KEY, stuck()))
    await reached.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await listed(store) == []
    assert uploads(cloud) == 0


@pytest.mark.parametrize("content", [b"short", LONG], ids=["one request", "parts"])
@pytest.mark.parametrize("replace", [False, True])
async def test_a_put_whose_last_answer_was_lost_knows_its_own_work(
    store: Store, proxy: FaultyProxy, content: bytes, replace: bool
) -> None:
    last = COMPLETE if len(content) > BLOCK else f"PUT {BLOB}"
    proxy.fail(last, Loses())
    digests = await store.put(KEY, chunked(content, 1 << 20), replace=replace)
    assert proxy.is_spent
    assert digests.length == len(content)
    assert await read(store, KEY) == content
    with pytest.raises(BlobExists):
        await store.put(KEY, body(b"another"))


async def test_a_copy_whose_answer_was_lost_knows_its_own_work(
    store: Store, proxy: FaultyProxy
) -> None:
    await store.put(KEY, body(b"x"))
    proxy.fail(f"PUT {BLOB}", Loses())
    assert (await store.copy(KEY, f"{BUCKET}/_/copy")).length == 1
    assert proxy.is_spent


async def test_another_put_that_was_faster_is_seen_when_the_body_has_ended(store: Store) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for offset in range(0, len(LONG), BLOCK):
            yield LONG[offset : offset + BLOCK]
        # Azurite takes blocks that are not committed for a blob; Azure does not.
        await store.put(KEY, body(b"faster"), replace=True)

    with pytest.raises(BlobExists):
        await store.put(KEY, slow())
    assert await read(store, KEY) == b"faster"


@pytest.mark.parametrize("after", [0, 1, BLOCK, 3 * BLOCK + 7])
async def test_a_download_that_breaks_off_goes_on(
    store: Store, proxy: FaultyProxy, after: int
) -> None:
    await store.put(KEY, body(MIDDLING))
    proxy.fail(f"GET {BLOB}", Cuts(after), times=3)
    assert await read(store, KEY) == MIDDLING
    whole = proxy.count(f"GET {BLOB}")
    assert whole > 1
    proxy.fail(f"GET {BLOB}", Cuts(after), times=2)
    assert await read(store, KEY, 5, 4 * BLOCK - 3) == MIDDLING[5 : 4 * BLOCK - 3]
    assert proxy.count(f"GET {BLOB}") > whole + 1


async def test_a_download_that_breaks_off_always_is_an_error_and_never_short(
    store: Store, proxy: FaultyProxy
) -> None:
    await store.put(KEY, body(MIDDLING))
    proxy.fail(f"GET {BLOB}", Cuts(2 * BLOCK + 1))
    proxy.fail(f"GET {BLOB}", Cuts(BLOCK - 1), times=ALWAYS)
    blocks = store.get(KEY)
    assert await anext(blocks) == MIDDLING[:BLOCK]
    assert await anext(blocks) == MIDDLING[BLOCK : 2 * BLOCK]
    with pytest.raises(StoreUnavailable):
        await anext(blocks)


async def test_a_download_does_not_go_on_in_another_blob(store: Store, proxy: FaultyProxy) -> None:
    await store.put(KEY, body(MIDDLING))
    proxy.fail(f"GET {BLOB}", Cuts(2 * BLOCK + 1))
    async with aclosing(store.get(KEY)) as blocks:
        assert await anext(blocks) == MIDDLING[:BLOCK]
        await store.put(KEY, body(bytes(len(MIDDLING))), replace=True)
        with pytest.raises(StoreRefused, match="replaced"):
            async for _ in blocks:
                pass


async def test_what_asks_for_little_is_asked_again(store: Store, proxy: FaultyProxy) -> None:
    await store.put(KEY, body(b"x"))
    proxy.fail(f"HEAD {BLOB}", Answers(503), times=2)
    assert (await store.head(KEY)).length == 1
    proxy.fail("GET ", Answers(500), times=2)
    assert await listed_keys(store) == [KEY]
    proxy.fail("GET ", Cuts(100))
    assert await listed_keys(store) == [KEY]
    proxy.fail("GET ", Answers(200, b"<html>a proxy's own page</html>"))
    proxy.fail("GET ", Answers(200, b"no XML at all"))
    assert isinstance(store, CanBrowse)
    proxy.fail("GET ", Answers(429))
    assert [entry.name for entry in await store.browse(BUCKET, "_", "", 5)] == [KEY[27:]]
    proxy.fail("DELETE ", Answers(503))
    assert await store.delete(KEY)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answers(403), StoreRefused),
        (Answers(401), StoreRefused),
        (Answers(400), StoreRefused),
        (Answers(507), StoreFull),
        (Answers(503), StoreUnavailable),
        (Answers(404), BlobMissing),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
async def test_what_clouds_answer_becomes_an_error_of_ours(
    store: Store, proxy: FaultyProxy, answer: Answers, error: type[StoreError]
) -> None:
    proxy.fail(f"(GET|HEAD) {BLOB}", answer, times=ALWAYS)
    with pytest.raises(error):
        await store.head(KEY)
    with pytest.raises(error):
        await read(store, KEY)
    if not error.retriable:
        assert proxy.count(f"HEAD {BLOB}") <= 2


async def test_a_cloud_that_keeps_silent_is_given_up(cloud: Cloud, proxy: FaultyProxy) -> None:
    store = cloud.hurried(proxy.url, silence=1.0, tries=2)
    await store.open()
    await store.put(KEY, body(b"x"))
    proxy.fail(f"GET {BLOB}", Hangs())
    assert await read(store, KEY) == b"x"
    proxy.fail(PART, Hangs(), skip=1)
    await store.put(KEY, chunked(LONG, 1 << 20), replace=True)
    assert proxy.is_spent
    proxy.fail(".*", Hangs(), times=ALWAYS)
    with pytest.raises(StoreUnavailable, match="in time"):
        await store.head(KEY)
    await store.close()


async def test_a_cloud_that_is_not_there_is_unavailable(cloud: Cloud) -> None:
    with faulty_proxy(cloud.endpoint) as proxy:
        gone = proxy.url
    store = cloud.hurried(gone)
    await store.open()
    for call in (store.head(KEY), read(store, KEY), listed(store), store.put(KEY, body(b"x"))):
        with pytest.raises(StoreUnavailable):
            await call
    await store.close()


async def test_bytes_that_arrive_changed_are_sent_again(
    store: Store, proxy: FaultyProxy, cloud: Cloud
) -> None:
    answer = Answers(400, b"<Error><Code>BadDigest</Code></Error>")
    if cloud.scheme == "az":
        answer = Answers(400, headers=(("x-ms-error-code", "Md5Mismatch"),))
    proxy.fail(f"PUT {BLOB}", answer, times=2)
    await store.put(KEY, body(b"x"))
    assert proxy.is_spent
    assert await read(store, KEY) == b"x"
