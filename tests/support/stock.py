"""A catalogue and a store that agree, and ways to make them disagree."""

import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa
from tests.catalog.documents import a_file, a_project, a_user, a_variation, changed
from tests.support.databases import PostgreSQL, sqlite

from cella.catalog import files, people, projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.catalog.tables import blobs as blobs_table
from cella.catalog.tables import files as files_table
from cella.clock import ManualClock
from cella.db import Database, Tx
from cella.db.schema import metadata
from cella.flows.sweep import Sweep
from cella.flows.verify import Verify
from cella.ids import new_blob_root
from cella.model import File
from cella.scratch import Scratch
from cella.store.checked import CheckedStore
from cella.store.contract import HasPath, Stat, Store
from cella.store.disk import DiskStore
from cella.store.memory import MemoryStore

START = 1_780_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR

MAKERS: dict[str, Callable[[Path, ManualClock], Store]] = {
    "disk": lambda folder, _: CheckedStore(DiskStore(folder / "blobs")),
    "memory": lambda _, clock: CheckedStore(MemoryStore(clock)),
}


@pytest.fixture(scope="module", params=MAKERS)
def furnished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Database]]:
    """Which stores there are, and a database for them: SQLite with disks, else PostgreSQL."""
    if request.param == "disk":
        with sqlite(tmp_path_factory.mktemp("catalogue")) as db:
            yield request.param, db
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        with server.database() as db:
            yield request.param, db


@pytest_asyncio.fixture
async def stock(furnished: tuple[str, Database], tmp_path: Path) -> AsyncIterator["Stock"]:
    """A project with twelve files, of two blobs each, of which the newest is two days old."""
    kind, db = furnished
    clock = ManualClock(START)
    stores = {name: MAKERS[kind](tmp_path / name, clock) for name in ("local", "elsewhere")}
    for store in stores.values():
        await store.open()
    made = Stock(db, stores, clock, tmp_path)
    await made.add(12)
    clock.advance(2 * DAY)
    yield made
    db.write_now(_empty)
    for store in stores.values():
        await store.close()


def _empty(tx: Tx) -> None:
    for table in reversed(metadata.sorted_tables):
        tx.execute(table.delete())


class Stock:
    """Files of one project, uploaded one after the other, each an hour after the one before."""

    def __init__(
        self, db: Database, stores: dict[str, Store], clock: ManualClock, folder: Path
    ) -> None:
        self.db = db
        self.stores = stores
        self.clock = clock
        self.scratch = Scratch(folder / "scratch")
        user = a_user()
        self.project = a_project(user.id)

        def furnish(tx: Tx) -> None:
            people.add_user(tx, user)
            projects.add(tx, self.project)

        db.write_now(furnish)

    @property
    def store(self) -> Store:
        """The store of new blobs."""
        return self.stores["local"]

    def sweep(self, **stores: Store) -> Sweep:
        """The flow, perhaps with other stores."""
        return Sweep(
            db=self.db,
            stores={**self.stores, **stores},
            home="local",
            scratch=self.scratch,
            clock=self.clock,
        )

    def verify(self, at_once: int = 4, **stores: Store) -> Verify:
        """The flow, perhaps with other stores."""
        return Verify(
            db=self.db, stores={**self.stores, **stores}, clock=self.clock, at_once=at_once
        )

    async def add(
        self, count: int = 1, *, variations: int = 1, size: int = 100, apart: float = HOUR
    ) -> list[File]:
        """New files with their bytes, of which each blob's are its own."""
        made = []
        for _ in range(count):
            self.clock.advance(apart)
            root = new_blob_root()
            contents = {f"{root}.png": content(f"{root}.png", size)}
            for number in range(variations):
                name = f"{root}-{number}.jpg"
                contents[name] = content(name, size // 2)
            for name, each in contents.items():
                await self.put(self.key(name), each)
            made.append(
                a_file(
                    self.project.id,
                    created=int(self.clock.now()),
                    file_path=f"{root}.png",
                    length=size,
                    sha256=hashlib.sha256(contents.pop(f"{root}.png")).hexdigest(),
                    variations=tuple(
                        a_variation(
                            file_path=name,
                            size=str(number),
                            length=len(each),
                            sha256=hashlib.sha256(each).hexdigest(),
                        )
                        for number, (name, each) in enumerate(contents.items())
                    ),
                )
            )
        self.record(made)
        return made

    def record(self, made: Iterable[File]) -> None:
        """Write their rows."""
        new = list(made)

        def work(tx: Tx) -> None:
            for file in new:
                refs = [BlobRef(self.key(file.file_path or ""), ORIGINAL)]
                refs += [BlobRef(self.key(v.file_path), v.size or "") for v in file.variations]
                files.add(tx, file, refs)

        self.db.write_now(work)

    def lose(self, lost: Iterable[File]) -> None:
        """Have the database be one in which they were not yet."""
        ids = [file.id for file in lost]

        def work(tx: Tx) -> None:
            tx.execute(sa.delete(blobs_table).where(blobs_table.c.file_id.in_(ids)))
            tx.execute(sa.delete(files_table).where(files_table.c.id.in_(ids)))

        self.db.write_now(work)

    def change(self, file: File, **fields: object) -> File:
        """Write other values into a file's row."""
        old = self.file(file)
        new = changed(old, **fields)
        self.db.write_now(lambda tx: files.replace(tx, old, new))
        return new

    def file(self, file: File) -> File:
        """The file as it is now."""
        return self.db.read_now(partial(files.get, file_id=file.id, deleted=True))

    def files(self) -> list[File]:
        """All files."""

        def work(tx: Tx) -> list[File]:
            return list(map(files.from_row, tx.execute(sa.select(*files.COLUMNS))))

        return self.db.read_now(work)

    async def put(self, key: str, content: bytes, backend: str = "local") -> str:
        """Bytes that were put at this moment; the key."""
        store = self.stores[backend]
        if isinstance(store, HasPath):
            # Without waiting for the disk: that is no part of what is tested here.
            path = store.path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (self.clock.now(), self.clock.now()))
        else:

            async def body() -> AsyncIterator[bytes]:
                yield content

            await store.put(key, body(), replace=True)
        return key

    async def stray(self, count: int = 1, *, apart: float = 0.0) -> list[str]:
        """Originals without a row."""
        made = []
        for _ in range(count):
            self.clock.advance(apart)
            made.append(await self.put(self.key(f"{new_blob_root()}.png"), b"nobody knows"))
        return made

    async def keys(self, backend: str = "local") -> set[str]:
        """What is in a store."""
        return {blob.key async for blob in self.stores[backend].list()}

    def key(self, name: str) -> str:
        """The key of a blob of this name."""
        return f"{self.project.id}/_/{name}"

    def keys_of(self, file: File) -> list[str]:
        """The keys of a file's blobs, the original's first."""
        names = [file.file_path or "", *(each.file_path for each in file.variations)]
        return [self.key(name) for name in names]


class Meddling:
    """A store before whose `head` and `get` something else happens."""

    def __init__(self, inner: Store, meddle: Callable[[str], Awaitable[None]]) -> None:
        self._inner = inner
        self._meddle = meddle

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def head(self, key: str) -> Stat:
        """Look at the blob, a moment later."""
        await self._meddle(key)
        return await self._inner.head(key)

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read the blob, a moment later."""
        await self._meddle(key)
        async for block in self._inner.get(key, start, stop):
            yield block


def content(name: str, size: int) -> bytes:
    """Bytes that no other name has."""
    block = hashlib.sha256(name.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def with_variations(file: File, **fields: object) -> File:
    """The file, with its variations changed."""
    return msgspec.structs.replace(
        file,
        variations=tuple(msgspec.structs.replace(each, **fields) for each in file.variations),
    )
