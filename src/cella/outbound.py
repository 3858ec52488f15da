"""Calls that we make: where they may lead, and what they may cost.

One address check for all of them. A host is resolved once, what it resolves to is judged, and
the connection goes to exactly the address that was judged, so a name that changes its mind
meanwhile (DNS rebinding) gains nothing. `Host`, SNI and the certificate stay those of the name.
No redirect is followed, no proxy and no other setting of the environment is looked at, and
answers are bounded in size and time.

What is refused follows the registries of special addresses (RFC 6890,
https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-special-registry). Of IPv6
only global unicast is left; IPv4 inside of it (RFC 4291, 3056 and 6052) is judged as IPv4.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import NamedTuple

import httpx
import msgspec

from cella.errors import BadConfig, CallFailed, CallRefused
from cella.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the addresses of a host for a port; raises OSError where there are none."""

PATIENCE = 5.0
"""Seconds that a call may take, from the question for the address to the end of the answer."""

STALL = 60.0
"""Seconds that may pass in a download without a byte."""

MOST = 256 << 10
"""Bytes that an answer may have."""

_MOST_ADDRESSES = 4
_AT_ONCE = 64
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?")
_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_REFUSED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers (CGNAT)
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own services, reachable from its machines only
        "169.254.0.0/16",  # link-local, and the metadata of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)


class OutboundConfig(Settings, kw_only=True, frozen=True):
    """Where calls may lead besides the open internet, and whom TLS trusts.

    `allow`: names of hosts, addresses, and networks such as `10.1.0.0/16`. Only these may be
    called by plain HTTP, or inside one's own network. `ca_file`: certificates (PEM) that are
    trusted besides the usual ones.
    """

    allow: frozenset[str] = frozenset()
    ca_file: str = ""


class Answer(NamedTuple):
    """What came back: the status of HTTP, and the body as it was sent."""

    status: int
    body: bytes


class _Question(NamedTuple):
    """What is sent, and where to; its host is named in `Host`, whichever address is called."""

    method: str
    target: httpx.URL
    headers: Mapping[str, str] = {}
    form: Mapping[str, str] | None = None
    body: bytes | None = None

    def to(self, address: str, connect: float) -> httpx.Request:
        return httpx.Request(
            self.method,
            self.target.copy_with(host=address),
            headers={
                "User-Agent": "cella",
                "Accept": "application/json",
                **self.headers,
                "Host": self.target.netloc.decode("ascii"),
                "Accept-Encoding": "identity",
            },
            data=self.form,
            content=self.body,
            extensions={"timeout": {"connect": connect}, "sni_hostname": _host(self.target)},
        )


@cache
def _usual_trust() -> ssl.SSLContext:
    """What trusts the usual certificates alone, which take 20 milliseconds to read."""
    return httpx.create_ssl_context(trust_env=False)


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the machine's own resolver tells them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class Outbound:
    """Makes calls. `open` reads the certificates that are trusted; `close` ends connections."""

    def __init__(self, config: OutboundConfig, resolve: Resolve = resolve_host) -> None:
        self._names, self._networks = _parse_allowed(config.allow)
        self._ca_file = config.ca_file
        self._resolve = resolve

    def open(self) -> None:
        """Get ready; raises `BadConfig` where `ca_file` holds no certificates."""
        context = _usual_trust()
        if self._ca_file:
            context = httpx.create_ssl_context(trust_env=False)
            try:
                context.load_verify_locations(self._ca_file)
            except OSError:
                raise BadConfig(
                    "CELLA_OUTBOUND_CA_FILE names no file of certificates (PEM) that can be read."
                ) from None
        # A connection is open to an address, not to a name: none is ever used for a second call,
        # which may be for another name that has the same address.
        limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)

    async def close(self) -> None:
        """Close what is open."""
        await self._transport.aclose()

    async def call(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        document: object = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = PATIENCE,
        most: int = MOST,
    ) -> Answer:
        """Send a request and read the answer, whatever its status.

        The request's body is `form`, or `document` as JSON, or there is none. Raises
        `CallRefused` where the address is not one that may be called, and `CallFailed` where no
        answer of `most` bytes at most comes within `seconds`. Neither message holds more of the
        URL than its host.
        """
        sent = dict(headers or {})
        body = None
        if document is not None:
            sent["Content-Type"] = "application/json"
            body = msgspec.json.encode(document)
        question = _Question(method, _parse_url(url), sent, form, body)
        host = _host(question.target)
        with _plain_words(host):
            async with asyncio.timeout(seconds):
                response = await self._ask(question, seconds)
                try:
                    content = bytearray()
                    async with aclosing(_chunks(response, host, most)) as chunks:
                        async for chunk in chunks:
                            content += chunk
                    return Answer(response.status_code, bytes(content))
                finally:
                    await response.aclose()

    async def download(
        self, url: str, *, most: int, seconds: float, stall: float = STALL
    ) -> AsyncGenerator[bytes, None]:
        """The bytes behind a URL, as they come. Whoever may stop early closes the generator.

        Raises what `call` raises, and `CallFailed` too where the answer is not a 200, where it
        has more than `most` bytes, where nothing comes for `stall` seconds, and where it is not
        over after `seconds`, the time included that is taken to use what came.
        """
        question = _Question("GET", _parse_url(url), {"Accept": "*/*"})
        host = _host(question.target)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with _plain_words(host):
            async with asyncio.timeout(min(seconds, stall)):
                response = await self._ask(question, PATIENCE)
        try:
            if response.status_code != 200:
                raise CallFailed(f"{host} answered {response.status_code} to a download.")
            async with aclosing(_chunks(response, host, most)) as chunks:
                while True:
                    with _plain_words(host):
                        async with asyncio.timeout(min(stall, deadline - loop.time())):
                            chunk = await anext(chunks, None)
                    if chunk is None:
                        return
                    yield chunk
        finally:
            await response.aclose()

    async def _acceptable(self, target: httpx.URL) -> list[str]:
        """The addresses of the target that may be called; raises `CallRefused` without one."""
        host = _host(target)
        port = target.port or (443 if target.scheme == "https" else 80)
        found = await self._resolve(host, port)
        chosen = [text for text in found if self._may_call(host, ip_address(text), target.scheme)]
        if not chosen:
            raise CallRefused(
                f"{host} is not called: it leads into a private network, or the call is plain "
                "HTTP. Add it to CELLA_OUTBOUND_ALLOW if that is meant."
            )
        return chosen[:_MOST_ADDRESSES]

    def _may_call(self, host: str, address: Address, scheme: str) -> bool:
        plain = embedded(address)
        if host in self._names or any(plain in network for network in self._networks):
            return True
        return scheme == "https" and is_public(address)

    async def _ask(self, question: _Question, seconds: float) -> httpx.Response:
        """The answer of the first address that takes the connection, its body not yet read."""
        addresses = await self._acceptable(question.target)
        connect = seconds / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._transport.handle_async_request(question.to(address, connect))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._transport.handle_async_request(question.to(addresses[-1], connect))


def is_public(address: Address) -> bool:
    """Whether the address belongs to the open internet, and so does the IPv4 one inside it."""
    plain = embedded(address)
    if isinstance(plain, IPv6Address) and plain not in _GLOBAL_UNICAST:
        return False
    return not any(plain in network for network in _REFUSED)


def embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4 or NAT64); any other as it is."""
    if isinstance(address, IPv4Address):
        return address
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and address in _NAT64:
        inside = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inside or address


def _parse_allowed(allow: frozenset[str]) -> tuple[frozenset[str], tuple[Network, ...]]:
    names, networks = set(), []
    for entry in sorted(allow):
        try:
            networks.append(ip_network(entry))
        except ValueError:
            name = entry.lower().rstrip(".")
            if _NAME.fullmatch(name) is None:
                raise BadConfig(
                    f"CELLA_OUTBOUND_ALLOW: {entry!r} is neither the name of a host nor an "
                    "address nor a network such as 10.1.0.0/16."
                ) from None
            names.add(name)
    return frozenset(names), tuple(networks)


def _parse_url(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        raise CallRefused("What was to be called is not a URL.") from None
    if target.scheme not in ("http", "https") or not target.raw_host:
        raise CallRefused("What was to be called is not an address that begins with https://.")
    return target


def _host(target: httpx.URL) -> str:
    return target.raw_host.decode("ascii").rstrip(".")


async def _chunks(response: httpx.Response, host: str, most: int) -> AsyncGenerator[bytes, None]:
    coding = response.headers.get("content-encoding", "identity")
    if coding.strip().lower() not in ("", "identity"):
        raise CallFailed(f"{host} answered with a compressed body, which was not asked for.")
    length = 0
    async for chunk in response.aiter_raw():
        length += len(chunk)
        if length > most:
            raise CallFailed(f"{host} answered with more than {most} bytes.")
        yield chunk


@contextmanager
def _plain_words(host: str) -> Iterator[None]:
    """Whatever goes wrong on the wire inside is raised as `CallFailed`, which names the host."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException) as error:
        raise CallFailed(f"{host} did not answer in time.") from error
    except httpx.ConnectError as error:
        raise CallFailed(f"{host} cannot be reached, or proves not to be who it is.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CallFailed(f"The connection to {host} broke off.") from error
    except (OSError, UnicodeError) as error:
        raise CallFailed(f"The address of {host} cannot be found.") from error
