"""The windows that links live in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.links.validity import LinkConfig, Window, validity_of, window

DAY = 24 * 3600
MOMENTS = st.floats(1.6e9, 4e9)
VALIDITIES = st.integers(1, 400 * DAY)


@given(now=MOMENTS, validity=VALIDITIES)
def test_a_link_never_lasts_longer_than_its_validity(now: float, validity: int) -> None:
    begins, expires = window(now, validity)
    assert begins <= now
    assert now < expires <= now + validity


@given(now=MOMENTS, validity=st.integers(4, 400 * DAY))
def test_a_link_lasts_three_quarters_of_its_validity_at_least(now: float, validity: int) -> None:
    assert window(now, validity).expires - now >= validity * 3 / 4


@given(now=MOMENTS, validity=VALIDITIES, part=st.floats(0, 1, exclude_max=True))
def test_all_of_a_window_agree(now: float, validity: int, part: float) -> None:
    begins, expires = window(now, validity)
    length = max(1, validity // 4)
    assert window(begins + int(part * length), validity) == (begins, expires)
    assert window(begins + length, validity).begins == begins + length
    assert window(begins - 0.5, validity).expires < expires


@given(first=MOMENTS, second=MOMENTS, validity=VALIDITIES)
def test_expiry_never_goes_back(first: float, second: float, validity: int) -> None:
    earlier, later = sorted([first, second])
    assert window(earlier, validity).expires <= window(later, validity).expires


@pytest.mark.parametrize(
    ("now", "validity", "expected"),
    [
        (0, 100, Window(0, 100)),
        (24.9, 100, Window(0, 100)),
        (25, 100, Window(25, 125)),
        (1_700_000_000, 30 * DAY, Window(1_699_704_000, 1_702_296_000)),
        (1_700_000_000, 23 * 3600, Window(1_699_987_500, 1_700_070_300)),
        (10, 1, Window(10, 11)),
        (10, 0, Window(10, 11)),
    ],
)
def test_processes_agree_on_windows(now: float, validity: int, expected: Window) -> None:
    assert window(now, validity) == expected


def test_backends_have_their_own_validity_or_the_default() -> None:
    assert validity_of(LinkConfig(), "gcs") == 23 * 3600
    assert validity_of(LinkConfig(), "local") == 30 * DAY
    config = LinkConfig(file_link_validity={"local": 60, "default": 120})
    assert validity_of(config, "local") == 60
    assert validity_of(config, "gcs") == 120
    assert validity_of(LinkConfig(file_link_validity={"local": 60}), "gcs") == 30 * DAY
