"""Builds every object once. The only place that chooses implementations."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from cella import keyring
from cella.access.passwords import Passwords
from cella.catalog.listing import Listing
from cella.clock import Clock, SystemClock
from cella.config import Config, machine_variables
from cella.db import Database, migrations
from cella.encoding.config import ZENCODER, check_zencoder
from cella.encoding.zencoder import Zencoder
from cella.flows.accounts import Accounts
from cella.flows.administer import Administer
from cella.flows.again import Again
from cella.flows.arrivals import Arrivals
from cella.flows.browse import Browse
from cella.flows.change import Change
from cella.flows.config import (
    DIGEST,
    DROP_BLOBS,
    DROP_UPLOADS,
    ENCODE,
    ENCODED,
    FORGET,
    FORGET_PROJECT,
    JOIN,
    PROCESS,
    SOON,
    WHEN_IDLE,
    ZENCODER_CANCEL,
)
from cella.flows.discard import Discard, Forget, ForgetProject
from cella.flows.encode import Encode
from cella.flows.encoded import Encoded
from cella.flows.federate import Federate
from cella.flows.gather import Gather
from cella.flows.health import Health
from cella.flows.intents import Intents
from cella.flows.join import DropUploads, Join
from cella.flows.login import Login
from cella.flows.look import Look
from cella.flows.members import Members
from cella.flows.move import DropBlobs, Move
from cella.flows.organise import Organise
from cella.flows.oversee import Oversee
from cella.flows.process import Digest, Process
from cella.flows.receive import Receive
from cella.flows.refresh import LINKS_REFRESH, LinksRefresh, Refresh
from cella.flows.restore import Restore
from cella.flows.serve import Serve
from cella.flows.sessions import Sessions
from cella.flows.signin import SignIn
from cella.flows.sweep import SWEEP, Sweep, SweepAll
from cella.flows.tend import Tend
from cella.flows.verify import VERIFY, Verify, VerifyAll
from cella.flows.workshop import Workshop
from cella.flows.zencoder import (
    ZENCODER_SWEEP,
    CancelAtZencoder,
    EncodeAtZencoder,
    Notified,
    ZencoderSweep,
)
from cella.http.clients import trusted_networks
from cella.http.services import Services
from cella.identity.blender_id import provider_name
from cella.identity.opening import open_blender_id, open_code_flow, open_oidc
from cella.jobs.bell import Bell
from cella.jobs.periodic import Period
from cella.jobs.runner import Handler, Runner
from cella.links.cdn import CdnConfigs
from cella.links.old import UNITTEST
from cella.links.opening import Spellers, open_spellers
from cella.links.origins import Origins
from cella.links.threads import SigningThreads
from cella.links.token import Signer
from cella.links.urls import LocalLinks
from cella.links.validity import validity_of
from cella.lru import Lru
from cella.media import ffmpeg
from cella.media.sandbox import Sandbox
from cella.outbound import Outbound
from cella.scratch import Scratch
from cella.slots import Slots
from cella.store.config import Clouds
from cella.store.contract import Store
from cella.store.opening import old_stores, open_stores

_RENDERED_BYTES = 64 << 20
_DROP_UPLOADS_SECONDS = 3600.0

if TYPE_CHECKING:
    # Never executed. It is how mypy and import-linter see what is imported by name.
    from cella.flows.import_pillar.run import ImportPillar


class Assembly:
    """The parts of one process. Nothing is connected, made or read before `running`."""

    def __init__(
        self, config: Config, clock: Clock | None = None, store: Store | None = None
    ) -> None:
        self.config = config = keyring.complete(config)
        self.clock = clock or SystemClock()
        self.db = Database(config.database, config.data / "cella.sqlite")
        clouds = Clouds(
            gcs=config.gcs, s3=config.s3, azure=config.azure, machine=machine_variables()
        )
        self.backend, opened = open_stores(config.store, clouds, config.data / "blobs")
        self.store = store or opened[self.backend]
        self.stores: Mapping[str, Store] = {
            **opened,
            **old_stores(config.pillar),
            self.backend: self.store,
        }
        self.scratch = Scratch(config.data / "scratch")
        self.sandbox = Sandbox(config.sandbox)
        self.bell = Bell()
        self.intents = Intents(self.db, self.stores, self.scratch)
        self.signer = Signer(config.links.link_keys)
        self.outbound = Outbound(config.outbound)
        check_zencoder(config.encoding.backend, config.zencoder)
        self.zencoder = Zencoder(config.zencoder, self.outbound)
        self.spellers = self._spellers(base_url(config))
        self.origins = Origins(
            [each for backend, each in self.spellers.items() if backend != UNITTEST], self.clock
        )
        self.signing = SigningThreads()
        self.refresh = Refresh(
            db=self.db, spellers=self.spellers, threads=self.signing, clock=self.clock
        )
        self.arrivals = Arrivals(
            backend=self.backend,
            clock=self.clock,
            access=config.access,
            attempts=config.jobs.max_attempts,
        )
        self.passwords = Passwords()
        self.administer = Administer(
            db=self.db, token_key=config.service.auth_token_hmac_key, clock=self.clock
        )
        self.sweep = Sweep(
            db=self.db,
            stores=self.stores,
            home=self.backend,
            scratch=self.scratch,
            clock=self.clock,
        )
        self.verify = Verify(db=self.db, stores=self.stores, clock=self.clock)
        self.services = self._services()

    def _spellers(self, base: str) -> Spellers:
        config = self.config
        cdns = CdnConfigs(
            bunny=config.bunny,
            cdnsun=config.cdnsun,
            cloudfront=config.cloudfront,
            nginx=config.nginx,
        )
        return open_spellers(config.links, cdns, self.stores, base, self.signer)

    def _services(self) -> Services:
        config, db, clock, handlers = self.config, self.db, self.clock, self.handlers
        oidc = open_oidc(config.oidc, self.outbound, clock)
        back = f"{base_url(config)}/api/session/oidc/callback"
        slots = Slots(config.flows.upload_slots, "uploads")
        return Services(
            signin=SignIn(
                db=db,
                token_key=config.service.auth_token_hmac_key,
                clock=clock,
                oidc=oidc,
                blender_id=open_blender_id(config.blender_id, self.outbound, clock),
            ),
            login=Login(
                db=db,
                passwords=self.passwords,
                token_key=config.service.auth_token_hmac_key,
                clock=clock,
                config=config.login,
            ),
            federate=Federate(
                db=db,
                provider=open_code_flow(config.oidc, oidc, self.outbound, back),
                token_key=config.service.auth_token_hmac_key,
                clock=clock,
                config=config.login,
            ),
            sessions=Sessions(
                db=db,
                token_key=config.service.auth_token_hmac_key,
                clock=clock,
                days=config.login.session_days,
                access=config.access,
            ),
            accounts=Accounts(db=db, clock=clock),
            receive=Receive(
                db=db,
                stores=self.stores,
                arrivals=self.arrivals,
                intents=self.intents,
                bell=self.bell,
                config=config.flows,
                slots=slots,
            ),
            gather=Gather(
                db=db,
                stores=self.stores,
                arrivals=self.arrivals,
                intents=self.intents,
                bell=self.bell,
                clock=clock,
                config=config.flows,
                slots=slots,
                attempts=config.jobs.max_attempts,
            ),
            look=Look(
                db=db,
                listing=Listing(),
                spellers=self.spellers,
                clock=clock,
                bell=self.bell,
                access=config.access,
                threads=self.signing,
            ),
            browse=Browse(
                db=db,
                stores=self.stores,
                backend=self.backend,
                spellers=self.spellers,
                clock=clock,
                access=config.access,
            ),
            change=Change(db=db, clock=clock, backend=self.backend, access=config.access),
            discard=Discard(
                db=db,
                clock=clock,
                bell=self.bell,
                config=config.flows,
                attempts=config.jobs.max_attempts,
            ),
            restore=Restore(
                db=db,
                clock=clock,
                bell=self.bell,
                encoder=config.encoding.backend,
                attempts=config.jobs.max_attempts,
            ),
            organise=Organise(
                db=db,
                clock=clock,
                config=config.flows,
                access=config.access,
                attempts=config.jobs.max_attempts,
            ),
            members=Members(
                db=db,
                token_key=config.service.auth_token_hmac_key,
                clock=clock,
                login=config.login,
            ),
            serve=Serve(
                db=db,
                stores=self.stores,
                signer=self.signer,
                links=LocalLinks("", self.signer, validity_of(config.links, self.backend)),
                spellers=self._spellers(""),
                threads=self.signing,
                clock=clock,
                access=config.access,
            ),
            notified=Notified(
                db=db,
                clock=clock,
                bell=self.bell,
                wanted=config.encoding.backend == ZENCODER,
                secret=config.zencoder.notifications_secret,
                attempts=config.jobs.max_attempts,
            ),
            again=Again(
                db=db,
                handlers=handlers,
                clock=clock,
                bell=self.bell,
                attempts=config.jobs.max_attempts,
            ),
            administer=self.administer,
            oversee=Oversee(db=db, clock=clock),
            tend=self.tend(),
            sweep=self.sweep,
            verify=self.verify,
            backends=tuple(self.stores),
            health=Health(db=db, store=self.store),
            pacing=config.flows,
            origins=config.api.cors_origins,
            proxies=trusted_networks(config.api.trusted_proxies),
            is_https=config.links.scheme == "https",
            hash_password=self.passwords.hash,
            rendered=Lru(_RENDERED_BYTES),
            following=Slots(config.flows.event_streams, "event streams"),
            link_origins=self.origins.find,
        )

    @cached_property
    def handlers(self) -> Mapping[str, Handler]:
        """Who does which kind of job."""
        db, stores, clock = self.db, self.stores, self.clock
        workshop = Workshop(stores=stores, clock=clock)
        program = ffmpeg.find(self.config.ffmpeg.bin)
        handlers: dict[str, Handler] = {
            PROCESS: Process(
                db=db,
                workshop=workshop,
                sandbox=self.sandbox,
                ffmpeg=program,
                scratch=self.scratch,
                clock=clock,
                encoder=self.config.encoding.backend,
                attempts=self.config.jobs.max_attempts,
            ),
            ENCODE: Encode(
                db=db,
                workshop=workshop,
                sandbox=self.sandbox,
                ffmpeg=program,
                scratch=self.scratch,
                config=self.config.encoding,
            ),
            DIGEST: Digest(db=db, stores=stores, clock=clock),
            LINKS_REFRESH: LinksRefresh(refresh=self.refresh),
            FORGET: Forget(db=db, stores=stores),
            JOIN: Join(
                db=db,
                stores=stores,
                arrivals=self.arrivals,
                intents=self.intents,
                clock=clock,
                config=self.config.flows,
            ),
            DROP_UPLOADS: DropUploads(db=db, stores=stores, clock=clock),
            DROP_BLOBS: DropBlobs(db=db, stores=stores),
            FORGET_PROJECT: ForgetProject(
                db=db, clock=clock, attempts=self.config.jobs.max_attempts
            ),
            SWEEP: SweepAll(sweep=self.sweep, backends=stores),
            VERIFY: VerifyAll(verify=self.verify, backends=stores, most=self.config.verify.bytes),
        }
        return handlers | self._of_zencoder()

    def _of_zencoder(self) -> dict[str, Handler]:
        """What films need that are Zencoder's, or were until the setting was changed."""
        db, clock, attempts = self.db, self.clock, self.config.jobs.max_attempts
        client, config = self.zencoder, self.config.zencoder
        handlers: dict[str, Handler] = {
            ENCODED: Encoded(db=db, stores=self.stores, client=client, clock=clock, config=config),
            ZENCODER_CANCEL: CancelAtZencoder(client=client, clock=clock),
            ZENCODER_SWEEP: ZencoderSweep(
                db=db, client=client, clock=clock, config=config, attempts=attempts
            ),
        }
        if self.config.encoding.backend == ZENCODER:
            handlers[ENCODE] = EncodeAtZencoder(
                db=db,
                client=client,
                spellers=self.spellers,
                clock=clock,
                notifications_url=config.notifications_url,
                attempts=attempts,
            )
        return handlers

    def tend(self) -> Tend:
        """What people do to jobs by hand."""
        return Tend(
            db=self.db,
            handlers=self.handlers,
            clock=self.clock,
            attempts=self.config.jobs.max_attempts,
        )

    def import_pillar(self) -> "ImportPillar":
        """What takes over a dump of a Pillar server; hardly any process needs it loaded."""
        endpoint = self.config.blender_id.endpoint
        make: Callable[..., ImportPillar]
        make = import_module("cella.flows.import_pillar.run").ImportPillar
        return make(
            db=self.db,
            clock=self.clock,
            token_key=self.config.service.auth_token_hmac_key,
            provider=provider_name(endpoint) if endpoint else None,
            backends=self.stores,
            forget=FORGET,
            grace=self.config.flows.discard_grace,
            attempts=self.config.jobs.max_attempts,
        )

    def move(self) -> Move:
        """What moves files between the stores."""
        return Move(
            db=self.db,
            stores=self.stores,
            spellers=self.spellers,
            clock=self.clock,
            attempts=self.config.jobs.max_attempts,
        )

    def runner(self) -> Runner:
        """What does the jobs in this process."""
        return Runner(
            self.db,
            self.handlers,
            self.config.jobs,
            self.clock,
            self.bell,
            f"{socket.gethostname()}:{os.getpid()}",
            self.periods(),
        )

    def periods(self) -> list[Period]:
        """What is done every now and then."""
        config = self.config
        periods = [
            Period(kind=ZENCODER_SWEEP, seconds=config.zencoder.sweep_seconds, priority=SOON),
            Period(kind=DROP_UPLOADS, seconds=_DROP_UPLOADS_SECONDS, priority=WHEN_IDLE),
        ]
        wanted = [(SWEEP, config.sweep.seconds), (VERIFY, config.verify.seconds)]
        if self.spellers.slow():
            wanted.append((LINKS_REFRESH, config.links.link_refresh_seconds))
        for kind, seconds in wanted:
            if seconds:
                periods.append(Period(kind=kind, seconds=seconds, priority=WHEN_IDLE))
        return periods

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything open, the schema the newest, and what dead processes left put right."""
        self.outbound.open()
        self.db.open()
        try:
            migrations.upgrade(self.db)
            self.scratch.open()
            try:
                async with self.storing():
                    await self.intents.adopt()
                    yield
            finally:
                await self.services.signin.close()
                await self.outbound.close()
                self.scratch.close()
        finally:
            self.db.close()

    @asynccontextmanager
    async def storing(self) -> AsyncIterator[None]:
        """All stores open, and what signs their links closed afterwards."""
        async with AsyncExitStack() as stack:
            stack.callback(self.signing.close)
            for store in self.stores.values():
                await store.open()
                stack.push_async_callback(store.close)
            yield


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
