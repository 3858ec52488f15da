"""What every store promises (`cella.store.contract`), put to every one that there is."""

import asyncio
import hashlib
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clouds import ALL_CLOUDS, Cloud
from tests.support.stores import (
    BUCKET,
    FACTORIES,
    KEY,
    OTHER,
    body,
    chunked,
    listed,
    listed_keys,
    read,
)

from cella.errors import BadKey, BlobExists, BlobMissing
from cella.store.contract import BLOCK, CanBrowse, Entry, Store

COPY = f"{BUCKET}/_/0123456789abcdef0123456789abcdef-t.jpg"
NAMES = st.from_regex(r"(?!\.)(?!.*\.\.)[A-Za-z0-9._-]{1,12}", fullmatch=True)
KEYS = st.builds("{}/_/{}".format, st.sampled_from([BUCKET, OTHER, "5f" + "0" * 22]), NAMES)
BAD_KEYS = [
    "",
    "x",
    f"{BUCKET}/_/",
    f"{BUCKET}/x/a.png",
    f"{BUCKET}/a.png",
    f"/{BUCKET}/_/a.png",
    f"{BUCKET.upper()}/_/a.png",
    f"{BUCKET}/_/.hidden",
    f"{BUCKET}/_/../a.png",
    f"{BUCKET}/_/a..b",
    f"{BUCKET}/_/a/b",
    f"{BUCKET}/_/a\0",
    f"{BUCKET}/_/a\n",
    f"{BUCKET}/_/é",
    f"{BUCKET}/_/{'a' * 201}",
]


@pytest.fixture(scope="session", params=ALL_CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Cloud)
    return found


@pytest_asyncio.fixture(params=[*FACTORIES, *ALL_CLOUDS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param in FACTORIES:
        store = FACTORIES[request.param](tmp_path / "blobs")
    else:
        store = request.getfixturevalue(request.param).store()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def is_far(request: pytest.FixtureRequest) -> bool:
    """Whether the store is one to which each request takes a while."""
    return request.node.callspec.params["store"] in ALL_CLOUDS


@pytest.fixture(scope="session")
def content() -> bytes:
    """Five blocks and a byte that are not all alike."""
    return random.Random(1).randbytes(5 * BLOCK + 1)


class Broken(Exception):
    """What a body raises that breaks off."""


async def broken(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise Broken


class Stuck:
    """A body that gives its chunks and then nothing more, without an end."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.reached = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        self.reached.set()
        await asyncio.Event().wait()


# --- putting and reading


@pytest.mark.parametrize("length", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
async def test_what_was_put_is_read(store: Store, length: int) -> None:
    content = random.Random(length).randbytes(length)
    digests = await store.put(KEY, chunked(content, 64 << 10))
    assert digests.length == length
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    assert digests.md5 == hashlib.md5(content).hexdigest()
    assert await read(store, KEY) == content


@pytest.mark.parametrize("size", [777, 65_537, BLOCK - 1, BLOCK + 1, 6 * BLOCK])
async def test_a_body_may_come_in_chunks_of_any_size(
    store: Store, content: bytes, size: int
) -> None:
    digests = await store.put(KEY, chunked(content, size))
    assert digests.sha256 == hashlib.sha256(content).hexdigest()
    assert await read(store, KEY) == content


async def test_chunks_may_be_empty_or_of_very_different_sizes(store: Store) -> None:
    chunks = [b"", b"a", b"", b"b" * (2 * BLOCK), b"c", b"d" * BLOCK, b""]
    await store.put(KEY, body(*chunks))
    assert await read(store, KEY) == b"".join(chunks)


async def test_blocks_have_the_promised_size(store: Store, content: bytes) -> None:
    await store.put(KEY, chunked(content, 100_000))
    assert [len(block) async for block in store.get(KEY)] == [BLOCK] * 5 + [1]


async def test_an_empty_blob_is_a_blob(store: Store) -> None:
    digests = await store.put(KEY, body())
    assert digests.sha256 == hashlib.sha256().hexdigest()
    assert (await store.head(KEY)).length == 0
    assert await read(store, KEY) == b""
    assert await listed_keys(store) == [KEY]


async def test_head_tells_length_and_time(store: Store) -> None:
    before = time.time()
    await store.put(KEY, body(b"four"))
    found = await store.head(KEY)
    assert (found.key, found.length) == (KEY, 4)
    assert before - 2 <= found.modified <= time.time() + 2


RANGES: list[tuple[int, int | None]] = [
    (0, None),
    (0, 0),
    (0, 1),
    (1, 2),
    (5, 5),
    (7, 3),
    (0, BLOCK),
    (0, BLOCK + 1),
    (BLOCK - 1, BLOCK + 1),
    (BLOCK, None),
    (BLOCK + 3, 3 * BLOCK + 4),
    (2 * BLOCK, 4 * BLOCK),
    (5 * BLOCK, None),
    (5 * BLOCK, 5 * BLOCK + 1),
    (5 * BLOCK, 9 * BLOCK),
    (5 * BLOCK + 1, None),
    (5 * BLOCK + 2, None),
    (9 * BLOCK, 10 * BLOCK),
    (1 << 80, None),
    (3, 1 << 80),
    (1 << 80, 1 << 81),
]


async def test_ranges(store: Store, content: bytes) -> None:
    await store.put(KEY, body(content))
    for start, stop in RANGES:
        assert await read(store, KEY, start, stop) == content[start:stop], (start, stop)


ANY_RANGE = given(st.binary(max_size=300), st.integers(0, 400), st.none() | st.integers(0, 400))


async def check_range(store: Store, content: bytes, start: int, stop: int | None) -> None:
    await store.open()
    await store.put(KEY, body(content), replace=True)
    assert await read(store, KEY, start, stop) == content[start:stop]
    await store.close()


@ANY_RANGE
@settings(max_examples=60, deadline=None)
def test_any_range_of_any_content(content: bytes, start: int, stop: int | None) -> None:
    for make in FACTORIES.values():
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(check_range(make(Path(folder)), content, start, stop))


@ANY_RANGE
@settings(max_examples=20, deadline=None)
def test_any_range_of_any_content_in_a_cloud(
    cloud: Cloud, content: bytes, start: int, stop: int | None
) -> None:
    asyncio.run(check_range(cloud.store(), content, start, stop))


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, -1), (-5, -1)])
async def test_a_range_is_not_negative(store: Store, start: int, stop: int | None) -> None:
    await store.put(KEY, body(b"abc"))
    with pytest.raises(ValueError, match="first byte"):
        await read(store, KEY, start, stop)


async def test_reading_may_stop_early(store: Store, content: bytes) -> None:
    await store.put(KEY, body(content))
    async with aclosing(store.get(KEY)) as blocks:
        assert await anext(blocks) == content[:BLOCK]
    assert await store.delete(KEY)


# --- all or nothing


@pytest.mark.parametrize("chunks", [(), (b"abc",), (b"x" * BLOCK,) * 3 + (b"y",)])
async def test_a_body_that_breaks_off_leaves_nothing(
    store: Store, chunks: tuple[bytes, ...]
) -> None:
    with pytest.raises(Broken):
        await store.put(KEY, broken(*chunks))
    assert await listed(store) == []
    with pytest.raises(BlobMissing):
        await store.head(KEY)
    await store.put(KEY, body(b"second try"))
    assert await read(store, KEY) == b"second try"


@pytest.mark.parametrize("chunks", [(), (b"abc",), (b"x" * BLOCK,) * 3 + (b"y",)])
async def test_a_replacement_that_breaks_off_leaves_the_old_blob(
    store: Store, chunks: tuple[bytes, ...]
) -> None:
    await store.put(KEY, body(b"old"))
    with pytest.raises(Broken):
        await store.put(KEY, broken(*chunks), replace=True)
    assert await read(store, KEY) == b"old"


async def test_an_error_of_the_operating_system_in_a_body_comes_out_unchanged(
    store: Store,
) -> None:
    class Theirs(OSError):
        pass

    async def hung_up() -> AsyncIterator[bytes]:
        yield b"x" * BLOCK
        raise Theirs

    with pytest.raises(Theirs):
        await store.put(KEY, hung_up())
    assert await listed(store) == []


async def test_nothing_is_seen_while_a_blob_comes_in(store: Store) -> None:
    coming = Stuck(b"x" * BLOCK, b"y" * BLOCK, b"z")
    putting = asyncio.create_task(store.put(KEY, coming))
    await coming.reached.wait()
    assert await listed(store) == []
    with pytest.raises(BlobMissing):
        await read(store, KEY)
    assert not await store.delete(KEY)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting


@pytest.mark.parametrize("chunks", [(), (b"abc",), (b"x" * BLOCK,) * 3 + (b"y",)])
@pytest.mark.parametrize("replace", [False, True])
async def test_a_cancelled_put_leaves_what_was_there(
    store: Store, chunks: tuple[bytes, ...], replace: bool
) -> None:
    if replace:
        await store.put(KEY, body(b"old"))
    coming = Stuck(*chunks)
    putting = asyncio.create_task(store.put(KEY, coming, replace=replace))
    await coming.reached.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await listed_keys(store) == ([KEY] if replace else [])
    if replace:
        assert await read(store, KEY) == b"old"


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("length", [10, 2 * BLOCK + 5])
async def test_a_put_is_cancelled_at_any_moment(store: Store, replace: bool, length: int) -> None:
    """Either it was in time and nothing has changed, or too late and all has."""
    new = random.Random(length).randbytes(length)
    for turns in range(12):
        await store.delete(KEY)
        if replace:
            await store.put(KEY, body(b"old"))
        putting = asyncio.create_task(store.put(KEY, chunked(new, 64 << 10), replace=replace))
        for _ in range(turns):
            await asyncio.sleep(0.0004)
        putting.cancel()
        try:
            await putting
        except asyncio.CancelledError:
            assert await listed_keys(store) == ([KEY] if replace else [])
            if replace:
                assert await read(store, KEY) == b"old"
        else:
            assert await read(store, KEY) == new


# --- keys that exist, or not


async def test_an_existing_blob_is_not_replaced_unasked(store: Store) -> None:
    await store.put(KEY, body(b"first"))
    with pytest.raises(BlobExists):
        await store.put(KEY, body(b"second"))
    assert await read(store, KEY) == b"first"


async def test_an_existing_blob_is_replaced_when_asked(store: Store) -> None:
    await store.put(KEY, body(b"first, longer"))
    digests = await store.put(KEY, body(b"second"), replace=True)
    assert digests.length == 6
    assert await read(store, KEY) == b"second"
    assert [blob.length for blob in await listed(store)] == [6]


async def test_replacing_what_is_not_there_stores_it(store: Store) -> None:
    await store.put(KEY, body(b"new"), replace=True)
    assert await read(store, KEY) == b"new"


async def test_of_many_puts_of_one_key_one_wins(store: Store) -> None:
    contents = [bytes([number]) * 1000 for number in range(20)]
    results = await asyncio.gather(
        *(store.put(KEY, body(content)) for content in contents), return_exceptions=True
    )
    winners = [
        content
        for content, result in zip(contents, results, strict=True)
        if not isinstance(result, BaseException)
    ]
    losers = [result for result in results if isinstance(result, BaseException)]
    assert len(winners) == 1
    assert {type(loser) for loser in losers} == {BlobExists}
    assert await read(store, KEY) == winners[0]


async def test_of_many_replacements_one_stands_whole(store: Store) -> None:
    contents = [bytes([number]) * (BLOCK + number) for number in range(10)]
    await asyncio.gather(*(store.put(KEY, body(content), replace=True) for content in contents))
    assert await read(store, KEY) in contents
    assert len(await listed(store)) == 1


async def test_who_reads_goes_on_reading_what_is_replaced(store: Store, content: bytes) -> None:
    await store.put(KEY, body(content))
    async with aclosing(store.get(KEY)) as blocks:
        begun = await anext(blocks)
        await store.put(KEY, body(b"new"), replace=True)
        rest = b"".join([block async for block in blocks])
    assert begun + rest == content
    assert await read(store, KEY) == b"new"


async def test_deleting_tells_whether_there_was_a_blob(store: Store) -> None:
    await store.put(KEY, body(b"x"))
    assert await store.delete(KEY) is True
    assert await store.delete(KEY) is False
    assert await listed(store) == []


async def test_a_missing_blob_is_missing_for_every_verb(store: Store) -> None:
    with pytest.raises(BlobMissing):
        await store.head(KEY)
    with pytest.raises(BlobMissing):
        await read(store, KEY)
    with pytest.raises(BlobMissing):
        await read(store, KEY, 5, 5)
    with pytest.raises(BlobMissing):
        await store.copy(KEY, COPY)
    assert await listed(store) == []


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_bad_key_is_refused_by_every_verb(store: Store, key: str) -> None:
    await store.put(KEY, body(b"x"))
    for call in (
        store.put(key, body(b"evil")),
        store.put(key, body(b"evil"), replace=True),
        store.head(key),
        read(store, key),
        store.delete(key),
        store.copy(key, COPY),
        store.copy(KEY, key),
    ):
        with pytest.raises(BadKey):
            await call
    assert await listed_keys(store) == [KEY]


# --- copying


async def test_a_copy_has_the_same_bytes_and_a_life_of_its_own(
    store: Store, content: bytes
) -> None:
    await store.put(KEY, body(content))
    copied = await store.copy(KEY, COPY)
    assert (copied.key, copied.length) == (COPY, len(content))
    assert copied == await store.head(COPY)
    assert await store.delete(KEY)
    assert await read(store, COPY) == content


async def test_a_copy_of_an_empty_blob_is_empty(store: Store) -> None:
    await store.put(KEY, body())
    assert (await store.copy(KEY, COPY)).length == 0
    assert await read(store, COPY) == b""


async def test_a_copy_replaces_only_when_asked(store: Store) -> None:
    await store.put(KEY, body(b"new"))
    await store.put(COPY, body(b"old"))
    with pytest.raises(BlobExists):
        await store.copy(KEY, COPY)
    assert await read(store, COPY) == b"old"
    assert (await store.copy(KEY, COPY, replace=True)).length == 3
    assert await read(store, COPY) == b"new"


async def test_a_blob_may_be_copied_onto_itself(store: Store, content: bytes) -> None:
    await store.put(KEY, body(content))
    await store.copy(KEY, KEY, replace=True)
    assert await read(store, KEY) == content


# --- listing


ANY_LISTING = given(
    keys=st.sets(KEYS, max_size=25),
    prefix=st.one_of(
        st.just(""),
        st.sampled_from([BUCKET, BUCKET[:3], f"{BUCKET}/", f"{BUCKET}/_/", f"{OTHER}/_/a", "zz"]),
        KEYS,
        KEYS.map(lambda key: key[:30]),
        st.text(max_size=3),
    ),
    after=st.one_of(st.just(""), KEYS, KEYS.map(lambda key: key[:29]), st.text(max_size=3)),
    continues=st.none() | st.integers(0, 24),
)


async def check_listing(
    store: Store, keys: set[str], prefix: str, after: str, continues: int | None
) -> None:
    if keys and continues is not None:
        after = sorted(keys)[continues % len(keys)]
    await store.open()
    await asyncio.gather(*(store.put(key, body(key.encode())) for key in keys))
    wanted = [key for key in sorted(keys) if key.startswith(prefix) and key > after]
    found = await listed(store, prefix, after)
    assert [blob.key for blob in found] == wanted
    assert [blob.length for blob in found] == [len(key) for key in wanted]
    await store.close()


@ANY_LISTING
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", FACTORIES)
def test_listing_is_that_of_a_sorted_set(
    name: str, keys: set[str], prefix: str, after: str, continues: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check_listing(FACTORIES[name](Path(folder)), keys, prefix, after, continues))


@ANY_LISTING
@settings(max_examples=20, deadline=None)
def test_listing_a_cloud_is_that_of_a_sorted_set(
    cloud: Cloud, keys: set[str], prefix: str, after: str, continues: int | None
) -> None:
    asyncio.run(check_listing(cloud.store(), keys, prefix, after, continues))


async def test_a_long_listing_is_whole_and_can_be_continued(store: Store, is_far: bool) -> None:
    count = 120 if is_far else 1200
    keys = [f"{BUCKET}/_/{number:05}" for number in range(count)]
    for first in range(0, len(keys), 100):
        await asyncio.gather(*(store.put(key, body(b"x")) for key in keys[first : first + 100]))
    assert await listed_keys(store) == keys
    assert await listed_keys(store, after=keys[count // 2]) == keys[count // 2 + 1 :]
    assert await listed_keys(store, prefix=f"{BUCKET}/_/0010") == keys[100:110]


async def test_a_listing_may_stop_early(store: Store) -> None:
    await store.put(KEY, body(b"x"))
    await store.put(COPY, body(b"x"))
    async with aclosing(store.list()) as blobs:
        assert (await anext(blobs)).key == min(KEY, COPY)


async def test_what_stays_is_listed_while_others_come_and_go(store: Store) -> None:
    stays = [f"{BUCKET}/_/{number:03}-stays" for number in range(0, 60, 2)]
    goes = [f"{BUCKET}/_/{number:03}-goes" for number in range(1, 60, 2)]
    await asyncio.gather(*(store.put(key, body(b"x")) for key in stays + goes))
    seen: list[str] = []
    async with aclosing(store.list()) as blobs:
        async for blob in blobs:
            seen.append(blob.key)
            if goes:
                await store.delete(goes.pop())
                await store.put(f"{OTHER}/_/{len(goes):03}", body(b"new"))
    assert [key for key in seen if key.endswith("stays")] == stays
    assert seen == sorted(set(seen))


# --- browsing


@pytest.fixture
def browsable(store: Store) -> CanBrowse:
    """The store, where it can be browsed."""
    if not isinstance(store, CanBrowse):
        pytest.skip("the store cannot be browsed")
    return store


async def browsed(store: CanBrowse, path: str, most: int, bucket: str = BUCKET) -> list[Entry]:
    """All entries of a folder, `most` at a time."""
    found: list[Entry] = []
    after = ""
    while page := await store.browse(bucket, path, after, most):
        assert len(page) <= most
        found += page
        after = page[-1].name + ("/" if page[-1].is_folder else "")
    return found


async def test_a_bucket_has_one_folder_with_its_blobs(store: Store, browsable: CanBrowse) -> None:
    names = sorted(f"{number:032x}.png" for number in range(5))
    await asyncio.gather(*(store.put(f"{BUCKET}/_/{name}", body(b"four")) for name in names))
    await store.put(f"{OTHER}/_/elsewhere.png", body(b"x"))
    for most in (1, 2, 5, 100):
        assert [(entry.name, entry.is_folder) for entry in await browsed(browsable, "", most)] == [
            ("_", True)
        ]
        found = await browsed(browsable, "_", most)
        assert [entry.name for entry in found] == names
        assert {entry.length for entry in found} == {4}
        assert not any(entry.is_folder for entry in found)
        assert all(abs(entry.modified - time.time()) < 3600 for entry in found)


async def test_a_folder_that_is_not_there_is_empty(store: Store, browsable: CanBrowse) -> None:
    await store.put(KEY, body(b"x"))
    name = KEY.rpartition("/")[2]
    for path in ("nothing", "_/nothing", f"_/{name}", name[:8]):
        assert await browsable.browse(BUCKET, path, "", 10) == []
    for path in ("", "_"):
        assert await browsable.browse(OTHER, path, "", 10) == []


async def test_a_blob_is_found_at_its_path(store: Store, browsable: CanBrowse) -> None:
    await store.put(KEY, body(b"four"))
    path = KEY.partition("/")[2]
    found = await browsable.find(BUCKET, path)
    assert (found.name, found.length, found.is_folder) == (path[2:], 4, False)
    assert abs(found.modified - (await store.head(KEY)).modified) < 1
    for bucket, wrong in ((OTHER, path), (BUCKET, "_"), (BUCKET, ""), (BUCKET, path[:-1])):
        with pytest.raises(BlobMissing):
            await browsable.find(bucket, wrong)


# --- everything at once


async def test_many_do_everything_at_once(store: Store, is_far: bool) -> None:
    """Each worker has keys of its own, so each knows what it must find."""
    workers = 6 if is_far else 16

    async def work(worker: int) -> None:
        dice = random.Random(worker)
        for turn in range(4):
            key = f"{BUCKET}/_/{worker:02}-{turn}"
            content = dice.randbytes(dice.choice([0, 100, 70_000, BLOCK + 77]))
            await store.put(key, chunked(content, 50_000))
            assert await read(store, key) == content
            await store.copy(key, f"{key}-copy")
            await store.put(key, body(b"replaced"), replace=True)
            assert await read(store, f"{key}-copy") == content
            prefix = f"{BUCKET}/_/{worker:02}-{turn}"
            assert await listed_keys(store, prefix) == [key, f"{key}-copy"]
            assert await store.delete(f"{key}-copy")

    await asyncio.gather(*(work(worker) for worker in range(workers)))
    kept = await listed(store)
    assert [blob.key for blob in kept] == [
        f"{BUCKET}/_/{worker:02}-{turn}" for worker in range(workers) for turn in range(4)
    ]
    assert {blob.length for blob in kept} == {len(b"replaced")}


async def test_opening_and_closing_again_is_harmless(store: Store) -> None:
    await store.put(KEY, body(b"kept"))
    await store.open()
    assert await read(store, KEY) == b"kept"
    await store.close()
    await store.close()
    await store.open()
    assert await read(store, KEY) == b"kept"
    await store.put(COPY, body(b"more"))
    assert await listed_keys(store) == sorted([KEY, COPY])
