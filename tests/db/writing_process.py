"""A process that writes: `python writing_process.py URL note|count FIRST LAST`.

With `note` it writes down each number from FIRST to LAST, many at once, and prints it as soon as
its write has returned. With `count` it adds one to the note 0 that many times, each time from
what it has read.
"""

import asyncio
import sys
from pathlib import Path

import sqlalchemy as sa
from tests.db.notes import note, notes

from cella.db import Database, DatabaseConfig, Tx

AT_ONCE = 8


async def _note(db: Database, first: int, last: int) -> None:
    numbers = iter(range(first, last))

    async def write() -> None:
        for number in numbers:
            print(await db.write(note(number)), flush=True)

    await asyncio.gather(*(write() for _ in range(AT_ONCE)))


async def _count(db: Database, first: int, last: int) -> None:
    def add(tx: Tx) -> None:
        old = tx.scalar(sa.select(notes.c.text).where(notes.c.number == 0).with_for_update())
        tx.execute(notes.update().where(notes.c.number == 0).values(text=str(int(old or 0) + 1)))

    for _ in range(first, last):
        await db.write(add)


async def main(url: str, task: str, first: str, last: str) -> None:
    db = Database(DatabaseConfig(url=url), Path())
    db.open()
    await {"note": _note, "count": _count}[task](db, int(first), int(last))
    db.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
