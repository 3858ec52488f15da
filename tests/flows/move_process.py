"""A move as a process of its own: `python move_process.py URL HERE THERE`.

Moves everything from one folder to the other, and has the old bytes go. Ends with 0 when nothing is
left to be moved.
"""

import asyncio
import sys
from pathlib import Path

from tests.support.yard import HERE, THERE

from cella.clock import SystemClock
from cella.db import Database, DatabaseConfig
from cella.flows.move import Move, Outcome, Selection
from cella.store.checked import CheckedStore
from cella.store.disk import DiskStore


async def main(url: str, here: str, there: str) -> int:
    db = Database(DatabaseConfig(url=url), Path())
    db.open()
    stores = {
        HERE: CheckedStore(DiskStore(Path(here))),
        THERE: CheckedStore(DiskStore(Path(there))),
    }
    for store in stores.values():
        await store.open()
    move = Move(db=db, stores=stores, spellers={}, clock=SystemClock(), attempts=5)
    outcomes: list[Outcome] = []
    await move.run(
        Selection(backend=HERE),
        THERE,
        delete_source=True,
        told=outcomes.append,
        advance=lambda _: None,
    )
    for store in stores.values():
        await store.close()
    db.close()
    return int(any(outcome.state in ("busy", "failed") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
