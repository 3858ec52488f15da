"""What the entrances are handed: the flows, and the settings of HTTP itself."""

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import NamedTuple

from starlette.requests import Request

from cella.flows.accounts import Accounts
from cella.flows.administer import Administer
from cella.flows.again import Again
from cella.flows.browse import Browse
from cella.flows.change import Change
from cella.flows.config import FlowsConfig
from cella.flows.discard import Discard
from cella.flows.federate import Federate
from cella.flows.gather import Gather
from cella.flows.health import Health
from cella.flows.login import Login
from cella.flows.look import Look
from cella.flows.members import Members
from cella.flows.organise import Organise
from cella.flows.oversee import Oversee
from cella.flows.receive import Receive
from cella.flows.restore import Restore
from cella.flows.serve import Serve
from cella.flows.sessions import Sessions
from cella.flows.signin import SignIn
from cella.flows.sweep import Sweep
from cella.flows.tend import Tend
from cella.flows.verify import Verify
from cella.flows.zencoder import Notified
from cella.http.clients import Network
from cella.lru import Lru
from cella.model import Actor
from cella.slots import Slots

SESSION_COOKIE = "cella_session"
_READING = frozenset(("GET", "HEAD", "OPTIONS"))


class Services(NamedTuple):
    """The flows that HTTP entrances speak to.

    `rendered` remembers encoded documents, `following` bounds who follows files at once. With
    `is_https` browsers are told to send cookies over TLS only. `hash_password` is what is kept of a
    password; it blocks, as `link_origins` does, which tells where links to blobs lead. `backends`
    are the names of all stores.
    """

    signin: SignIn
    login: Login
    federate: Federate
    sessions: Sessions
    accounts: Accounts
    receive: Receive
    gather: Gather
    look: Look
    browse: Browse
    change: Change
    discard: Discard
    restore: Restore
    organise: Organise
    members: Members
    serve: Serve
    again: Again
    notified: Notified
    administer: Administer
    oversee: Oversee
    tend: Tend
    sweep: Sweep
    verify: Verify
    backends: Sequence[str]
    health: Health
    pacing: FlowsConfig
    origins: Collection[str]
    proxies: Sequence[Network]
    is_https: bool
    hash_password: Callable[[str], str]
    rendered: Lru[Hashable, bytes]
    following: Slots
    link_origins: Callable[[], Collection[str]]


def services(request: Request) -> Services:
    """The services of the app that the request came to."""
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101 - for the type checker
    return found


async def actor_of(request: Request) -> Actor:
    """Who the request's `Authorization` header speaks for, else its session, else nobody.

    To be asked again when a body has been read: who sends it slowly may have lost rights since.
    Raises `ProofMissing` for a change by a session without its proof.
    """
    header, secret = request.headers.get("authorization"), session_of(request)
    if header is not None or secret is None:
        return await services(request).signin.actor(header)
    return await services(request).sessions.actor(
        secret, request.headers.get("x-csrf-token"), is_change=request.method not in _READING
    )


def session_of(request: Request) -> str | None:
    """The secret of the browser's session, if there is one."""
    return request.cookies.get(SESSION_COOKIE)
