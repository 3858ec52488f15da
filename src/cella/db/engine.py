"""One door to SQLite and to PostgreSQL: `read` and `write` run a function in a transaction.

The drivers are blocking, so each transaction is one hop to a thread: callers hand over a plain
function of the connection, which does all its statements there.

SQLite has one writer at a time. A thread of our own is that writer; transactions that wait for
it while it commits are taken together and made durable by one commit (group commit), each in a
savepoint of its own, so one that fails does not touch its neighbours. None of them is answered
before that commit. `synchronous=FULL` makes the commit survive a power cut.

What strangers make the database look for is a `search`: it is given up after a while, and there
are always threads and connections left for everything else.
"""

import asyncio
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from cella.db import patterns
from cella.errors import BadConfig, BadRequest, DatabaseUnavailable, Overloaded
from cella.settings import Count, Settings, SomeSeconds, hide_password

Tx = Connection
"""A connection inside a transaction; it commits or rolls back when the function returns."""

T = TypeVar("T")
Work = Callable[[Tx], T]

_GROUP = 64
_RETRIES = 5
_STEPS = 100
"""Steps of SQLite's virtual machine between two looks at the clock.

They take microseconds, but each dozen of them may hold a pattern against a long text.
"""
_CANCELLED = "57014"
_MAX_TIMEOUT = (1 << 31) - 1


class DatabaseConfig(Settings, kw_only=True, frozen=True):
    """Where the catalogue is.

    `url` is empty for SQLite in the data directory, or `sqlite:///PATH`, or
    `postgresql://user:password@host:port/name`. `readers` is how many reads go on at once, and
    `search_seconds` how long a search may take, and how long it may wait for its turn.
    """

    url: str = ""
    readers: Count = 4
    pool_size: Count = 10
    search_seconds: SomeSeconds = 5.0


class Database:
    """The catalogue's database. `open` connects; `close` waits for what is under way."""

    def __init__(self, config: DatabaseConfig, default_path: Path) -> None:
        self._url = _parse(config.url, default_path)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._config = config
        self._writer: _GroupWriter | None = None

    @property
    def description(self) -> str:
        """The address without its password."""
        return hide_password(self._url.render_as_string(hide_password=False))

    def open(self) -> None:
        """Connect. The schema is made by `cella.db.migrations.upgrade`, not here.

        Raises `DatabaseUnavailable` where the database does not answer or is none.
        """
        if self.is_sqlite:
            path = Path(self._url.database or "")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writing = _sqlite_engine(self._url, 1, writer=True)
            self._reading = _sqlite_engine(self._url, self._config.readers, writer=False)
            self._writer = _GroupWriter(self._writing)
            threads = self._config.readers
        else:
            threads = self._config.pool_size
            self._writing = sa.create_engine(
                self._url, pool_size=threads, max_overflow=0, pool_pre_ping=True
            )
            self._reading = self._writing.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="cella-db")
        self._searchers = ThreadPoolExecutor(
            max(1, threads // 2), thread_name_prefix="cella-db-search"
        )
        try:
            self._writing.connect().close()
        except DBAPIError as error:
            self.close()
            raise DatabaseUnavailable(
                f"The database cannot be opened; check the data directory or "
                f"CELLA_DATABASE_URL: {error.orig}"
            ) from error

    def close(self) -> None:
        """Finish what is under way and disconnect."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._threads.shutdown()
        self._searchers.shutdown()
        self._reading.dispose()
        self._writing.dispose()

    @property
    def engine(self) -> Engine:
        """The engine that writes; for migrations and administration."""
        return self._writing

    async def ask(self) -> None:
        """Have the database give a sign of life; raises what comes instead of one."""
        await self.read(lambda tx: tx.execute(sa.select(1)))

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that only reads, on one consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read_now, work)

    async def search(self, work: Work[T]) -> T:
        """Like `read`, for what may take long. No more than half of all reads are of this kind.

        Raises `BadRequest` where it takes longer than `search_seconds`, and `Overloaded` where
        its turn does not come in that time: who asked may be gone by then.
        """
        loop = asyncio.get_running_loop()
        asked = time.monotonic()
        return await loop.run_in_executor(self._searchers, self._search_in_time, work, asked)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return when it is durable.

        `work` may be run again after a serialisation conflict, so it must have no effect but
        on the database. What it raises rolls it back and is raised here. Cancelling the caller
        does not undo a transaction that has begun.
        """
        if self._writer is not None:
            return await asyncio.wrap_future(self._writer.submit(work))
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.write_now, work)

    def read_now(self, work: Work[T]) -> T:
        """Like `read`, blocking the calling thread."""
        with self._reading.connect() as tx, tx.begin():
            return work(tx)

    def search_now(self, work: Work[T]) -> T:
        """Like `search`, blocking the calling thread, and at once."""
        seconds = self._config.search_seconds
        limited = _limited_on_sqlite if self.is_sqlite else _limited_on_postgresql
        try:
            with self._reading.connect() as tx, tx.begin(), limited(tx, seconds):
                return work(tx)
        except DBAPIError as error:
            if not _is_cancelled(error):
                raise
            raise BadRequest(
                f"This was not found within {seconds:g} seconds, and was given up. "
                "Ask for less: let `where` name a project, and put fewer conditions."
            ) from None

    def _search_in_time(self, work: Work[T], asked: float) -> T:
        if time.monotonic() - asked > self._config.search_seconds:
            raise Overloaded("Too many are searching. Try again in a moment.")
        return self.search_now(work)

    def write_now(self, work: Work[T]) -> T:
        """Like `write`, blocking the calling thread."""
        if self._writer is not None:
            return self._writer.submit(work).result()
        for attempt in range(_RETRIES):
            try:
                with self._writing.begin() as tx:
                    return work(tx)
            except DBAPIError as error:
                if attempt == _RETRIES - 1 or not _is_conflict(error):
                    raise
        raise AssertionError("unreachable")


class _GroupWriter:
    """The one thread that writes to SQLite."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="cella-db-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> "Future[T]":
        future: Future[T] = Future()
        self._waiting.put((work, future))
        return future

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group, last = self._next_group()
            if group:
                self._commit(group)
            if last:
                return

    def _next_group(self) -> tuple[list[tuple[Work[Any], Future[Any]]], bool]:
        group: list[tuple[Work[Any], Future[Any]]] = []
        item = self._waiting.get()
        while item is not None:
            if item[1].set_running_or_notify_cancel():
                group.append(item)
            if len(group) >= _GROUP:
                return group, False
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[tuple[Work[Any], Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        alone = len(group) == 1
        try:
            with self._engine.begin() as tx:
                for work, future in group:
                    savepoint = None if alone else tx.begin_nested()
                    try:
                        result = work(tx)
                        if savepoint is not None:
                            savepoint.commit()
                    except BaseException as error:
                        future.set_exception(error)
                        # A full disk, say, makes SQLite roll back the whole of the group.
                        if savepoint is None or not _in_transaction(tx):
                            raise
                        savepoint.rollback()
                    else:
                        done.append((future, result))
        except BaseException as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)


def _in_transaction(tx: Tx) -> bool:
    driver: Any = tx.connection.driver_connection
    return bool(driver.in_transaction)


def _parse(text: str, default_path: Path) -> URL:
    if not text:
        return URL.create("sqlite+pysqlite", database=str(default_path))
    scheme = re.match(r"(sqlite|postgres(?:ql)?)(?:\+\w+)?:", text)
    if scheme is None:
        raise BadConfig(
            "CELLA_DATABASE_URL must begin with sqlite:/// or postgresql:// "
            "(or be left out for SQLite in the data directory)."
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise BadConfig("CELLA_DATABASE_URL is not a URL that can be understood.") from None
    if scheme[1] != "sqlite":
        return url.set(drivername="postgresql+psycopg")
    if url.database in (None, "", ":memory:"):
        raise BadConfig(
            "CELLA_DATABASE_URL needs the path of a file, such as sqlite:////srv/cella/cella.sqlite"
        )
    return url.set(drivername="sqlite+pysqlite")


def _sqlite_engine(url: URL, size: int, *, writer: bool) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": 30.0},
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling knows no BEGIN IMMEDIATE and no savepoints.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-65536",
            "mmap_size=268435456",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if not writer:
            connection.execute("PRAGMA query_only=ON")
            patterns.register(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Taking the write lock at once avoids the deadlock of two readers that both want it.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


@contextmanager
def _limited_on_sqlite(tx: Tx, seconds: float) -> Iterator[None]:
    """Give up what is done on the connection when the time is over."""
    driver: Any = tx.connection.driver_connection
    deadline = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _limited_on_postgresql(tx: Tx, seconds: float) -> Iterator[None]:
    """Give up each statement of the transaction that takes longer."""
    milliseconds = max(1, min(int(seconds * 1000), _MAX_TIMEOUT))
    tx.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
    yield


def _is_cancelled(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    return getattr(error.orig, "sqlstate", None) == _CANCELLED


def _is_conflict(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")
