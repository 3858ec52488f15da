"""Signatures of Azure Blob Storage with an account's key: pure functions.

Sources below https://learn.microsoft.com/en-us/rest/api/storageservices: for requests
authorize-with-shared-key, for links create-service-sas.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from cella.errors import BadConfig

VERSION = "2021-12-02"
"""The version of the service that is spoken to and that links are written for."""

LONGEST_LINK = 7 * 24 * 3600
"""Seconds that a link lasts at most. Azure knows no limit; a leaked link should have one."""

_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


class AzureKey(NamedTuple):
    """An account and its key, decoded."""

    account: str
    key: bytes

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"AzureKey({self.account!r})"

    @classmethod
    def of(cls, account: str, written: str) -> "AzureKey":
        """The key as the settings have it, in Base64. Raises `BadConfig`."""
        try:
            return cls(account, base64.b64decode(written, validate=True))
        except (binascii.Error, ValueError):
            raise BadConfig("CELLA_AZURE_ACCOUNT_KEY is not a key: it is not Base64.") from None


class Linked(NamedTuple):
    """A blob that a link is wanted for: its URL, and what it is fetched with."""

    url: str
    container: str
    name: str
    content_type: str
    disposition: str


def http_date(now: float) -> str:
    """An instant as `x-ms-date` has it."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))


def authorization(
    key: AzureKey,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
) -> str:
    """The header `Authorization` of a request with these headers, in lower case.

    `path` is that of the URL, percent-encoded. A length of 0 must not stand in the headers.
    """
    standard = "".join(f"{headers.get(name, '')}\n" for name in _SIGNED)
    ours = "".join(
        f"{name}:{' '.join(headers[name].split())}\n"
        for name in sorted(headers)
        if name.startswith("x-ms-")
    )
    resource = f"/{key.account}{path}"
    resource += "".join(f"\n{name}:{query[name]}" for name in sorted(query))
    text = f"{method}\n{standard}{ours}{resource}"
    return f"SharedKey {key.account}:{_signature(key, text)}"


def signed_links(
    key: AzureKey, blobs: Iterable[Linked], begins: int, expires: int, protocol: str
) -> list[str]:
    """Links for reading that work from `begins` until `expires` (a service SAS for a blob each).

    `protocol` is `https`, or `https,http` where the endpoint is not encrypted.
    """
    start, end = _instant(begins), _instant(min(expires, begins + LONGEST_LINK))
    links = []
    for blob in blobs:
        resource = f"/blob/{key.account}/{blob.container}/{blob.name}"
        text = "\n".join(
            (
                *("r", start, end, resource, "", "", protocol, VERSION, "b", "", ""),
                *("", blob.disposition, "", "", blob.content_type),
            )
        )
        parameters = {
            "sv": VERSION,
            "spr": protocol,
            "st": start,
            "se": end,
            "sr": "b",
            "sp": "r",
            "rscd": blob.disposition,
            "rsct": blob.content_type,
            "sig": _signature(key, text),
        }
        said = {name: value for name, value in parameters.items() if value}
        links.append(f"{blob.url}?{urlencode(said, quote_via=quote)}")
    return links


def _instant(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _signature(key: AzureKey, text: str) -> str:
    return base64.b64encode(hmac.digest(key.key, text.encode(), "sha256")).decode()
