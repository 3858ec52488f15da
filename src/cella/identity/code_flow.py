"""Signing in at an OpenID provider with a browser, by the authorization code flow with PKCE.

OpenID Connect Core 1.0, section 3.1; RFC 6749, section 4.1; RFC 7636; and what RFC 9700 advises:
the code comes with a state that only this browser has, can be redeemed only with a secret that
never leaves this server and its cookie, and what it brings names the sign-in that it is for.
"""

import base64
import hashlib
import logging
import re
import secrets
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import msgspec

from cella.errors import CallFailed, Forbidden
from cella.identity.config import OidcConfig
from cella.identity.oidc import Oidc
from cella.identity.tokens import NotValid
from cella.model import Identity
from cella.outbound import Outbound

_ERROR = re.compile(r"[a-z_]{1,40}")
_URL = re.compile(r"https?://[!-~]+")

_log = logging.getLogger("cella.identity")


class Begun(NamedTuple):
    """A sign-in that has begun at `url`; the rest is to be kept until the browser comes back."""

    url: str
    state: str
    nonce: str
    verifier: str


class _Granted(msgspec.Struct, frozen=True):
    id_token: str


class _Refused(msgspec.Struct, frozen=True):
    error: str


class CodeFlow:
    """The client `client_id` of one issuer, to whom browsers come back at `redirect_uri`."""

    def __init__(
        self, config: OidcConfig, oidc: Oidc, outbound: Outbound, redirect_uri: str
    ) -> None:
        self._config = config
        self._oidc = oidc
        self._outbound = outbound
        self._redirect_uri = redirect_uri

    async def begin(self) -> Begun:
        """Where the browser goes; raises `CallFailed` where the provider does not say so."""
        endpoint = _endpoint((await self._oidc.discovery.known()).authorization_endpoint)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._config.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._config.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        parts = urlsplit(endpoint)
        query = "&".join(filter(None, (parts.query, urlencode(asked, quote_via=quote))))
        return Begun(urlunsplit(parts._replace(query=query)), state, nonce, verifier)

    async def finish(self, code: str, nonce: str, verifier: str) -> Identity:
        """Whom the provider means by the code.

        Raises `Forbidden` where that is nobody, and `CallFailed` or `CallRefused` where the
        provider cannot be asked.
        """
        try:
            return await self._oidc.signed_in(await self._redeem(code, verifier), nonce)
        except NotValid as error:
            _log.info("a sign-in at the OIDC provider does not count: %s", error)
            raise Forbidden("What the provider says of this sign-in does not count.") from None

    def is_issuer(self, issuer: str | None) -> bool:
        """Whether an answer that says so, or nothing, is this issuer's (RFC 9207)."""
        return issuer is None or issuer == self._config.issuer

    async def _redeem(self, code: str, verifier: str) -> str:
        """The ID token for a code; raises `NotValid` where the provider refuses."""
        endpoint = _endpoint((await self._oidc.discovery.known()).token_endpoint)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        if self._config.client_secret:
            headers["Authorization"] = _basic(self._config.client_id, self._config.client_secret)
        else:
            form["client_id"] = self._config.client_id
        answer = await self._outbound.call("POST", endpoint, form=form, headers=headers)
        if answer.status >= 500:
            raise CallFailed(f"The provider answered {answer.status} to a code.")
        if answer.status != 200:
            raise NotValid(f"the provider refuses its code: {_reason(answer.body)}")
        try:
            return msgspec.json.decode(answer.body, type=_Granted).id_token
        except (msgspec.DecodeError, RecursionError):
            raise NotValid("the provider gives no ID token for its code") from None


def _basic(client_id: str, client_secret: str) -> str:
    """Both are encoded as in forms first (RFC 6749, section 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _reason(body: bytes) -> str:
    """The name of an error (RFC 6749, section 5.2), if it looks like one."""
    try:
        error = msgspec.json.decode(body, type=_Refused).error
    except (msgspec.DecodeError, RecursionError):
        return "no reason"
    return error if _ERROR.fullmatch(error) else "no reason"


def _endpoint(url: str) -> str:
    if _URL.fullmatch(url) is None or "#" in url:
        raise CallFailed("The OIDC provider does not say where to sign in.")
    return url
