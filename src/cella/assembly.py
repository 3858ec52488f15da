"""Builds every object once. The only place that chooses implementations."""

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from cella import keyring
from cella.catalog.listing import Listing
from cella.clock import Clock, SystemClock
from cella.config import Config
from cella.db import Database, migrations
from cella.flows.administer import Administer
from cella.flows.discard import FORGET, Discard, Forget
from cella.flows.health import Health
from cella.flows.intents import Intents
from cella.flows.look import Look
from cella.flows.process import Digest, Process
from cella.flows.receive import DIGEST, PROCESS, Receive
from cella.flows.serve import Serve
from cella.flows.signin import SignIn
from cella.http.services import Services
from cella.jobs.bell import Bell
from cella.jobs.runner import Handler, Runner
from cella.links.token import Signer
from cella.links.urls import LocalLinks
from cella.links.validity import validity_of
from cella.lru import Lru
from cella.media.sandbox import Sandbox
from cella.scratch import Scratch
from cella.store.contract import Store
from cella.store.opening import backend_name, open_store

_RENDERED_BYTES = 64 << 20


class Assembly:
    """The parts of one process. Nothing is connected, made or read before `running`."""

    def __init__(
        self, config: Config, clock: Clock | None = None, store: Store | None = None
    ) -> None:
        self.config = config = keyring.complete(config)
        self.clock = clock or SystemClock()
        self.db = Database(config.database, config.data / "cella.sqlite")
        self.backend = backend_name(config.store)
        self.store = store or open_store(config.store, config.data / "blobs")
        self.stores: Mapping[str, Store] = {self.backend: self.store}
        self.scratch = Scratch(config.data / "scratch")
        self.sandbox = Sandbox(config.sandbox)
        self.bell = Bell()
        self.intents = Intents(self.db, self.stores, self.scratch)
        self.signer = Signer(config.links.link_keys)
        self.administer = Administer(
            db=self.db, token_key=config.service.auth_token_hmac_key, clock=self.clock
        )
        self.services = self._services()

    def _services(self) -> Services:
        config, db, clock = self.config, self.db, self.clock
        links = LocalLinks(base_url(config), self.signer, validity_of(config.links, self.backend))
        return Services(
            signin=SignIn(db=db, token_key=config.service.auth_token_hmac_key, clock=clock),
            receive=Receive(
                db=db,
                stores=self.stores,
                backend=self.backend,
                intents=self.intents,
                bell=self.bell,
                clock=clock,
                config=config.flows,
                access=config.access,
                attempts=config.jobs.max_attempts,
            ),
            look=Look(
                db=db,
                listing=Listing(),
                spellers={self.backend: links},
                clock=clock,
                access=config.access,
            ),
            discard=Discard(
                db=db, clock=clock, config=config.flows, attempts=config.jobs.max_attempts
            ),
            serve=Serve(
                db=db,
                stores=self.stores,
                signer=self.signer,
                clock=clock,
                access=config.access,
            ),
            health=Health(db=db, store=self.store),
            pacing=config.flows,
            origins=config.api.cors_origins,
            rendered=Lru(_RENDERED_BYTES),
        )

    def handlers(self) -> dict[str, Handler]:
        """Who does which kind of job."""
        db, stores, clock = self.db, self.stores, self.clock
        return {
            PROCESS: Process(
                db=db, stores=stores, sandbox=self.sandbox, scratch=self.scratch, clock=clock
            ),
            DIGEST: Digest(db=db, stores=stores, clock=clock),
            FORGET: Forget(db=db, stores=stores),
        }

    def runner(self) -> Runner:
        """What does the jobs in this process."""
        return Runner(
            self.db,
            self.handlers(),
            self.config.jobs,
            self.clock,
            self.bell,
            f"{socket.gethostname()}:{os.getpid()}",
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything open, the schema the newest, and what dead processes left put right."""
        self.db.open()
        try:
            migrations.upgrade(self.db)
            self.scratch.open()
            try:
                await self.store.open()
                try:
                    await self.intents.adopt()
                    yield
                finally:
                    await self.store.close()
            finally:
                self.scratch.close()
        finally:
            self.db.close()


def base_url(config: Config) -> str:
    """The address that links begin with; never taken from a request."""
    server_name = config.links.server_name
    if not server_name:
        host = config.service.host
        if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
            host = socket.gethostname()
        server_name = f"[{host}]" if ":" in host else host
        server_name += f":{config.service.port}"
    return f"{config.links.scheme}://{server_name}"
