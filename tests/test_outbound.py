"""Calls that we make: where they may lead, and what an answer may cost."""

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.support.providers import Asked, LocalServer, Reply, ec_key

from cella.errors import BadConfig, CallFailed, CallRefused
from cella.outbound import Outbound, OutboundConfig, Resolve, is_public

PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001:81b::200e"]
PUBLIC_INSIDE = ["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]
NOT_PUBLIC = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1"),
    *("172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.192"),
    *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "168.63.129.16"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("100::1", "2001:db8::1", "2001::1", "2001:10::1", "3fff::1", "5f00::1", "64:ff9b:1::1"),
    # IPv4 inside IPv6, in both spellings
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2002:a00:1::", "::7f00:1"),
]


def resolving(**hosts: Sequence[str]) -> Resolve:
    """A resolver that knows these hosts, written with `_` for the dot."""

    async def resolve(host: str, _port: int) -> Sequence[str]:
        if host.replace(".", "_") not in hosts:
            raise OSError("no such host")
        return hosts[host.replace(".", "_")]

    return resolve


@asynccontextmanager
async def outbound(
    *allow: str, resolve: Resolve | None = None, ca_file: Path | None = None
) -> AsyncIterator[Outbound]:
    """What makes calls, with these hosts and networks allowed."""
    config = OutboundConfig(allow=frozenset(allow), ca_file=str(ca_file or ""))
    made = Outbound(config, resolve) if resolve else Outbound(config)
    made.open()
    try:
        yield made
    finally:
        await made.close()


def echo(asked: Asked) -> Reply:
    """Tell what was asked."""
    told = {"method": asked.method, "path": asked.path, "headers": asked.headers}
    return Reply(200, json.dumps({**told, "form": asked.form}).encode())


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A server that tells what it was asked."""
    made = LocalServer(echo)
    yield made
    made.stop()


# --- Where calls may lead ---


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_INSIDE)
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_special_addresses_are_not_called(address: str) -> None:
    assert not is_public(ip_address(address))
    async with outbound(resolve=resolving(evil_example=[address])) as made:
        with pytest.raises(CallRefused, match=r"evil\.example") as caught:
            await made.call("GET", "https://evil.example/?token=hunter2")
        assert "hunter2" not in str(caught.value)
        with pytest.raises(CallRefused):
            await made.call("GET", "http://evil.example/")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_of_loopback_is_called(
    server: LocalServer, host: str, scheme: str
) -> None:
    """The machine's own resolver knows spellings of numbers that no parser of ours does."""
    async with outbound() as made:
        with pytest.raises((CallRefused, CallFailed)):
            await made.call("GET", f"{scheme}://{host}:{server.port}/")
    assert server.asked == []


@pytest.mark.parametrize(
    "url", ["", "x", "//a/b", "https://", "file:///etc/passwd", "ftp://a/", "https://\0", "http:a"]
)
async def test_what_is_no_address_of_the_web_is_not_called(url: str) -> None:
    async with outbound("localhost") as made:
        with pytest.raises(CallRefused):
            await made.call("GET", url)


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("id.studio.test", "127.0.0.1"),
        ("ID.Studio.Test.", "127.0.0.1"),
    ],
)
async def test_what_is_allowed_is_called_also_by_plain_http(
    server: LocalServer, allowed: str, address: str
) -> None:
    resolve = resolving(id_studio_test=[address])
    async with outbound(allowed, resolve=resolve) as made:
        answer = await made.call("GET", f"http://id.studio.test:{server.port}/a?b=c")
    assert answer.status == 200
    told = json.loads(answer.body)
    assert told["path"] == "/a?b=c"
    assert told["headers"]["host"] == f"id.studio.test:{server.port}"


@pytest.mark.parametrize(
    "allowed", ["studio.test", "other.studio.test", "127.0.0.2", "10.0.0.0/8", "::1"]
)
async def test_nothing_else_is_allowed_with_it(server: LocalServer, allowed: str) -> None:
    resolve = resolving(id_studio_test=["127.0.0.1"])
    async with outbound(allowed, resolve=resolve) as made:
        with pytest.raises(CallRefused):
            await made.call("GET", f"http://id.studio.test:{server.port}/")
    assert server.asked == []


async def test_plain_http_is_not_spoken_with_the_open_internet() -> None:
    async with outbound(resolve=resolving(id_example=["1.1.1.1"])) as made:
        with pytest.raises(CallRefused, match="plain HTTP"):
            await made.call("GET", "http://id.example/")


async def test_a_host_is_resolved_once_and_called_where_it_was_judged(server: LocalServer) -> None:
    """DNS rebinding: another answer to a second question would find what must not be found."""
    questions = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        questions.append((host, port))
        return ["127.0.0.1"] if len(questions) == 1 else ["127.0.0.2"]

    async with outbound("127.0.0.1", resolve=rebinding) as made:
        answer = await made.call("GET", f"http://rebinding.test:{server.port}/")
        assert answer.status == 200
        assert questions == [("rebinding.test", server.port)]
        with pytest.raises(CallRefused):
            await made.call("GET", f"http://rebinding.test:{server.port}/")
    assert len(server.asked) == 1


async def test_of_several_addresses_only_acceptable_ones_are_called(server: LocalServer) -> None:
    resolve = resolving(mixed_test=["10.0.0.1", "169.254.169.254", "127.0.0.1"])
    async with outbound("127.0.0.1", resolve=resolve) as made:
        assert (await made.call("GET", f"http://mixed.test:{server.port}/")).status == 200


async def test_the_next_address_is_called_where_one_takes_no_connection(
    server: LocalServer,
) -> None:
    resolve = resolving(several_test=["127.0.0.2", "127.0.0.1"])
    async with outbound("127.0.0.0/8", resolve=resolve) as made:
        assert (await made.call("GET", f"http://several.test:{server.port}/")).status == 200


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "a b", "https://a", "-", "a/b", ""])
def test_what_cannot_be_allowed_is_refused_by_name(entry: str) -> None:
    with pytest.raises(BadConfig, match="CELLA_OUTBOUND_ALLOW"):
        Outbound(OutboundConfig(allow=frozenset({entry})))


# --- What is sent and what may come back ---


async def test_a_form_is_posted(server: LocalServer) -> None:
    form = {"user_id": "", "token": "a+b&c=ü"}
    async with outbound("127.0.0.1") as made:
        answer = await made.call("POST", f"http://127.0.0.1:{server.port}/u", form=form)
    told = json.loads(answer.body)
    assert told["method"] == "POST"
    assert told["form"] == form
    assert told["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert "cookie" not in told["headers"]


async def test_a_document_is_posted_with_headers(server: LocalServer) -> None:
    async with outbound("127.0.0.1") as made:
        await made.call(
            "POST",
            f"http://127.0.0.1:{server.port}/jobs",
            document={"input": "ü"},
            headers={"Zencoder-Api-Key": "hunter2", "Host": "elsewhere.test"},
        )
    (asked,) = server.asked
    assert json.loads(asked.body) == {"input": "ü"}
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["zencoder-api-key"] == "hunter2"
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"


async def test_redirects_are_told_and_not_followed(server: LocalServer) -> None:
    target = f"http://127.0.0.1:{server.port}/inside"
    server.reply = lambda _: Reply(302, headers={"Location": target, "Set-Cookie": "a=b"})
    async with outbound("127.0.0.1") as made:
        answer = await made.call("GET", f"http://127.0.0.1:{server.port}/")
        assert answer.status == 302
        assert server.paths == ["/"]


async def test_settings_of_the_environment_do_not_count(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with outbound("127.0.0.1") as made:
        answer = await made.call("GET", f"http://127.0.0.1:{server.port}/")
    assert answer.status == 200


async def test_answers_are_bounded_in_size(server: LocalServer) -> None:
    async with outbound("127.0.0.1") as made:
        url = f"http://127.0.0.1:{server.port}/"
        server.reply = lambda _: Reply(200, b"x" * 1000)
        assert len((await made.call("GET", url, most=1000)).body) == 1000
        with pytest.raises(CallFailed, match="999 bytes"):
            await made.call("GET", url, most=999)


async def test_compressed_answers_are_not_unpacked(server: LocalServer) -> None:
    server.reply = lambda _: Reply(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
    async with outbound("127.0.0.1") as made:
        with pytest.raises(CallFailed, match="compressed"):
            await made.call("GET", f"http://127.0.0.1:{server.port}/")


async def test_answers_are_bounded_in_time(server: LocalServer) -> None:
    server.hold()
    async with outbound("127.0.0.1") as made:
        with pytest.raises(CallFailed, match="in time"):
            await made.call("GET", f"http://127.0.0.1:{server.port}/?token=hunter2", seconds=0.2)


async def test_the_search_for_an_address_is_bounded_in_time() -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with outbound(resolve=never) as made:
        with pytest.raises(CallFailed, match="in time"):
            await made.call("GET", "https://slow.test/", seconds=0.05)


async def test_whatever_fails_is_told_without_the_address(server: LocalServer) -> None:
    url = f"http://127.0.0.1:{server.port}/?token=hunter2"
    server.stop()
    async with outbound("127.0.0.1") as made:
        with pytest.raises(CallFailed, match=r"127\.0\.0\.1 cannot be reached") as caught:
            await made.call("GET", url)
        assert "hunter2" not in str(caught.value)
    async with outbound(resolve=resolving()) as made:
        with pytest.raises(CallFailed, match="cannot be found"):
            await made.call("GET", "https://nowhere.test/")


async def test_what_is_no_http_is_told() -> None:
    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(chatter, "127.0.0.1", 0)
    async with listener, outbound("127.0.0.1") as made:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(CallFailed, match="broke off"):
            await made.call("GET", f"http://127.0.0.1:{port}/")


# --- Downloads ---


async def downloaded(
    made: Outbound, url: str, most: int = 1 << 30, seconds: float = 30.0, stall: float = 30.0
) -> bytes:
    """All bytes of a download."""
    async with aclosing(made.download(url, most=most, seconds=seconds, stall=stall)) as blocks:
        return b"".join([block async for block in blocks])


async def test_a_download_comes_in_parts(server: LocalServer) -> None:
    content = bytes(range(256)) * 8192
    server.reply = lambda _: Reply(200, content)
    async with outbound("127.0.0.1") as made:
        url = f"http://127.0.0.1:{server.port}/film.mp4"
        assert await downloaded(made, url) == content
        async with aclosing(made.download(url, most=1 << 30, seconds=30.0)) as blocks:
            first = await anext(blocks)
        assert 0 < len(first) < len(content)
    assert server.asked[0].headers["accept"] == "*/*"


async def test_downloads_lead_where_calls_may_lead(server: LocalServer) -> None:
    async with outbound() as made:
        for url in (f"http://127.0.0.1:{server.port}/", "https://169.254.169.254/", "", "file:///"):
            with pytest.raises(CallRefused):
                await downloaded(made, url)
    assert server.asked == []


async def test_downloads_are_bounded_in_size(server: LocalServer) -> None:
    server.reply = lambda _: Reply(200, b"x" * 1000)
    async with outbound("127.0.0.1") as made:
        url = f"http://127.0.0.1:{server.port}/"
        assert len(await downloaded(made, url, 1000)) == 1000
        with pytest.raises(CallFailed, match="999 bytes"):
            await downloaded(made, url, 999)


@pytest.mark.parametrize("status", [204, 206, 302, 404, 500])
async def test_only_a_whole_answer_is_a_download(server: LocalServer, status: int) -> None:
    server.reply = lambda _: Reply(status, headers={"Location": "/inside"})
    async with outbound("127.0.0.1") as made:
        with pytest.raises(CallFailed, match=str(status)):
            await downloaded(made, f"http://127.0.0.1:{server.port}/")
    assert server.paths == ["/"]


@pytest.mark.parametrize("bound", ["seconds", "stall"])
async def test_downloads_are_bounded_in_time(bound: str) -> None:
    """One that begins and does not go on is given up, and so is one that is silent."""
    for told in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfilm"):
        async with dawdling(told) as port, outbound("127.0.0.1") as made:
            with pytest.raises(CallFailed, match="in time"):
                await downloaded(made, f"http://127.0.0.1:{port}/", **{bound: 0.2})  # type: ignore[arg-type]


async def test_a_download_that_breaks_off_is_told(server: LocalServer) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfilm"
    async with dawdling(cut, ends=True) as port, outbound("127.0.0.1") as made:
        with pytest.raises(CallFailed, match="broke off"):
            await downloaded(made, f"http://127.0.0.1:{port}/?token=hunter2")


@asynccontextmanager
async def dawdling(told: bytes, *, ends: bool = False) -> AsyncIterator[int]:
    """The port of a server that says this, and then nothing, or `ends` the connection."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(told)
        await writer.drain()
        if not ends:
            await over.wait()
        writer.close()

    over = asyncio.Event()
    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]
        over.set()


# --- TLS ---


class Authority:
    """Certificates for names, and the file of the one that vouches for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec_key("authority")
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Studio CA")])
        self.file = folder / "ca.pem"
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        made = self._sign(self._name, self._key.public_key(), constraint)
        self.file.write_bytes(made.public_bytes(Encoding.PEM))

    def server_side(self, name: str) -> ssl.SSLContext:
        """What a server for that name uses."""
        key = ec_key(name)
        certificate = self._sign(
            x509.Name([]), key.public_key(), x509.SubjectAlternativeName([x509.DNSName(name)])
        )
        path = self._folder / f"{name}.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self, subject: x509.Name, key: Any, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )


async def test_certificates_are_those_of_the_name_that_was_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server_side("id.studio.test")
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    server = LocalServer(echo, context)
    resolve = resolving(id_studio_test=["127.0.0.1"], other_studio_test=["127.0.0.1"])
    try:
        async with outbound("127.0.0.1", resolve=resolve, ca_file=authority.file) as made:
            answer = await made.call("GET", f"https://id.studio.test:{server.port}/")
            assert answer.status == 200
            assert named == ["id.studio.test"]
            with pytest.raises(CallFailed, match="proves not to be who it is"):
                await made.call("GET", f"https://other.studio.test:{server.port}/")
        async with outbound("127.0.0.1", resolve=resolve) as made:
            with pytest.raises(CallFailed, match="proves not to be who it is"):
                await made.call("GET", f"https://id.studio.test:{server.port}/")
    finally:
        server.stop()
    assert len(server.asked) == 1


def test_a_file_without_certificates_is_refused_by_name(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for path in (empty, tmp_path / "nowhere.pem", tmp_path):
        made = Outbound(OutboundConfig(ca_file=str(path)))
        with pytest.raises(BadConfig, match="CELLA_OUTBOUND_CA_FILE") as caught:
            made.open()
        assert str(tmp_path) not in str(caught.value)
