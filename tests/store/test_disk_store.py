"""What a disk makes of a store's promises: the layout, the syncs, the leftovers, the memory."""

import asyncio
import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.support.stores import BUCKET, KEY, OTHER, body, chunked, listed, listed_keys, read

from cella.errors import BlobMissing, StoreFull, StoreUnavailable
from cella.store.contract import BLOCK
from cella.store.disk import DiskStore
from cella.store.threads import Threads

NAME = KEY.rpartition("/")[2]
SHARD = f"blobs/5f/{BUCKET}/01"


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[DiskStore]:
    store = DiskStore(root)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    async with opened(tmp_path / "blobs") as store:
        yield store


def temporaries(root: Path) -> list[Path]:
    """All plain files in the scratch folders but the locks."""
    scratch = root / ".incoming"
    return [path for path in scratch.rglob("*") if path.is_file() and path.suffix != ".lock"]


async def until(condition: Callable[[], bool]) -> None:
    """Come back when `condition` holds; the test's timeout ends the wait otherwise."""
    while not condition():
        await asyncio.sleep(0.001)


# --- layout


async def test_a_blob_lies_where_the_contract_says(store: DiskStore, tmp_path: Path) -> None:
    await store.put(KEY, body(b"x"))
    expected = tmp_path / "blobs" / BUCKET[:2] / BUCKET / NAME[:2] / NAME
    assert expected.read_bytes() == b"x"
    assert store.path(KEY) == expected


async def test_blobs_are_not_for_everybody(store: DiskStore) -> None:
    await store.put(KEY, body(b"x"))
    assert stat.S_IMODE(store.path(KEY).stat().st_mode) & 0o007 == 0
    assert stat.S_IMODE(store.path(KEY).parent.stat().st_mode) & 0o007 == 0


def test_a_constructor_touches_nothing(tmp_path: Path) -> None:
    DiskStore(tmp_path / "blobs")
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    with pytest.raises(RuntimeError, match="not open"):
        await store.put(KEY, body(b"x"))
    with pytest.raises(RuntimeError, match="not open"):
        await store.head(KEY)


async def test_strange_files_are_not_blobs(store: DiskStore, tmp_path: Path) -> None:
    await store.put(KEY, body(b"x"))
    root = tmp_path / "blobs"
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    shard = store.path(KEY).parent
    (shard / ".hidden").write_bytes(b"")
    (shard / "zz-wrong-shard").write_bytes(b"")
    (shard / "01 space").write_bytes(b"")
    (shard / "01folder").mkdir()
    (shard / "01link").symlink_to(secret)
    (root / "README").write_bytes(b"")
    misplaced = root / OTHER[:2] / BUCKET / "01"
    misplaced.mkdir(parents=True)
    (misplaced / "01-in-another-folder").write_bytes(b"")
    (root / "5f" / "file").write_bytes(b"")
    (root / "lost+found").mkdir()
    assert await listed_keys(store) == [KEY]
    with pytest.raises(BlobMissing):
        await store.head(f"{BUCKET}/_/01link")
    with pytest.raises(StoreUnavailable):
        await read(store, f"{BUCKET}/_/01link")


async def test_a_listing_enters_only_the_folders_that_matter(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buckets = [f"{number:02x}" + "0" * 22 for number in range(8)]
    for bucket in buckets:
        for name in ("aa1", "bb1", "cc1"):
            await store.put(f"{bucket}/_/{name}", body(b"x"))
    entered: list[str] = []
    scandir = os.scandir

    def noted(folder: Path) -> object:
        entered.append(str(folder.relative_to(tmp_path / "blobs")))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", noted)
    assert len(await listed(store, prefix=f"{buckets[3]}/_/bb")) == 1
    assert entered == [".", "03", f"03/{buckets[3]}", f"03/{buckets[3]}/bb"]
    entered.clear()
    assert len(await listed(store, after=f"{buckets[6]}/_/bb1")) == 4
    assert [folder for folder in entered if not folder.startswith(("06", "07"))] == ["."]
    assert f"06/{buckets[6]}/aa" not in entered


async def test_folders_that_vanish_are_made_again(store: DiskStore, tmp_path: Path) -> None:
    await store.put(KEY, body(b"x"))
    await store.delete(KEY)
    store.path(KEY).parent.rmdir()
    await store.put(KEY, body(b"again"))
    await store.delete(KEY)
    store.path(KEY).parent.rmdir()
    store.path(KEY).parent.parent.rmdir()
    store.path(KEY).parent.parent.parent.rmdir()
    await store.put(KEY, body(b"again"), replace=True)
    assert await read(store, KEY) == b"again"


async def test_a_root_that_was_taken_away_is_not_an_empty_store(
    store: DiskStore, tmp_path: Path
) -> None:
    await store.put(KEY, body(b"x"))
    (tmp_path / "blobs").rename(tmp_path / "elsewhere")
    (tmp_path / "blobs").mkdir()
    with pytest.raises(StoreUnavailable):
        await store.head(KEY)
    (tmp_path / "blobs").rmdir()
    with pytest.raises(StoreUnavailable):
        await store.head(KEY)
    (tmp_path / "elsewhere").rename(tmp_path / "blobs")
    assert (await store.head(KEY)).length == 1


# --- durability


class Syncs:
    """Takes note of what is synced, in order, as paths below the root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._fsync = os.fsync
        self.seen: list[str] = []

    def __call__(self, fd: int) -> None:
        self.seen.append(self.what(fd))
        self._fsync(fd)

    def what(self, fd: int) -> str:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if self._root / ".incoming" in path.parents:
            return "temporary"
        return str(path.relative_to(self._root.parent))


async def test_file_and_every_new_folder_are_synced_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "blobs"
    syncs = Syncs(root)
    monkeypatch.setattr(os, "fsync", syncs)
    async with opened(root) as store:
        assert syncs.seen == ["."]
        syncs.seen.clear()
        await store.put(KEY, body(b"x"))
        assert syncs.seen == ["temporary", "blobs", "blobs/5f", f"blobs/5f/{BUCKET}", SHARD]
        syncs.seen.clear()
        await store.put(f"{BUCKET}/_/01another", body(b"x" * (3 * BLOCK)))
        assert syncs.seen == ["temporary", SHARD]
        syncs.seen.clear()
        await store.put(KEY, body(b"new"), replace=True)
        assert syncs.seen == ["temporary", SHARD]
        syncs.seen.clear()
        await store.copy(KEY, f"{BUCKET}/_/02copy")
        assert syncs.seen == ["temporary", f"blobs/5f/{BUCKET}", f"blobs/5f/{BUCKET}/02"]


async def test_folders_that_another_process_made_are_synced_once_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "blobs"
    async with opened(root) as first:
        await first.put(KEY, body(b"x"))
    syncs = Syncs(root)
    monkeypatch.setattr(os, "fsync", syncs)
    async with opened(root) as second:
        await second.put(f"{BUCKET}/_/01another", body(b"x"))
        assert f"blobs/5f/{BUCKET}" in syncs.seen
        syncs.seen.clear()
        await second.put(f"{BUCKET}/_/01third", body(b"x"))
        assert syncs.seen == ["temporary", SHARD]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("verb", ["put", "copy"])
@pytest.mark.parametrize("at", ["temporary", SHARD])
async def test_what_cannot_be_synced_leaves_what_was_there(
    store: DiskStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    replace: bool,
    verb: str,
    at: str,
) -> None:
    source = f"{OTHER}/_/source"
    await store.put(source, body(b"new"))
    if replace:
        await store.put(KEY, body(b"old"))
    syncs = Syncs(tmp_path / "blobs")
    failures = 0

    def failing(fd: int) -> None:
        nonlocal failures
        if failures == 0 and syncs.what(fd) == at:
            failures += 1
            raise OSError(errno.EIO, "the disk is broken", "/a/secret/path")
        syncs(fd)

    monkeypatch.setattr(os, "fsync", failing)
    storing: Coroutine[None, None, object] = (
        store.put(KEY, body(b"new"), replace=replace)
        if verb == "put"
        else store.copy(source, KEY, replace=replace)
    )
    with pytest.raises(StoreUnavailable) as refusal:
        await storing
    assert failures == 1
    assert "secret" not in refusal.value.message
    assert await listed_keys(store, BUCKET) == ([KEY] if replace else [])
    if replace:
        assert await read(store, KEY) == b"old"
    assert temporaries(tmp_path / "blobs") == []


class Gate:
    """The first fsync of `at` waits, so that a test can do something meanwhile."""

    def __init__(self, root: Path, at: str) -> None:
        self._syncs = Syncs(root)
        self._at = at
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, fd: int) -> None:
        self._syncs(fd)
        if self._syncs.what(fd) == self._at and not self.reached.is_set():
            self.reached.set()
            assert self.opened.wait(60)


@pytest.mark.parametrize("replace", [False, True])
async def test_a_put_that_is_cancelled_after_publishing_is_undone(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    if replace:
        await store.put(KEY, body(b"old"))
    gate = Gate(tmp_path / "blobs", SHARD)
    monkeypatch.setattr(os, "fsync", gate)
    putting = asyncio.create_task(store.put(KEY, body(b"new"), replace=replace))
    await until(gate.reached.is_set)
    assert store.path(KEY).read_bytes() == b"new"
    for _ in range(3):
        putting.cancel()
        await asyncio.sleep(0)
    assert not putting.done()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await listed_keys(store) == ([KEY] if replace else [])
    if replace:
        assert await read(store, KEY) == b"old"
    assert temporaries(tmp_path / "blobs") == []


@pytest.mark.parametrize("at", ["temporary", SHARD])
async def test_who_is_cancelled_waits_for_the_step_that_cannot_be_stopped(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    gate = Gate(tmp_path / "blobs", at)
    monkeypatch.setattr(os, "fsync", gate)
    putting = asyncio.create_task(store.put(KEY, body(b"new")))
    await until(gate.reached.is_set)
    putting.cancel()
    for number in range(10):
        await store.put(f"{OTHER}/_/{number}", body(b"the others go on"))
    assert not putting.done()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await listed(store, BUCKET) == []
    assert temporaries(tmp_path / "blobs") == []


async def test_undoing_a_put_does_not_touch_what_somebody_else_has_put_since(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(tmp_path / "blobs", SHARD)
    monkeypatch.setattr(os, "fsync", gate)
    putting = asyncio.create_task(store.put(KEY, body(b"cancelled")))
    await until(gate.reached.is_set)
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    theirs.replace(store.path(KEY))
    putting.cancel()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await read(store, KEY) == b"theirs"


async def test_nothing_is_left_beside_the_blobs(store: DiskStore, tmp_path: Path) -> None:
    content = b"x" * (2 * BLOCK + 1)
    await store.put(KEY, chunked(content, 70_000))
    await store.put(KEY, body(b"small"), replace=True)
    await store.copy(KEY, f"{BUCKET}/_/copy")
    await store.copy(KEY, f"{BUCKET}/_/copy", replace=True)
    await until(lambda: not temporaries(tmp_path / "blobs"))
    assert store.path(KEY).stat().st_nlink == 1
    await store.close()
    assert list((tmp_path / "blobs" / ".incoming").iterdir()) == []


async def test_no_file_stays_open(store: DiskStore) -> None:
    def ours() -> set[Path]:
        links = list(Path("/proc/self/fd").iterdir())
        return {link.readlink() for link in links if link.is_symlink()}

    content = b"x" * (3 * BLOCK)
    before = ours()
    await store.put(KEY, body(content))
    await store.copy(KEY, f"{BUCKET}/_/copy")
    await read(store, KEY)
    reading = store.get(KEY)
    await anext(reading)
    assert store.path(KEY) in ours()
    await reading.aclose()
    with pytest.raises(BlobMissing):
        await store.copy(f"{BUCKET}/_/none", f"{BUCKET}/_/copy2")
    assert ours() - before == set()


async def test_copying_works_where_the_kernel_cannot(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(3 * BLOCK + 5)
    await store.put(KEY, body(content))

    def refused(*_args: object) -> int:
        raise OSError(errno.EXDEV, "not here")

    monkeypatch.setattr(os, "copy_file_range", refused)
    copied = await store.copy(KEY, f"{BUCKET}/_/copy")
    assert copied.length == len(content)
    assert await read(store, f"{BUCKET}/_/copy") == content


# --- hops


async def test_a_small_blob_is_one_hop_each_way(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"x" * (BLOCK - 1)
    hops = 0
    start = Threads.start

    def counted(*args: Any, **kwargs: Any) -> object:
        nonlocal hops
        hops += 1
        return start(*args, **kwargs)

    monkeypatch.setattr(Threads, "start", counted)
    await store.put(KEY, chunked(content, 5_000))
    assert hops == 1
    assert await read(store, KEY) == content
    assert hops == 2
    assert await read(store, KEY, 100, 100 + (64 << 10)) == content[: 64 << 10]
    assert hops == 3


# --- crashes

PUTS = """
import asyncio, sys
from pathlib import Path
from cella.store.disk import DiskStore

async def endless():
    for _ in range(5):
        yield b"x" * (1 << 20)
    print("writing", flush=True)
    await asyncio.Event().wait()

async def main():
    store = DiskStore(Path(sys.argv[1]))
    await store.open()
    await store.put(sys.argv[2], endless())

asyncio.run(main())
"""

WINS = """
import asyncio, sys
from pathlib import Path
from cella.errors import BlobExists
from cella.store.disk import DiskStore

async def body():
    yield sys.argv[3].encode()

async def attempt(store, number):
    try:
        await store.put(f"{sys.argv[2]}/_/{number:02}", body())
    except BlobExists:
        return 0
    return 1

async def main():
    store = DiskStore(Path(sys.argv[1]))
    await store.open()
    print("ready", flush=True)
    sys.stdin.readline()
    print(sum(await asyncio.gather(*(attempt(store, n) for n in range(60)))))
    await store.close()

asyncio.run(main())
"""

RISES = """
import asyncio, re, sys
from pathlib import Path
from cella.store.disk import DiskStore

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

async def body(count):
    for number in range(count):
        yield number.to_bytes(4, "big") * (16 << 10)

async def main():
    store = DiskStore(Path(sys.argv[1]))
    await store.open()
    await store.put(sys.argv[2], body(64))
    async for _ in store.get(sys.argv[2]):
        pass
    before = peak()
    await store.put(sys.argv[2], body(4096), replace=True)
    length = 0
    async for block in store.get(sys.argv[2]):
        length += len(block)
    await store.copy(sys.argv[2], sys.argv[2] + "-copy")
    assert length == 256 << 20
    print(peak() - before)
    await store.close()

asyncio.run(main())
"""


def child(source: str, *args: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", source, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: "subprocess.Popen[str]") -> str:
    """What a child printed that has ended well."""
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return told


async def test_a_killed_put_is_never_seen_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    root = tmp_path / "blobs"
    with child(PUTS, str(root), KEY) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "writing\n"
            async with opened(root) as beside:
                assert len(temporaries(root)) == 1, "a live process keeps its temporaries"
                assert await listed(beside) == []
        finally:
            process.kill()
    assert len(temporaries(root)) == 1
    async with opened(root) as store:
        assert temporaries(root) == []
        assert await listed(store) == []
        await store.put(KEY, body(b"second try"))
        assert await read(store, KEY) == b"second try"


async def test_of_two_processes_that_put_the_same_keys_one_wins_each(tmp_path: Path) -> None:
    root = tmp_path / "blobs"
    with (
        child(WINS, str(root), BUCKET, "first") as first,
        child(WINS, str(root), BUCKET, "other") as other,
    ):
        for process in (first, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in (first, other):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        won = [int(output(process)) for process in (first, other)]
    assert sum(won) == 60
    async with opened(root) as store:
        contents = [await read(store, f"{BUCKET}/_/{number:02}") for number in range(60)]
    assert [contents.count(b"first"), contents.count(b"other")] == won


def test_memory_stays_flat(tmp_path: Path) -> None:
    with child(RISES, str(tmp_path / "blobs"), KEY) as process:
        # Of a blob of 256 MiB. What malloc keeps differs from run to run by half of this.
        assert int(output(process)) < 16 << 20


# --- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("replace", [False, True])
async def test_a_full_disk_is_told_and_nothing_is_lost(small_disk: Path, replace: bool) -> None:
    async with opened(small_disk / "blobs") as store:
        await store.put(KEY, body(b"old" * 1000))
        key = KEY if replace else f"{BUCKET}/_/large"
        with pytest.raises(StoreFull) as refusal:
            await store.put(key, chunked(b"x" * (10 << 20), 64 << 10), replace=replace)
        assert str(small_disk) not in refusal.value.message
        assert await listed_keys(store) == [KEY]
        assert await read(store, KEY) == b"old" * 1000
        assert temporaries(small_disk / "blobs") == []
        await store.put(f"{BUCKET}/_/fits", body(b"x" * (5 << 20)))
        with pytest.raises(StoreFull):
            await store.copy(f"{BUCKET}/_/fits", f"{BUCKET}/_/copy")
        assert temporaries(small_disk / "blobs") == []
        assert await store.delete(f"{BUCKET}/_/fits")
        await store.put(f"{BUCKET}/_/fits", body(b"y" * (5 << 20)))


async def test_a_disk_without_inodes_is_full(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,nr_inodes=40", str(small_disk)], check=True)
    async with opened(small_disk / "blobs") as store:
        keys = [f"{BUCKET}/_/{number:02}" for number in range(60)]
        results = await asyncio.gather(
            *(store.put(key, body(b"x")) for key in keys), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, BaseException)]
        assert {type(error) for error in refused} == {StoreFull}
        assert len(await listed(store)) == len(keys) - len(refused) > 0
        assert temporaries(small_disk / "blobs") == []
