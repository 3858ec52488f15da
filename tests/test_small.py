"""The values and helpers of the lowest floor."""

import asyncio
import hashlib
import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.aio import peek, together, uninterrupted
from cella.clock import ManualClock, SystemClock, http_date
from cella.digest import Digester, Digests
from cella.ids import is_id, new_blob_root, new_etag, new_id
from cella.lru import Lru

# --- clock ---


def test_the_system_clock_tells_the_seconds_since_the_epoch() -> None:
    first, second = SystemClock().now(), SystemClock().now()
    assert 1_700_000_000 < first <= second


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(100.5)
    assert clock.now() == clock.now() == 100.5
    clock.advance(2)
    clock.advance(-0.25)
    assert clock.now() == 102.25


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (784111777, "Sun, 06 Nov 1994 08:49:37 GMT"),  # the example of RFC 9110, section 5.6.7
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951782400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"),
    ],
)
def test_http_dates(seconds: int, text: str) -> None:
    assert http_date(seconds) == text


# --- ids ---


def test_ids_differ_and_have_their_form() -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: new_id(), range(5000)))
    assert len(set(ids)) == 5000
    assert all(map(is_id, ids))


def test_an_id_begins_with_its_second() -> None:
    before = int(SystemClock().now())
    second = int(new_id()[:8], 16)
    assert before <= second <= SystemClock().now()


def test_ids_sort_by_age_and_do_not_tell_the_next_one() -> None:
    ids = [new_id() for _ in range(1000)]
    wraps = sum(after < before for before, after in itertools.pairwise(ids))
    assert wraps <= 1
    assert len({each[14:] for each in ids}) == len(ids)


def test_a_forked_process_makes_ids_of_its_own() -> None:
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    ours = new_id()
    theirs = os.read(reading, 24).decode()
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    assert is_id(theirs)
    assert theirs[14:] != ours[14:]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("5f0123456789abcdef012345", True),
        ("5F0123456789ABCDEF012345", False),
        ("5f0123456789abcdef01234", False),
        ("5f0123456789abcdef0123456", False),
        ("5f0123456789abcdef012345\n", False),
        ("5f0123456789abcdef01234g", False),
        ("５f0123456789abcdef012345", False),
        ("", False),
    ],
)
def test_what_an_id_is(text: str, valid: bool) -> None:
    assert is_id(text) is valid


def test_etags_and_blob_roots_differ_and_have_their_form() -> None:
    for make, digits in ((new_etag, 40), (new_blob_root, 32)):
        made = {make() for _ in range(1000)}
        assert len(made) == 1000
        assert all(len(each) == digits and int(each, 16) >= 0 for each in made)


# --- digest ---


@given(blocks=st.lists(st.binary(max_size=50), max_size=20), limit=st.integers(0, 300))
def test_digests_of_blocks_are_those_of_the_whole(blocks: list[bytes], limit: int) -> None:
    digester = Digester(md5_up_to=limit)
    for block in blocks:
        digester.update(memoryview(block))
    whole = b"".join(blocks)
    md5 = hashlib.md5(whole).hexdigest() if len(whole) <= limit else ""
    assert digester.digests() == Digests(len(whole), hashlib.sha256(whole).hexdigest(), md5)


def test_the_digests_of_nothing() -> None:
    assert Digester().digests() == Digests(
        0,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "d41d8cd98f00b204e9800998ecf8427e",
    )


# --- lru ---


def test_what_was_used_last_is_kept() -> None:
    lru: Lru[str, int] = Lru(3)
    for number, key in enumerate("abc"):
        lru.keep(key, number)
    assert lru.get("a") == 0
    lru.keep("d", 3)
    assert [lru.get(key) for key in "abcd"] == [0, None, 2, 3]


def test_what_is_kept_is_not_replaced() -> None:
    lru: Lru[str, int] = Lru(3)
    lru.keep("a", 1)
    lru.keep("a", 2)
    assert lru.get("a") == 1


def test_the_weights_count() -> None:
    lru: Lru[str, int] = Lru(10)
    lru.keep("light", 0, weight=1)
    lru.keep("half", 1, weight=5)
    lru.keep("more than half", 2, weight=6)
    assert [lru.get(key) for key in ("light", "half", "more than half")] == [None, None, 2]


def test_what_is_too_heavy_drives_nothing_out() -> None:
    lru: Lru[str, int] = Lru(10)
    lru.keep("small", 0, weight=10)
    lru.keep("huge", 1, weight=11)
    assert [lru.get("small"), lru.get("huge")] == [0, None]


class SlowKey:
    """A key that takes so long to compare that other threads come in between."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number % 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SlowKey) and self.number == other.number


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_leave_the_room_that_there_was() -> None:
    lru: Lru[SlowKey, int] = Lru(20)

    def use(thread: int) -> None:
        for turn in range(3000):
            number = (turn * 7 + thread) % 50
            lru.keep(SlowKey(number), number)
            assert lru.get(SlowKey(number)) in (None, number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    fresh = range(100, 120)
    for number in fresh:
        lru.keep(SlowKey(number), number)
    assert [lru.get(SlowKey(number)) for number in fresh] == list(fresh)


# --- aio ---


class Refusal(Exception):
    """What a coroutine of a test raises."""


class Gate:
    """Work that waits at a gate and remembers how far it came."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.open = asyncio.Event(), asyncio.Event()
        self.ended = self.cancelled = False
        self._error = error

    async def work(self) -> str:
        self.begun.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self._error is not None:
            raise self._error
        self.ended = True
        return "done"


async def test_uninterrupted_work_gives_what_it_gives() -> None:
    gate, broken = Gate(), Gate(Refusal("no"))
    gate.open.set()
    broken.open.set()
    assert await uninterrupted(gate.work()) == "done"
    with pytest.raises(Refusal):
        await uninterrupted(broken.work())


async def test_uninterrupted_work_ends_before_its_cancelled_caller() -> None:
    gate = Gate()
    caller = asyncio.ensure_future(uninterrupted(gate.work()))
    await gate.begun.wait()
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not caller.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert gate.ended
    assert not gate.cancelled


async def test_a_cancelled_caller_is_told_why_the_work_failed() -> None:
    refusal = Refusal("no")
    gate = Gate(refusal)

    async def call() -> BaseException | None:
        try:
            await uninterrupted(gate.work())
        except asyncio.CancelledError as cancelled:
            return cancelled.__cause__
        return None

    caller = asyncio.ensure_future(call())
    await gate.begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    gate.open.set()
    assert await caller is refusal


async def test_together_gives_results_in_order() -> None:
    gates = [Gate(), Gate()]

    async def open_backwards() -> str:
        for gate in reversed(gates):
            await gate.begun.wait()
            gate.open.set()
            await asyncio.sleep(0)
        return "opened"

    works = [gates[0].work(), gates[1].work(), open_backwards()]
    assert await together(works) == ["done", "done", "opened"]
    assert await together([]) == []


async def test_together_cancels_the_rest_of_what_failed() -> None:
    waiting, broken = Gate(), Gate(Refusal("no"))
    broken.open.set()
    with pytest.raises(Refusal):
        await together([waiting.work(), broken.work()])
    assert waiting.cancelled


async def test_together_ends_with_its_caller() -> None:
    gates = [Gate(), Gate()]
    caller = asyncio.ensure_future(together([gate.work() for gate in gates]))
    for gate in gates:
        await gate.begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert all(gate.cancelled for gate in gates)


@given(chunks=st.lists(st.binary(max_size=6), max_size=8), wanted=st.integers(1, 20))
def test_peek_takes_enough_and_loses_nothing(chunks: list[bytes], wanted: int) -> None:
    taken: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            taken.append(chunk)
            yield chunk

    async def run() -> None:
        head, whole = await peek(body(), wanted)
        assert head == b"".join(taken)
        assert len(head) >= wanted or taken == chunks
        assert not taken or len(b"".join(taken[:-1])) < wanted
        assert b"".join([chunk async for chunk in whole]) == b"".join(chunks)

    asyncio.run(run())
