"""What `read` and `write` promise, on each database."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.db import writing_process
from tests.db.notes import note, noted, notes
from tests.support import databases
from tests.support.databases import address

from cella.catalog.tables import tokens
from cella.db import Database, DatabaseConfig, Tx
from cella.errors import BadConfig, DatabaseUnavailable

KILLS = 6
ANSWERS_BEFORE_KILL = 60


@pytest.fixture
def db(database: Database) -> Database:
    notes.create(database.engine)
    return database


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Database]:
    """An SQLite database, where writes that wait share a commit."""
    with databases.sqlite(tmp_path) as database:
        notes.create(database.engine)
        yield database


async def _group(db: Database, works: list[Callable[[Tx], object]]) -> list[object]:
    """The outcomes of writes that wait together for the writer, and so share one commit."""
    begun, go = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        begun.set()
        go.wait()

    holding = asyncio.ensure_future(db.write(hold))
    await asyncio.to_thread(begun.wait)
    outcomes = asyncio.gather(*(db.write(work) for work in works), return_exceptions=True)
    await asyncio.sleep(0)
    go.set()
    await holding
    return await outcomes


def _process(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, writing_process.__file__, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Refusal(Exception):
    """What a transaction of a test raises."""


# --- One at a time ---


async def test_what_work_returns_is_returned(db: Database) -> None:
    assert await db.write(note(1)) == 1
    assert db.write_now(note(2)) == 2
    assert await db.read(lambda tx: tx.scalar(sa.select(sa.func.count()).select_from(notes))) == 2
    await db.ask()


async def test_errors_come_out_as_they_are_and_undo_everything(db: Database) -> None:
    refusal = Refusal("no")

    def work(tx: Tx) -> None:
        note(1)(tx)
        raise refusal

    def look(tx: Tx) -> None:
        raise refusal

    with pytest.raises(Refusal) as caught:
        await db.read(look)
    assert caught.value is refusal
    with pytest.raises(Refusal) as caught:
        await db.write(work)
    assert caught.value is refusal
    with pytest.raises(Refusal) as caught:
        db.write_now(work)
    assert caught.value is refusal
    assert noted(db) == set()


async def test_an_error_of_the_database_is_the_callers_too(db: Database) -> None:
    await db.write(note(1))
    with pytest.raises(IntegrityError):
        await db.write(note(1))
    await db.write(note(2))
    assert noted(db) == {1, 2}


async def test_read_does_not_write(db: Database) -> None:
    with pytest.raises(DBAPIError):
        await db.read(note(1))
    assert noted(db) == set()
    await db.write(note(1))


async def test_a_read_sees_one_state_throughout(db: Database) -> None:
    def work(tx: Tx) -> tuple[int, int]:
        count = sa.select(sa.func.count()).select_from(notes)
        before = tx.scalar(count)
        db.write_now(note(1))
        return before or 0, tx.scalar(count) or 0

    assert await db.read(work) == (0, 0)
    assert noted(db) == {1}


# --- Many at once ---


async def test_a_failure_among_many_harms_no_other(db: Database) -> None:
    def failing(number: int) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            note(number)(tx)
            raise Refusal(number)

        return work

    works = [failing(n) if n % 7 == 3 else note(n) for n in range(50)]
    outcomes = await asyncio.gather(*(db.write(work) for work in works), return_exceptions=True)

    for number, outcome in enumerate(outcomes):
        if number % 7 == 3:
            assert isinstance(outcome, Refusal)
            assert outcome.args == (number,)
        else:
            assert outcome == number
    assert noted(db) == {n for n in range(50) if n % 7 != 3}


async def test_writes_that_wait_share_a_commit(lite: Database) -> None:
    commits: list[object] = []
    sa.event.listen(lite.engine, "commit", commits.append)

    outcomes = await _group(lite, [note(n) for n in range(50)])

    assert outcomes == list(range(50))
    assert noted(lite) == set(range(50))
    assert len(commits) == 2


async def test_a_commit_that_fails_fails_all(lite: Database) -> None:
    def orphan(tx: Tx) -> None:
        tx.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        row = {"id": "t", "hash": "h", "user_id": "nobody", "subclient": "", "created": 0}
        tx.execute(tokens.insert(), row)

    outcomes = await _group(lite, [note(1), note(2), orphan, note(3)])

    assert [type(outcome) for outcome in outcomes] == [IntegrityError] * 4
    assert noted(lite) == set()
    await lite.write(note(4))
    assert noted(lite) == {4}


async def test_a_statement_that_rolls_everything_back_fails_all(lite: Database) -> None:
    await lite.write(note(1))

    def ruin(tx: Tx) -> None:
        tx.exec_driver_sql("INSERT OR ROLLBACK INTO notes (number, text) VALUES (1, '')")

    outcomes = await _group(lite, [note(2), note(3), ruin, note(4)])

    assert all(isinstance(outcome, DBAPIError) for outcome in outcomes), outcomes
    assert noted(lite) == {1}
    await lite.write(note(5))
    assert noted(lite) == {1, 5}


async def test_a_full_disk_loses_nothing_that_was_answered(lite: Database) -> None:
    def room_for(pages: int) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            used = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
            tx.exec_driver_sql(f"PRAGMA max_page_count={used + pages}")

        return work

    await lite.write(room_for(100))
    outcomes = await _group(lite, [note(n, "x" * 100_000) for n in range(20)])

    answered = {outcome for outcome in outcomes if isinstance(outcome, int)}
    assert noted(lite) == answered
    refused = [outcome for outcome in outcomes if not isinstance(outcome, int)]
    assert refused
    assert all("full" in str(outcome) for outcome in refused)

    await lite.write(room_for(1000))
    await lite.write(note(100, "x" * 100_000))
    assert noted(lite) == answered | {100}


async def test_a_write_that_is_cancelled_before_it_begins_never_is(lite: Database) -> None:
    begun, go = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        begun.set()
        go.wait()

    holding = asyncio.ensure_future(lite.write(hold))
    await asyncio.to_thread(begun.wait)
    waiting = asyncio.ensure_future(lite.write(note(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    await holding
    await lite.write(note(2))
    assert noted(lite) == {2}


async def test_a_write_that_is_cancelled_after_it_began_stands(lite: Database) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        begun.set()
        go.wait()
        note(1)(tx)

    running = asyncio.ensure_future(lite.write(slow))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go.set()
    await lite.write(note(2))
    assert noted(lite) == {1, 2}


async def test_close_finishes_what_waits(tmp_path: Path) -> None:
    with databases.sqlite(tmp_path) as first:
        notes.create(first.engine)
        url = address(first)
        writes = [asyncio.ensure_future(first.write(note(n))) for n in range(20)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*writes) == list(range(20))
    with databases.opened(url) as again:
        assert noted(again) == set(range(20))


async def test_a_deadlock_is_tried_again(postgresql: databases.PostgreSQL) -> None:
    with postgresql.database() as db:
        notes.create(db.engine)
        db.write_now(note(1))
        db.write_now(note(2))
        both_hold_one = threading.Barrier(2)
        attempts: list[int] = []

        def change(first: int, second: int) -> Callable[[Tx], None]:
            def work(tx: Tx) -> None:
                attempts.append(first)
                _append(tx, first)
                if attempts.count(first) == 1:
                    both_hold_one.wait(30)
                _append(tx, second)

            return work

        await asyncio.gather(db.write(change(1, 2)), db.write(change(2, 1)))

        texts = db.read_now(lambda tx: tx.scalars(sa.select(notes.c.text)).all())
    assert texts == ["xx", "xx"]
    assert len(attempts) > 2


def _append(tx: Tx, number: int) -> None:
    tx.execute(notes.update().where(notes.c.number == number).values(text=notes.c.text + "x"))


# --- Many processes ---


def test_what_was_answered_survives_a_kill(db: Database) -> None:
    answered: set[int] = set()
    for kill in range(KILLS):
        first = kill * 1_000_000
        with _process(address(db), "note", first, first + 1_000_000) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            lines = [process.stdout.readline() for _ in range(ANSWERS_BEFORE_KILL + kill)]
            process.kill()
            lines += process.stdout
            assert process.stderr.read() == ""
        # The line that was being printed may be cut.
        answered |= {int(line) for line in lines if line.endswith("\n")}

    assert answered <= noted(db)
    if db.is_sqlite:
        assert db.read_now(lambda tx: tx.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"


def test_processes_take_turns(db: Database) -> None:
    db.write_now(note(0, "0"))
    processes = [_process(address(db), "count", 0, 100) for _ in range(4)]
    ends = [process.communicate(timeout=60) for process in processes]

    assert ends == [("", "")] * 4
    assert db.read_now(lambda tx: tx.scalar(sa.select(notes.c.text))) == "400"


# --- Addresses ---


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2@host/db",
        "hunter2",
        "/var/hunter2",
        "postgresql:hunter2",
        "postgresql://u:hunter2@host:port/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
    ],
)
def test_an_address_that_is_none_is_refused_by_name(url: str) -> None:
    with pytest.raises(BadConfig, match="CELLA_DATABASE_URL") as caught:
        Database(DatabaseConfig(url=url), Path())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_description_has_no_password(scheme: str) -> None:
    url = f"{scheme}://cella:hunter2@db.example:5432/cella?password=hunter3&sslmode=require"
    assert Database(DatabaseConfig(url=url), Path()).description == (
        "postgresql+psycopg://cella:***@db.example:5432/cella?password=***&sslmode=require"
    )


def test_without_an_address_it_is_sqlite_in_the_given_file(tmp_path: Path) -> None:
    db = Database(DatabaseConfig(), tmp_path / "deep" / "cella.sqlite")
    assert db.is_sqlite
    assert not (tmp_path / "deep").exists()
    db.open()
    db.close()
    assert (tmp_path / "deep" / "cella.sqlite").exists()


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "cella.sqlite").write_bytes(b"no database" * 1000)
    db = Database(DatabaseConfig(), tmp_path / "cella.sqlite")
    with pytest.raises(DatabaseUnavailable, match="CELLA_DATABASE_URL"):
        db.open()


def test_a_server_that_does_not_answer_is_said_not_to(tmp_path: Path) -> None:
    db = Database(DatabaseConfig(url=f"postgresql://u:hunter2@/db?host={tmp_path}"), tmp_path)
    with pytest.raises(DatabaseUnavailable) as caught:
        db.open()
    assert "hunter2" not in str(caught.value)
