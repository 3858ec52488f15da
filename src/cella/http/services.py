"""What the entrances are handed: the flows, and the settings of HTTP itself."""

from collections.abc import Collection, Hashable
from typing import NamedTuple

from starlette.requests import Request

from cella.flows.config import FlowsConfig
from cella.flows.discard import Discard
from cella.flows.health import Health
from cella.flows.look import Look
from cella.flows.receive import Receive
from cella.flows.serve import Serve
from cella.flows.signin import SignIn
from cella.lru import Lru
from cella.model import Actor


class Services(NamedTuple):
    """The flows that HTTP entrances speak to; `rendered` remembers encoded documents."""

    signin: SignIn
    receive: Receive
    look: Look
    discard: Discard
    serve: Serve
    health: Health
    pacing: FlowsConfig
    origins: Collection[str]
    rendered: Lru[Hashable, bytes]


def services(request: Request) -> Services:
    """The services of the app that the request came to."""
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101 - for the type checker
    return found


async def actor_of(request: Request) -> Actor:
    """Who the request's `Authorization` header speaks for, or the anonymous actor."""
    header = request.headers.get("authorization")
    return await services(request).signin.actor(header)
