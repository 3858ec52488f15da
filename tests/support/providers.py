"""Providers of identity for tests: real HTTP servers on loopback, with real keys."""

import asyncio
import hashlib
import hmac
import json
import ssl
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PATIENCE = 60.0

AUDIENCE = "cella"

CLIENT = "cella-web"
CLIENT_SECRET = "hunter2/of+the=client"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Asked(NamedTuple):
    """A request that came; names of headers are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body's fields."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Reply(NamedTuple):
    """What is answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


def json_reply(document: object, status: int = 200) -> Reply:
    """A document as the answer."""
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds; fails where it does not in time."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


class LocalServer:
    """A server on a port of loopback that notes what it is asked, and can be down or silent.

    `peak` is how many requests were under way at once.
    """

    def __init__(self, reply: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.peak = 0
        self.reply = reply
        self.port = 0
        self._tls = tls
        self._under_way = 0
        self._counting = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._server: _Listener | None = None
        self.start()

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [asked.path for asked in self.asked]

    def start(self) -> None:
        """Listen, on the port of before."""
        server = _Listener(("127.0.0.1", self.port), self._handler())
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no longer: connections are refused."""
        self.release()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(PATIENCE)
            self._server = None

    def hold(self) -> None:
        """Answer nothing until `release`."""
        self._flowing.clear()

    def release(self) -> None:
        """Answer what is waiting, and all that comes."""
        self._flowing.set()

    def _take(self, asked: Asked) -> Reply:
        with self._counting:
            self.asked.append(asked)
            self._under_way += 1
            self.peak = max(self.peak, self._under_way)
        self._flowing.wait(PATIENCE)
        with self._counting:
            self._under_way -= 1
        return self.reply(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        local = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                reply = local._take(asked)
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                except OSError:
                    pass  # who asked has given up

            do_POST = do_GET
            do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@cache
def rsa_key(which: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key, made once in each run for each name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(which: str, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """A key on a curve, made once in each run for each name."""
    return ec.generate_private_key(curve())


@cache
def ed_key(which: str) -> ed25519.Ed25519PrivateKey:
    """An Ed25519 key, made once in each run for each name."""
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """The public half of a key as providers publish it (RFC 7517)."""
    public: Any = key.public_key()
    algorithm: Any
    match key:
        case rsa.RSAPrivateKey():
            algorithm = jwt.get_algorithm_by_name("RS256")
        case ec.EllipticCurvePrivateKey():
            algorithm = jwt.get_algorithm_by_name("ES256")
        case _:
            algorithm = jwt.get_algorithm_by_name("EdDSA")
    return {**algorithm.to_jwk(public, as_dict=True), **members}


def pem(key: PrivateKey) -> bytes:
    """The public half of a key as PEM, as whoever confuses it with a secret would use it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def base64url(data: bytes) -> str:
    """RFC 7515, section 2."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: object, payload: object, sign: Callable[[bytes], bytes] = bytes) -> str:
    """A token put together by hand, of documents or of bytes that should be some.

    Without `sign` its signature is what it signs.
    """
    raw = (
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    )
    parts = [base64url(part) for part in raw]
    return ".".join([*parts, base64url(sign(".".join(parts).encode()))])


def hmac_sha256(secret: bytes) -> Callable[[bytes], bytes]:
    """What signs by HS256."""
    return lambda data: hmac.digest(secret, data, hashlib.sha256)


class OidcServer(LocalServer):
    """An OpenID provider: a document about itself, and its keys; it hands out tokens here.

    Browsers find it at `host`. Whoever comes with one is signed in as the user of whom `said`
    tells more, by an ID token that is made at `now`, or as `id_token` makes it of its claims.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.host = "127.0.0.1"
        self.said: dict[str, Any] = {}
        self.id_token: Callable[[dict[str, Any]], str] | None = None
        self.client_secret = CLIENT_SECRET
        self._asked_for: dict[str, dict[str, str]] = {}
        self.keys: dict[str, PrivateKey] = {"first": rsa_key("first")}
        self.replies: dict[str, Reply] = {}
        super().__init__(self._reply)

    @property
    def issuer(self) -> str:
        """What it calls itself."""
        return f"http://127.0.0.1:{self.port}/realms/studio"

    @property
    def settings(self) -> dict[str, Any]:
        """How a service is told about it."""
        return {
            "oidc_issuer": self.issuer,
            "oidc_audience": AUDIENCE,
            "oidc_roles": {"cella-admin": "admin", "artist": "subscriber"},
            "outbound_allow": ["127.0.0.1"],
        }

    @property
    def browser_settings(self) -> dict[str, Any]:
        """How a service is told about it where people sign in with browsers."""
        client = {"oidc_client_id": CLIENT, "oidc_client_secret": self.client_secret}
        return self.settings | client

    @property
    def fetches(self) -> int:
        """How often its keys were asked for."""
        return self.paths.count("/realms/studio/certs")

    def claims(self, now: float, **claims: Any) -> dict[str, Any]:
        """What its tokens say; a claim that is None is left out."""
        whole = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "0a1b",
            "iat": int(now),
            "exp": int(now) + 300,
            "preferred_username": "ada",
            "email": "ada@studio.example",
            "name": "Ada Lovelace",
            **claims,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def token(
        self,
        now: float,
        kid: str | None = "first",
        algorithm: str = "RS256",
        key: PrivateKey | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token, signed with one of its keys unless another `key` is given."""
        signing = key or self.keys[kid or "first"]
        named = {} if kid is None else {"kid": kid}
        payload = json.dumps(self.claims(now, **claims)).encode()
        return jwt.PyJWS().encode(payload, signing, algorithm, {**named, **(header or {})})

    def _reply(self, asked: Asked) -> Reply:
        if asked.path in self.replies:
            return self.replies[asked.path]
        match asked.path:
            case "/realms/studio/.well-known/openid-configuration":
                return json_reply(
                    {
                        "issuer": self.issuer,
                        "jwks_uri": f"{self.issuer}/certs",
                        "authorization_endpoint": self.issuer.replace("127.0.0.1", self.host)
                        + "/auth?kc_theme=studio",
                        "token_endpoint": f"{self.issuer}/token",
                    }
                )
            case "/realms/studio/certs":
                keys = [jwk(key, kid=kid, use="sig") for kid, key in self.keys.items()]
                return json_reply({"keys": keys})
            case "/realms/studio/token":
                return self._redeem(asked)
            case path if path.startswith("/realms/studio/auth?"):
                return self._authorize(dict(parse_qsl(urlsplit(path).query)))
            case _:
                return Reply(404)

    def _authorize(self, asked: dict[str, str]) -> Reply:
        """Whoever comes is signed in already: back with a code (RFC 6749, section 4.1.2)."""
        assert asked["kc_theme"] == "studio"
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = f"code{len(self._asked_for)}"
        self._asked_for[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return Reply(302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    def _redeem(self, asked: Asked) -> Reply:
        """An ID token for a code that was not redeemed yet (RFC 6749, section 4.1.3; RFC 7636)."""
        form = asked.form
        pair = b64encode(f"{CLIENT}:{quote(self.client_secret, safe='')}".encode()).decode()
        is_client = (
            asked.headers.get("authorization") == f"Basic {pair}"
            if self.client_secret
            else form.get("client_id") == CLIENT
        )
        if not is_client:
            return json_reply({"error": "invalid_client"}, 401)
        wanted = self._asked_for.pop(form["code"], None)
        digest = base64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            wanted is None
            or form["grant_type"] != "authorization_code"
            or (digest, form["redirect_uri"]) != (wanted["code_challenge"], wanted["redirect_uri"])
        ):
            return json_reply({"error": "invalid_grant"}, 400)
        claims = {"aud": CLIENT, "nonce": wanted["nonce"], **self.said}
        make = self.id_token or (lambda claims: self.token(self.now, **claims))
        return json_reply({"access_token": "x", "token_type": "Bearer", "id_token": make(claims)})


class BlenderIdServer(LocalServer):
    """A provider that is asked about each token: `users` by token and sub-client."""

    def __init__(self) -> None:
        self.users: dict[tuple[str, str], dict[str, Any]] = {}
        self.token_expires = "Wed, 01 Jan 2500 00:00:00 GMT"
        super().__init__(self._reply)

    @property
    def settings(self) -> dict[str, Any]:
        """How a service is told about it."""
        return {
            "blender_id_endpoint": f"http://127.0.0.1:{self.port}/id/",
            "blender_id_roles": {"cloud_subscriber": "subscriber"},
            "outbound_allow": ["127.0.0.0/8"],
        }

    def add(self, token: str, user_id: int, subclient: str = "", **fields: Any) -> None:
        """Have it vouch for a token."""
        plain = {"id": user_id, "email": f"u{user_id}@blender.example", "full_name": "Bea Blender"}
        self.users[token, subclient] = {**plain, **fields}

    def _reply(self, asked: Asked) -> Reply:
        form = asked.form
        user = self.users.get((form.get("token", ""), form.get("subclient_id", "")))
        if (asked.method, asked.path) != ("POST", "/id/u/validate_token") or form["user_id"]:
            return Reply(404)
        if user is None:
            return json_reply({"status": "fail", "token": "not valid"}, 403)
        return json_reply({"status": "success", "user": user, "token_expires": self.token_expires})
