"""schemathesis against our own document: no 5xx, answers as described, what does not fit refused.

It does the same on each run; `tests/drills/test_schemathesis_long.py` takes its chances.
"""

import logging
import re
from pathlib import Path

import pytest
from tests.support.fuzzing import fuzz, seed
from tests.support.service import Start

SOON = 0.1
"""Seconds after which following a file ends; some are called unfinished and never end."""


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads thousands of lines about requests."""
    caplog.set_level(logging.WARNING, "cella.access")


@pytest.mark.timeout(300)
def test_an_administrator(start: Start, tmp_path: Path) -> None:
    service = start(event_seconds=SOON)
    seed(service)
    admin = service.account("admin", "service", "badger")
    _check(fuzz(service, tmp_path, admin, examples=5, sequences=12), links=5)


@pytest.mark.timeout(300)
def test_nobody_in_particular(start: Start, tmp_path: Path) -> None:
    service = start(event_seconds=SOON)
    seed(service)
    _check(fuzz(service, tmp_path, None, examples=3, sequences=3), links=0)


def _check(told: str, *, links: int) -> None:
    """Everything was tried: all operations, in all phases, and one after another."""
    operations = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", told)
    assert operations is not None
    assert len(set(operations.groups())) == 1, told
    phases = re.findall(r"✅ (Examples|Fuzzing|Stateful)\n", told)
    assert phases == ["Examples", "Fuzzing", "Stateful"], told
    followed = re.search(r"API Links:\s+(\d+) covered", told)
    assert followed is not None
    assert int(followed[1]) >= links, told
