"""Sweep and verify as periodic jobs of a worker."""

import asyncio
import logging
from pathlib import Path

import pytest
from tests.support.stock import Stock, furnished, stock

from cella.assembly import Assembly
from cella.catalog import quarantine
from cella.clock import SystemClock
from cella.config import load
from cella.flows.sweep import SWEEP, SweepAll
from cella.flows.verify import VERIFY, VerifyAll
from cella.jobs.bell import Bell
from cella.jobs.periodic import Period
from cella.jobs.retry import JobsConfig
from cella.jobs.runner import Runner

__all__ = ["furnished", "stock"]

PATIENCE = 30.0


async def test_they_report_and_change_nothing(
    stock: Stock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cella")
    (lost, *_) = stock.files()
    await stock.store.delete(stock.keys_of(lost)[0])
    sweep, verify = stock.sweep(), stock.verify()
    runner = Runner(
        stock.db,
        {
            SWEEP: SweepAll(sweep=sweep, backends=stock.stores),
            VERIFY: VerifyAll(verify=verify, backends=stock.stores, most=500),
        },
        JobsConfig(poll_seconds=0.05, lease_seconds=1.0),
        SystemClock(),
        Bell(),
        "test",
        [Period(kind=SWEEP, seconds=3600.0), Period(kind=VERIFY, seconds=3600.0)],
    )
    stop = asyncio.Event()
    work = asyncio.create_task(runner.run(stop))
    async with asyncio.timeout(PATIENCE):
        while runner.outcomes["finished"] < 2:
            await asyncio.sleep(0.02)
    stop.set()
    await work

    swept, verified = await sweep.last("local"), await verify.last("local")
    assert swept is not None
    assert verified is not None
    assert (swept.missing, swept.blobs, swept.noted) == (1, 23, 0)
    assert 0 < verified.blobs < 12
    assert await sweep.last("elsewhere") is not None
    assert not stock.db.read_now(lambda tx: quarantine.page(tx, "local", after="", most=1))
    assert (
        "swept local: 23 blobs, 0 without a row, 1 rows without their blob, 0 that differ"
        in caplog.messages
    )
    assert any(message.startswith("verified") for message in caplog.messages)


def test_they_run_only_where_they_are_wanted(tmp_path: Path) -> None:
    def kinds(**settings: object) -> set[str]:
        config = load({}, folder=tmp_path, overrides={"data": str(tmp_path), **settings})
        return {period.kind for period in Assembly(config).periods()}

    off = kinds()
    assert not off & {SWEEP, VERIFY}
    assert kinds(sweep_seconds=86400, verify_seconds=3600) == off | {SWEEP, VERIFY}
