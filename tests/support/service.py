"""The whole service for tests: a real uvicorn on a real loopback socket, in a thread."""

import asyncio
import itertools
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import sqlalchemy as sa
import uvicorn
from tests.support import databases
from tests.support.servers import wait_until
from tests.support.stores import listed_keys

from cella import asgi, config
from cella.assembly import Assembly
from cella.catalog import files, projects
from cella.catalog.files import BlobRef
from cella.catalog.tables import projects as projects_table
from cella.catalog.tables import users as users_table
from cella.cli.connection import BoundedProtocol
from cella.cli.processes import KEEP_ALIVE_SECONDS
from cella.clock import Clock
from cella.db.schema import metadata
from cella.ids import new_etag, new_id
from cella.jobs.statements import READY, RUNNING
from cella.jobs.tables import jobs
from cella.model import File, Grant, Permissions, Project
from cella.model.project import Method
from cella.store.config import Clouds
from cella.store.contract import Store
from cella.store.opening import open_stores

LIMIT = 20 << 10
"""Bytes that the uploads of a user without roles must stay below."""

ORIGIN = "https://studio.example"
"""The origin that may send credentials."""

LINK_KEY = "a key for the links of tests, long enough"
PATIENCE = 60.0

_numbers = itertools.count()


class Account(NamedTuple):
    """A user who has a token."""

    id: str
    username: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """How this user signs in."""
        return {"Authorization": f"Bearer {self.token}"}


class Service:
    """A running service, with what tests do to it: over HTTP, and behind its back."""

    def __init__(self, assembly: Assembly, port: int, http: httpx.Client) -> None:
        self.assembly = assembly
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._http = http

    # Over HTTP

    def request(
        self,
        method: str,
        path: str,
        by: Account | None = None,
        headers: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> httpx.Response:
        """One request by a user, or by nobody in particular; `path` may be a whole link."""
        signed = {**(by.headers if by else {}), **(headers or {})}
        self._http.cookies.clear()
        return self._http.request(method, path, headers=signed, **arguments)

    def get(self, path: str, by: Account | None = None, **arguments: Any) -> httpx.Response:
        """A GET."""
        return self.request("GET", path, by, **arguments)

    def stream(self, path: str) -> AbstractContextManager[httpx.Response]:
        """A GET whose body is read as it comes."""
        return self._http.stream("GET", path)

    def upload(
        self,
        by: Account,
        project: Project,
        content: bytes = b"some bytes",
        name: str = "some.bin",
        content_type: str = "application/octet-stream",
    ) -> dict[str, Any]:
        """Upload a file, and read its document when all work on it is done."""
        answer = self.request(
            "POST",
            f"/api/storage/stream/{project.id}",
            by,
            files={"file": (name, content, content_type)},
        )
        assert answer.status_code == 201, answer.text
        return self.document(by, answer.json()["file_id"])

    def document(self, by: Account, file_id: str) -> dict[str, Any]:
        """A file's document as `by` sees it."""
        answer = self.get(f"/api/files/{file_id}", by)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    # Behind its back

    def account(self, *roles: str, days: float | None = None) -> Account:
        """A new user with a token that is valid for `days`."""
        name = f"user{next(_numbers)}"
        user = self.assembly.administer.add_user(name, f"{name}@studio.example", roles)
        return Account(user.id, name, self.assembly.administer.new_token(name, days))

    def disable(self, account: Account) -> None:
        """Disable the user."""
        self._change(
            sa.update(users_table).where(users_table.c.id == account.id).values(disabled=True)
        )

    def project(self, owner: Account, *, public: bool = True) -> Project:
        """A new project, whose first member is its owner."""
        name = f"Project {next(_numbers)}"
        return self.assembly.administer.new_project(name, owner.username, public=public)

    def project_with(
        self, owner: Account, *, world: tuple[Method, ...], grants: tuple[Grant, ...] = ()
    ) -> Project:
        """A new project without members, with these permissions for the world and for users."""
        project_id = new_id()
        project = Project(
            id=project_id,
            created=0,
            updated=0,
            etag=new_etag(),
            name="open",
            url=f"p-{project_id}",
            user=owner.id,
            permissions=Permissions(world=world, users=grants),
        )
        self.assembly.db.write_now(lambda tx: projects.add(tx, project))
        return project

    def soft_delete(self, project: Project) -> None:
        """Delete the project as the original did: its row stays."""
        self._change(
            sa.update(projects_table).where(projects_table.c.id == project.id).values(deleted=1)
        )

    def change(self, file_id: str, *refs: BlobRef, **fields: Any) -> None:
        """Write other values into a file's row; `refs` are blobs that it gets on top."""

        def work(tx: sa.Connection) -> None:
            old = files.get(tx, file_id)
            files.replace(tx, old, msgspec.structs.replace(old, etag=new_etag(), **fields), refs)

        self.assembly.db.write_now(work)

    def file(self, file_id: str) -> File:
        """A file as the catalogue has it."""
        return self.assembly.db.read_now(lambda tx: files.get(tx, file_id))

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables but those of jobs, which workers may be writing."""

        def work(tx: sa.Connection) -> dict[str, list[tuple[Any, ...]]]:
            return {
                table.name: [tuple(row) for row in tx.execute(table.select())]
                for table in metadata.sorted_tables
                if table is not jobs
            }

        return self.assembly.db.read_now(work)

    def blobs(self, owner: Project | Account) -> list[str]:
        """The keys of the blobs in the store that are a project's, or a user's own."""
        return asyncio.run(listed_keys(self.assembly.store, f"{owner.id}/"))

    def put_blob(self, key: str, content: bytes) -> None:
        """Put a blob into the store."""

        async def work() -> None:
            async def body() -> Any:
                yield content

            await self.assembly.store.put(key, body())

        asyncio.run(work())

    def under_way(self) -> list[str]:
        """Intents, half-written blobs and copies: what stands for something unfinished."""
        data = self.assembly.config.data
        left = [key for _, key in self.assembly.scratch.unsettled]
        for place in (data / "scratch", data / "blobs" / ".incoming"):
            files = (path for path in place.rglob("*") if path.is_file())
            left += [path.name for path in files if path.suffix != ".lock"]
        return [name for name in left if name != "intents"]

    def is_idle(self) -> bool:
        """Whether no job is under way or due."""
        is_due = (jobs.c.state == READY) & (jobs.c.run_at <= self.assembly.clock.now())
        busy = sa.select(sa.exists().where(is_due | (jobs.c.state == RUNNING)))
        return not self.assembly.db.read_now(lambda tx: tx.execute(busy).scalar_one())

    def wait_until_idle(self) -> None:
        """Wait until the worker has nothing to do."""
        wait_until(self.is_idle)

    def assert_nothing_left(self, owner: Project | Account) -> None:
        """Neither row nor blob of the project or user is there, nor anything half-done at all."""
        wait_until(lambda: not self.under_way())
        assert self.blobs(owner) == []
        rows = self.everything()
        assert owner.id not in {value for row in rows["files"] for value in row}
        assert not [row for row in rows["blobs"] if str(row[0]).startswith(owner.id)]

    def _change(self, statement: sa.Update) -> None:
        self.assembly.db.write_now(lambda tx: tx.execute(statement))


@contextmanager
def running(
    folder: Path,
    clock: Clock | None = None,
    send_buffer: int | None = None,
    store: Store | None = None,
    **settings: Any,
) -> Iterator[Service]:
    """A service with its data in `folder`, stopped at the end.

    `settings` are by name, as in `cella.toml`; `send_buffer` is in bytes, for each connection;
    `store` takes the place of the one that new blobs would go to.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        port = listener.getsockname()[1]
        defaults = {
            "data": str(folder),
            "port": port,
            "link_keys": [LINK_KEY],
            "filesize_limit_bytes_nonsubs": LIMIT,
            "cors_origins": [ORIGIN],
            # How long a busy machine searches says nothing of what is tested.
            "database_search_seconds": PATIENCE,
        }
        settled = config.load({}, folder=folder, overrides=defaults | settings)
        catalogue = settled.data / "cella.sqlite"
        if not settled.database.url and not catalogue.exists():
            catalogue.parent.mkdir(parents=True, exist_ok=True)
            catalogue.write_bytes(databases.empty_sqlite())
        clouds = Clouds(gcs=settled.gcs, s3=settled.s3, azure=settled.azure)
        backend, stores = open_stores(settled.store, clouds, settled.data / "blobs")
        assembly = Assembly(settled, clock, store or stores[backend])
        server = uvicorn.Server(
            uvicorn.Config(
                asgi.build(assembly),
                loop="uvloop",
                http=BoundedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=5,
            )
        )
        thread = threading.Thread(target=server.run, args=[[listener]], name="service")
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            assert server.started, "the service did not start; see its log"
            http = stack.enter_context(loopback_client(port))
            yield Service(assembly, port, http)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the service does not stop"


def loopback_client(port: int) -> httpx.Client:
    """A client of the service that looks at no setting of the machine."""
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, verify=False, trust_env=False
    )


@contextmanager
def postgresql_database(server: databases.PostgreSQL) -> Iterator[tuple[str, str]]:
    """The name and the URL of a fresh database without any table, dropped afterwards."""
    name = f"cella_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name}")
    try:
        yield name, server.url(name)
    finally:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


Start = Callable[..., Service]
"""What starts a service with these arguments of `running`."""
