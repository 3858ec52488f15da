"""The key for S3 that a machine of Amazon's has, or that the environment tells.

The order is Amazon's: a key in the environment, a token that is changed for a key (EKS), a
container's address (ECS, EKS), the instance's own service.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from cella.errors import StoreRefused, StoreUnavailable
from cella.store import markup
from cella.store.credentials import Kept, Renewed
from cella.store.signing_s3 import AwsKey
from cella.store.wire import Patience, Wire

_INSTANCE = "http://169.254.169.254"
_CONTAINER = "http://169.254.170.2"
_ROLES = "/latest/meta-data/iam/security-credentials/"
_NONE = (
    "There is no key for S3: set CELLA_S3_ACCESS_KEY_ID and CELLA_S3_SECRET_ACCESS_KEY, or give "
    "this machine a role."
)


class MachineAwsKeys(Renewed[AwsKey]):
    """Keys by what `environment` says, in Amazon's words (`AWS_…`)."""

    def __init__(self, environment: Mapping[str, str], region: str) -> None:
        super().__init__()
        self._environment = environment
        self._region = region
        self._wire = Wire(Patience(connecting=2.0, silence=5.0))

    def key(self) -> AwsKey:
        """The key that is valid now."""
        return self.current()

    def fetch(self) -> Kept[AwsKey]:
        """A key from the first place that has one."""
        said = self._environment
        if said.get("AWS_ACCESS_KEY_ID") and said.get("AWS_SECRET_ACCESS_KEY"):
            key = AwsKey(
                said["AWS_ACCESS_KEY_ID"],
                said["AWS_SECRET_ACCESS_KEY"],
                said.get("AWS_SESSION_TOKEN", ""),
            )
            return Kept(key, float("inf"))
        if said.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            return self._from_token()
        full = said.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        relative = said.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        if full or relative:
            return self._from_container(full or f"{_CONTAINER}{relative}")
        if said.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise StoreRefused(_NONE)
        return self._from_instance()

    def _from_token(self) -> Kept[AwsKey]:
        """AssumeRoleWithWebIdentity, which needs no signature."""
        said = self._environment
        query = urlencode(
            {
                "Action": "AssumeRoleWithWebIdentity",
                "Version": "2011-06-15",
                "RoleArn": said.get("AWS_ROLE_ARN", ""),
                "RoleSessionName": said.get("AWS_ROLE_SESSION_NAME", "cella"),
                "WebIdentityToken": _contents(said["AWS_WEB_IDENTITY_TOKEN_FILE"]),
            }
        )
        origin = said.get("AWS_ENDPOINT_URL_STS", f"https://sts.{self._region}.amazonaws.com")
        body = self._got("POST", f"{origin}/?{query}", {})
        found = markup.parsed(body, "AssumeRoleWithWebIdentityResponse")
        path = "AssumeRoleWithWebIdentityResult/Credentials/"
        key = AwsKey(
            markup.text(found, f"{path}AccessKeyId"),
            markup.text(found, f"{path}SecretAccessKey"),
            markup.text(found, f"{path}SessionToken"),
        )
        return Kept(key, markup.instant(markup.text(found, f"{path}Expiration")))

    def _from_container(self, address: str) -> Kept[AwsKey]:
        said = self._environment
        token = said.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if said.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            token = _contents(said["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
        return _key(self._got("GET", address, {"authorization": token} if token else {}))

    def _from_instance(self) -> Kept[AwsKey]:
        """The role of the instance, by the second version of its service."""
        origin = self._environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _INSTANCE).rstrip("/")
        lasting = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        token = self._got("PUT", f"{origin}/latest/api/token", lasting).decode("latin-1")
        headers = {"x-aws-ec2-metadata-token": token}
        role = self._got("GET", origin + _ROLES, headers).decode("latin-1").split("\n")[0].strip()
        return _key(self._got("GET", origin + _ROLES + role, headers))

    def _got(self, method: str, address: str, headers: Mapping[str, str]) -> bytes:
        parts = urlsplit(address)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        origin = f"{parts.scheme}://{parts.netloc}"
        try:
            answer = self._wire.stream(method, origin, target, headers).all()
        except StoreUnavailable:
            raise StoreUnavailable(f"{_NONE} Nobody answers who could tell of one.") from None
        if answer.status == 429 or answer.status >= 500:
            raise StoreUnavailable("The service that gives this machine its key does not work.")
        if answer.status >= 300:
            raise StoreRefused(_NONE)
        return answer.body


def _key(body: bytes) -> Kept[AwsKey]:
    try:
        found: dict[str, Any] = json.loads(body)
        key = AwsKey(found["AccessKeyId"], found["SecretAccessKey"], found.get("Token", ""))
        return Kept(key, markup.instant(found["Expiration"]))
    except (ValueError, KeyError, TypeError):
        raise StoreUnavailable("What this machine says of its key cannot be read.") from None


def _contents(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise StoreRefused("The file with this machine's token cannot be read.") from None
