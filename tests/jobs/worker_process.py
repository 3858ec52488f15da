"""A worker as a process of its own: `python worker_process.py URL NAME`.

Jobs of the kind `write` take a moment, and their effect is a row in a table that would take any
number of them for the same job. Those of the kind `wait` last until they are cancelled, and then
write such a row. Ends well on SIGTERM.
"""

import asyncio
import signal
import sys
from pathlib import Path

import sqlalchemy as sa

from cella.clock import SystemClock
from cella.db import Database, DatabaseConfig, Tx
from cella.jobs.bell import Bell
from cella.jobs.queue import Job
from cella.jobs.retry import JobsConfig
from cella.jobs.runner import Effect, Report, Runner

KIND = "write"
ENDLESS = "wait"
CONFIG = JobsConfig(lease_seconds=1.0, poll_seconds=0.1, slots=4, stop_seconds=5)

results = sa.Table(
    "results",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("subject", sa.String(24), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)


class Write:
    """Writes that it was there."""

    async def work(self, job: Job, report: Report) -> Effect:
        await asyncio.sleep(0.2)

        def effect(tx: Tx) -> None:
            tx.execute(sa.insert(results), {"subject": job.subject, "attempts": job.attempts})

        return effect

    def retrying(self, tx: Tx, job: Job, reason: str) -> None:
        """There is nothing to tell."""

    def failed(self, tx: Tx, job: Job, reason: str) -> None:
        """There is nothing to tell."""

    def cancelled(self, tx: Tx, job: Job) -> None:
        """There is nothing to tell."""


class Wait(Write):
    """Never comes to an end by itself."""

    async def work(self, job: Job, report: Report) -> Effect:
        await asyncio.Event().wait()
        raise AssertionError

    def cancelled(self, tx: Tx, job: Job) -> None:
        """Write that it was stopped."""
        tx.execute(sa.insert(results), {"subject": job.subject, "attempts": job.attempts})


async def main(url: str, name: str) -> None:
    db = Database(DatabaseConfig(url=url), Path())
    db.open()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    handlers = {KIND: Write(), ENDLESS: Wait()}
    await Runner(db, handlers, CONFIG, SystemClock(), Bell(), name).run(stop)
    db.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
