"""What keeps strangers from making us ask too often."""

import asyncio

import pytest

from cella.identity.limits import Allowance, Flights, Memory


def test_a_memory_keeps_for_a_while() -> None:
    memory: Memory[str, int] = Memory(10)
    memory.keep("a", 1, now=100, until=110)
    assert memory.get("a", 100) == memory.get("a", 109.9) == 1
    assert memory.get("b", 100) is None
    assert memory.get("a", 110) is None
    assert memory.get("a", 105) is None, "it is gone for good"


def test_a_memory_forgets_what_lies_in_the_future() -> None:
    memory: Memory[str, int] = Memory(10)
    memory.keep("a", 1, now=100, until=110)
    assert memory.get("a", 99) is None


def test_a_memory_is_bounded_and_the_oldest_goes_first() -> None:
    memory: Memory[int, int] = Memory(3)
    for number in range(3):
        memory.keep(number, number, now=0, until=10)
    memory.keep(0, 7, now=0, until=10)
    memory.keep(3, 3, now=0, until=10)
    assert [memory.get(number, 0) for number in range(4)] == [7, None, 2, 3]


def test_an_allowance_is_used_up_and_comes_back() -> None:
    allowance = Allowance(3, every=2.0)
    assert [allowance.take(100) for _ in range(5)] == [True, True, True, False, False]
    assert not allowance.take(101.5)
    assert allowance.take(102)
    assert not allowance.take(102)
    assert [allowance.take(1000) for _ in range(5)] == [True, True, True, False, False]


def test_an_allowance_outlives_a_clock_that_is_set_back() -> None:
    allowance = Allowance(1, every=2.0)
    assert allowance.take(1000)
    assert not allowance.take(10)
    assert allowance.take(12)


async def test_a_call_that_fails_fails_for_all_who_asked_and_is_made_again() -> None:
    flights: Flights[str, int] = Flights()
    calls = []

    async def fail() -> int:
        calls.append(1)
        await asyncio.sleep(0)
        raise ValueError("no")

    found = await asyncio.gather(
        *(flights.join("a", fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in found] == [ValueError] * 3
    assert len(calls) == 1
    with pytest.raises(ValueError, match="no"):
        await flights.join("a", fail)
    assert len(calls) == 2


async def test_different_calls_do_not_wait_for_each_other() -> None:
    flights: Flights[str, str] = Flights()
    gate = asyncio.Event()

    async def wait() -> str:
        await gate.wait()
        return "slow"

    async def at_once() -> str:
        return "quick"

    slow = asyncio.ensure_future(flights.join("a", wait))
    assert await flights.join("b", at_once) == "quick"
    assert not slow.done()
    gate.set()
    assert await slow == "slow"
