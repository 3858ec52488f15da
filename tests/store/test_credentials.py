"""What a machine is told of its key is renewed in time, and not asked for all the time."""

import time

import pytest

from cella.errors import StoreError, StoreRefused, StoreUnavailable
from cella.store.credentials import Kept, Renewed


class Told(Renewed[str]):
    """What is told next; errors are raised."""

    def __init__(self, *answers: Kept[str] | StoreError) -> None:
        super().__init__()
        self._answers = list(answers)
        self.asked = 0

    def fetch(self) -> Kept[str]:
        """The next answer."""
        self.asked += 1
        answer = self._answers.pop(0)
        if isinstance(answer, StoreError):
            raise answer
        return answer


def lasting(seconds: float, value: str = "a key") -> Kept[str]:
    return Kept(value, time.time() + seconds)


def test_a_key_that_lasts_is_asked_for_once() -> None:
    told = Told(lasting(3600))
    assert {told.current() for _ in range(5)} == {"a key"}
    assert told.asked == 1


def test_a_key_is_renewed_before_it_ends() -> None:
    told = Told(lasting(60, "old"), lasting(3600, "new"))
    assert [told.current(), told.current(), told.current()] == ["old", "new", "new"]


@pytest.mark.parametrize("error", [StoreUnavailable("no answer"), StoreRefused("no key")])
def test_a_key_serves_until_its_end_and_who_does_not_answer_is_left_in_peace(
    error: StoreError,
) -> None:
    told = Told(lasting(60), error)
    assert {told.current() for _ in range(5)} == {"a key"}
    assert told.asked == 2


def test_without_a_key_the_reason_is_told() -> None:
    told = Told(StoreRefused("there is none"), lasting(3600))
    with pytest.raises(StoreRefused, match="there is none"):
        told.current()
    assert told.current() == "a key"
