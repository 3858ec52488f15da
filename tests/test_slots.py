"""A bound on what goes on at once."""

import asyncio
from contextlib import ExitStack

import pytest

from cella.errors import Overloaded
from cella.slots import Slots


@pytest.mark.parametrize(("count", "share"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (64, 48)])
def test_one_holder_gets_three_quarters(count: int, share: int) -> None:
    slots = Slots(count, "uploads")
    with ExitStack() as stack:
        for _ in range(share):
            stack.enter_context(slots.held_by("greedy"))
        with pytest.raises(Overloaded), slots.held_by("greedy"):
            pass
        for number in range(count - share):
            stack.enter_context(slots.held_by(f"other {number}"))
        with pytest.raises(Overloaded, match=f"takes {count} uploads at once"):
            slots.held_by("late").__enter__()
    with slots.held_by("late"):
        pass


class OddError(Exception):
    """What nobody expects."""


def test_an_error_frees_the_place_and_comes_out() -> None:
    slots = Slots(1, "uploads")
    for _ in range(3):
        with pytest.raises(OddError), slots.held_by("user"):
            raise OddError


async def test_a_cancellation_frees_the_place() -> None:
    slots = Slots(1, "uploads")
    holding = asyncio.Event()

    async def hold() -> None:
        with slots.held_by("user"):
            holding.set()
            await asyncio.Event().wait()

    for _ in range(3):
        task = asyncio.create_task(hold())
        await holding.wait()
        with pytest.raises(Overloaded), slots.held_by("another"):
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        holding.clear()


def test_who_was_turned_away_holds_nothing() -> None:
    slots = Slots(2, "uploads")
    with slots.held_by("a"):
        for _ in range(5):
            with pytest.raises(Overloaded), slots.held_by("a"):
                pass
        with slots.held_by("b"):
            pass
