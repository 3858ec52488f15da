import asyncio

import pytest

from cella.jobs.bell import Bell


async def test_a_ring_wakes_all_who_listen() -> None:
    bell = Bell()
    with bell.listen("film") as one, bell.listen("film") as two:
        waiting = [asyncio.create_task(heard.wait(10)) for heard in (one, two)]
        await asyncio.sleep(0)
        bell.ring("film")
        assert await asyncio.gather(*waiting) == [True, True]


async def test_a_ring_between_listening_and_waiting_is_not_lost() -> None:
    bell = Bell()
    with bell.listen("film") as heard:
        bell.ring("film")
        assert await heard.wait(0)
        assert not await heard.wait(0), "one ring is heard once"


async def test_rings_before_listening_and_for_others_are_not_heard() -> None:
    bell = Bell()
    bell.ring("film")
    with bell.listen("film") as heard:
        bell.ring("reel")
        assert not await heard.wait(0.01)


async def test_topics_go_with_their_last_listener() -> None:
    bell = Bell()
    with bell.listen("film"):
        with bell.listen("film"), bell.listen("reel"):
            assert bell.topics == {"film", "reel"}
        assert bell.topics == {"film"}
    assert bell.topics == frozenset()


async def test_a_listener_that_fails_is_forgotten() -> None:
    bell = Bell()
    with pytest.raises(LookupError), bell.listen("film"):
        raise LookupError
    assert bell.topics == frozenset()


async def test_a_cancelled_wait_is_cancelled() -> None:
    bell = Bell()
    with bell.listen("film") as heard:
        waiting = asyncio.create_task(heard.wait(10))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        bell.ring("film")
        assert await heard.wait(0)
