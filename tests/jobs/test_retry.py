import pytest

from cella.jobs.retry import JobsConfig, pause

CONFIG = JobsConfig(retry_base_seconds=2, retry_cap_seconds=60)


@pytest.mark.parametrize(
    ("attempts", "longest"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (10**9, 60)]
)
def test_the_span_doubles_up_to_the_cap(attempts: int, longest: float) -> None:
    assert pause(CONFIG, attempts, 1.0) == longest


def test_chance_picks_any_part_of_the_span() -> None:
    assert [pause(CONFIG, 3, chance) for chance in (0.0, 0.25, 0.5)] == [0, 2, 4]


def test_the_defaults() -> None:
    config = JobsConfig()
    assert (config.lease_seconds, config.poll_seconds, config.slots) == (30, 1, 0)
    assert (config.max_attempts, config.stop_seconds) == (8, 10)
    assert config.limits == {
        **{"digest": 1, "encode": 1, "encoded": 2},
        **{"sweep": 1, "verify": 1, "zencoder_cancel": 1},
    }
    assert pause(config, 100, 1.0) == 300
