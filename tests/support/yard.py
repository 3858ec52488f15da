"""Two stores and a catalogue with files in the first one: what moves are tried on."""

import hashlib
import random
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
from tests.support.stores import body, listed_keys, read

from cella.catalog import files as catalog_files
from cella.catalog import people, projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.catalog.tables import blobs
from cella.clock import ManualClock
from cella.db import Database, Tx
from cella.flows.config import DROP_BLOBS
from cella.ids import new_blob_root, new_etag, new_id
from cella.jobs import queue
from cella.jobs.queue import Entry
from cella.model import METHODS, File, Permissions, Project, User, Variation
from cella.store.contract import Store

NOW = 1_790_000_000.0
HERE, THERE = "here", "there"


class Yard:
    """A user, a project, and two stores, `here` and `there`, on a clock that stands still."""

    def __init__(self, db: Database, here: Store, there: Store) -> None:
        self.db = db
        self.stores: Mapping[str, Store] = {HERE: here, THERE: there}
        self.clock = ManualClock(NOW)
        self.user = new_id()
        self.project = new_id()
        self._chance = random.Random(1)
        db.write_now(self._furnish)

    def _furnish(self, tx: Tx) -> None:
        user = User(
            id=self.user,
            created=1,
            updated=1,
            etag=new_etag(),
            username=self.user,
            full_name="u",
            email="u@localhost",
        )
        project = Project(
            id=self.project,
            created=1,
            updated=1,
            etag=new_etag(),
            name="p",
            url=self.project,
            user=self.user,
            permissions=Permissions(world=METHODS),
        )
        people.add_user(tx, user)
        projects.add(tx, project)

    async def add(self, length: int = 500, *, digests: bool = True, **fields: Any) -> File:
        """A file of so many bytes with two variations, which lies `here`."""
        root, bucket = new_blob_root(), self.project
        contents = {
            f"{root}.bin": self._chance.randbytes(length),
            f"{root}-t.jpg": self._chance.randbytes(200),
            f"{root}-480p.mp4": self._chance.randbytes(300),
        }
        for name, content in contents.items():
            await self.stores[HERE].put(f"{bucket}/_/{name}", body(content))
        known: dict[str, dict[str, Any]] = {
            name: {
                "length": len(content),
                "sha256": hashlib.sha256(content).hexdigest() if digests else None,
                "md5": hashlib.md5(content).hexdigest() if digests else "",
            }
            for name, content in contents.items()
        }
        original, preview, film = contents
        file = File(
            id=new_id(),
            created=int(NOW),
            updated=int(NOW),
            etag=new_etag(),
            project=self.project,
            user=self.user,
            name=original,
            filename="a plate.bin",
            content_type="application/octet-stream",
            backend=HERE,
            file_path=original,
            status="complete",
            variations=(
                Variation(
                    content_type="image/jpeg",
                    file_path=preview,
                    size="t",
                    is_public=True,
                    **known[preview],
                ),
                Variation(
                    content_type="video/mp4",
                    file_path=film,
                    size="480p",
                    format="mp4",
                    **known[film],
                ),
            ),
            **known[original],
        )
        file = msgspec.structs.replace(file, **fields)
        refs = [BlobRef(f"{bucket}/_/{original}", ORIGINAL)]
        refs += [BlobRef(f"{bucket}/_/{v.file_path}", v.size or "") for v in file.variations]
        await self.db.write(lambda tx: catalog_files.add(tx, file, refs))
        return file

    def now(self, file: File) -> File:
        """The file as it is now, deleted or not."""
        return self.db.read_now(partial(catalog_files.get, file_id=file.id, deleted=True))

    def edit(self, file: File, **fields: Any) -> None:
        """Somebody changes the document."""

        def work(tx: Tx) -> None:
            old = catalog_files.get(tx, file.id, deleted=True)
            new = msgspec.structs.replace(old, etag=new_etag(), **fields)
            catalog_files.replace(tx, old, new)

        self.db.write_now(work)

    def jobs(self, kind: str = DROP_BLOBS) -> list[Entry]:
        """The jobs of a kind."""
        return self.db.read_now(lambda tx: queue.listing(tx, kind=kind, limit=1000))

    async def keys(self, backend: str) -> set[str]:
        """What lies in a store."""
        return set(await listed_keys(self.stores[backend]))

    async def check(self, only: File | None = None, *, copies_in: str = "") -> dict[str, int]:
        """Hold the invariants, for all files or for one; how many files live where.

        A file has all its bytes where its row says that it lives. Whatever else lies in a store is
        in a job that will drop it, but for the copies that were meant to stay in `copies_in`.
        """
        rows = self.db.read_now(
            lambda tx: tx.execute(sa.select(blobs.c.file_id, blobs.c.key)).all()
        )
        known: dict[str, set[str]] = {}
        for row in rows:
            if only is None or row.file_id == only.id:
                known.setdefault(row.file_id, set()).add(row.key)
        wanted: dict[str, set[str]] = {HERE: set(), THERE: set()}
        count = {HERE: 0, THERE: 0}
        size = 0
        for file_id, keys in known.items():
            file = self.db.read_now(partial(catalog_files.get, file_id=file_id, deleted=True))
            count[file.backend] += 1
            size += file.length_aggregate
            await self._check_bytes(file, keys)
            wanted[file.backend] |= keys
        if only is None:
            assert self.db.read_now(lambda tx: projects.stats(tx, self.project)).bytes == size
        prefix = f"{self.project}/_/{only.name[:32]}" if only is not None else ""
        for backend in {HERE, THERE} - {copies_in}:
            noted = {
                key
                for job in self.jobs()
                if job.payload["backend"] == backend
                for key in job.payload["keys"]
            }
            there = set(await listed_keys(self.stores[backend], prefix))
            assert there <= wanted[backend] | noted
        return count

    async def _check_bytes(self, file: File, keys: set[str]) -> None:
        told = {file.file_path: (file.length, file.sha256)}
        told |= {each.file_path: (each.length, each.sha256) for each in file.variations}
        assert keys == {f"{file.bucket}/_/{name}" for name in told}
        for name, (length, sha256) in told.items():
            content = await read(self.stores[file.backend], f"{file.bucket}/_/{name}")
            assert len(content) == length
            assert sha256 in (None, hashlib.sha256(content).hexdigest())
