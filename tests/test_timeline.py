"""Runs of moments without a mark among them, against a plain account of what they are."""

from hypothesis import given
from hypothesis import strategies as st

from cella.timeline import Timeline

NOW = 1_790_000_000 // 60 * 60
MOMENTS = st.lists(st.integers(-40, 40).map(lambda minute: NOW + minute * 60.0), max_size=12)


def plainly(marks: list[float], moments: list[float]) -> int:
    """The longest run, told slowly."""
    runs, run = [0], 0
    events = sorted([(mark, 0) for mark in marks] + [(moment, 1) for moment in moments])
    for moment, is_moment in events:
        run = run + 1 if is_moment and moment not in marks else 0
        runs.append(run)
    return max(runs)


@given(MOMENTS, MOMENTS)
def test_the_longest_run(marks: list[float], moments: list[float]) -> None:
    timeline = Timeline()
    for mark in marks:
        timeline.mark(mark)
    assert timeline.longest_run(moments) == plainly(marks, moments)
    assert timeline.latest == max(marks, default=None)


def test_a_minute_is_the_finest_that_is_told_apart() -> None:
    timeline = Timeline()
    timeline.mark(NOW + 30)
    assert timeline.longest_run([NOW + 1, NOW + 59]) == 0
    assert timeline.longest_run([NOW - 1, NOW + 60]) == 1
    assert timeline.longest_run([NOW - 2, NOW - 1]) == 2


def test_any_moment_will_do() -> None:
    timeline = Timeline()
    for moment in (-1e300, 0.0, 1e300):
        timeline.mark(moment)
    assert timeline.longest_run([-1e300, 5.0, 1e300]) == 0
    assert timeline.longest_run([NOW, NOW + 60]) == 2
