"""AWS Signature Version 4, as S3 wants it: pure functions.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html for requests
and https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html for links.
"""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote

LONGEST_LINK = 7 * 24 * 3600
"""Seconds that S3 lets a link last at most."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


class AwsKey(NamedTuple):
    """An access key; only a temporary one has a `token`."""

    access_key_id: str
    secret_access_key: str
    token: str = ""

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"AwsKey({self.access_key_id!r})"


class Target(NamedTuple):
    """An object's URL in pieces; `path` is percent-encoded, as `escaped` does it."""

    scheme: str
    host: str
    path: str


def escaped(path: str) -> str:
    """`path` as it stands in URLs and in what is signed; slashes stay."""
    return quote(path, safe="/-_.~")


def query_of(parameters: Mapping[str, str]) -> str:
    """A query string in the order and spelling that is signed."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
    )


def signed_headers(
    key: AwsKey,
    region: str,
    now: float,
    method: str,
    target: Target,
    query: str,
    headers: Mapping[str, str],
    payload_sha256: str,
) -> dict[str, str]:
    """`headers`, in lower case, and those that authorise the request besides.

    `now` is in seconds since the epoch; S3 refuses what is 15 minutes off.
    """
    stamp = _stamp(now)
    all_headers = {
        **headers,
        "host": target.host,
        "x-amz-content-sha256": payload_sha256,
        "x-amz-date": stamp,
    }
    if key.token:
        all_headers["x-amz-security-token"] = key.token
    scope = _scope(stamp, region)
    names, request = _request(method, target.path, query, all_headers, payload_sha256)
    signature = _signature(_signing_key(key, stamp, region), stamp, scope, request)
    all_headers["authorization"] = (
        f"{_ALGORITHM} Credential={key.access_key_id}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return all_headers


def presigned(
    key: AwsKey,
    region: str,
    blobs: Iterable[tuple[Target, Mapping[str, str]]],
    begins: int,
    expires: int,
) -> list[str]:
    """Links for GET that work from `begins` until `expires`, at most `LONGEST_LINK` later.

    With each target come the parameters that are signed besides. The signing key is derived once
    for all.
    """
    stamp = _stamp(begins)
    scope = _scope(stamp, region)
    signing_key = _signing_key(key, stamp, region)
    common = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{key.access_key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(min(expires - begins, LONGEST_LINK)),
        "X-Amz-SignedHeaders": "host",
    }
    links = []
    for target, parameters in blobs:
        query = query_of({**common, **parameters})
        _, request = _request("GET", target.path, query, {"host": target.host}, _UNSIGNED)
        signature = _signature(signing_key, stamp, scope, request)
        links.append(
            f"{target.scheme}://{target.host}{target.path}?{query}&X-Amz-Signature={signature}"
        )
    return links


def _stamp(seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def _scope(stamp: str, region: str) -> str:
    return f"{stamp[:8]}/{region}/s3/aws4_request"


def _request(
    method: str, path: str, query: str, headers: Mapping[str, str], payload_sha256: str
) -> tuple[str, str]:
    """The names of the signed headers, and the canonical request."""
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    return names, f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_sha256}"


def _signing_key(key: AwsKey, stamp: str, region: str) -> bytes:
    derived = f"AWS4{key.secret_access_key}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    return derived


def _signature(signing_key: bytes, stamp: str, scope: str, request: str) -> str:
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashed}"
    return hmac.digest(signing_key, text.encode(), "sha256").hex()
