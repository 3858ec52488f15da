"""A process that upgrades: `python upgrading_process.py URL`.

Says `ready`, waits for a line, opens the database, upgrades it and says where it is.
"""

import sys
from pathlib import Path

from cella.db import Database, DatabaseConfig, migrations


def main(url: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    db = Database(DatabaseConfig(url=url), Path())
    db.open()
    migrations.upgrade(db)
    print(migrations.current(db), flush=True)
    db.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
