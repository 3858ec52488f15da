"""The token for Azure Blob Storage that a machine of Azure's has, or that the environment tells.

The order is that of Azure's own libraries: a token that is changed for another one (Kubernetes),
an App Service's address, the instance's own service.
Sources: https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
and https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from cella.errors import StoreRefused, StoreUnavailable
from cella.store.credentials import Kept, Renewed
from cella.store.wire import Patience, Wire

_INSTANCE = "http://169.254.169.254"
_LOGIN = "https://login.microsoftonline.com"
_STORAGE = "https://storage.azure.com"
_NONE = (
    "There is no key for Azure: set CELLA_AZURE_ACCOUNT_KEY, or give this machine a managed "
    "identity."
)


class MachineTokens(Renewed[str]):
    """Tokens by what `environment` says, in Azure's words; authorises requests with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__()
        self._environment = environment
        self._wire = Wire(Patience(connecting=2.0, silence=10.0))

    def header(
        self,
        method: str,  # noqa: ARG002 - a token is the same for all
        path: str,  # noqa: ARG002
        query: Mapping[str, str],  # noqa: ARG002
        headers: Mapping[str, str],  # noqa: ARG002
    ) -> str:
        """The token that is valid now."""
        return f"Bearer {self.current()}"

    def fetch(self) -> Kept[str]:
        """A token from the first place that has one."""
        said = self._environment
        client = said.get("AZURE_CLIENT_ID", "")
        if said.get("AZURE_FEDERATED_TOKEN_FILE"):
            return self._from_token(said["AZURE_FEDERATED_TOKEN_FILE"], client)
        query = {"resource": _STORAGE, **({"client_id": client} if client else {})}
        if said.get("IDENTITY_ENDPOINT"):
            query["api-version"] = "2019-08-01"
            headers = {"x-identity-header": said.get("IDENTITY_HEADER", "")}
            return self._got("GET", f"{said['IDENTITY_ENDPOINT']}?{urlencode(query)}", headers)
        origin = said.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", _INSTANCE).rstrip("/")
        query["api-version"] = "2018-02-01"
        address = f"{origin}/metadata/identity/oauth2/token?{urlencode(query)}"
        return self._got("GET", address, {"metadata": "true"})

    def _from_token(self, file: str, client: str) -> Kept[str]:
        said = self._environment
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            raise StoreRefused("The file with this machine's token cannot be read.") from None
        form = {
            "grant_type": "client_credentials",
            "client_id": client,
            "scope": f"{_STORAGE}/.default",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": token,
        }
        origin = said.get("AZURE_AUTHORITY_HOST", _LOGIN).rstrip("/")
        address = f"{origin}/{said.get('AZURE_TENANT_ID', '')}/oauth2/v2.0/token"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return self._got("POST", address, headers, urlencode(form).encode())

    def _got(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Kept[str]:
        parts = urlsplit(address)
        origin = f"{parts.scheme}://{parts.netloc}"
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        try:
            answer = self._wire.stream(method, origin, target, headers, body).all()
        except StoreUnavailable:
            raise StoreUnavailable(f"{_NONE} Nobody answers who could tell of one.") from None
        if answer.status >= 500 or answer.status == 429:
            raise StoreUnavailable("The service that gives this machine its token does not work.")
        if answer.status >= 300:
            raise StoreRefused(_NONE)
        try:
            found: dict[str, Any] = json.loads(answer.body)
            lasts = float(found.get("expires_in") or float(found["expires_on"]) - time.time())
            return Kept(str(found["access_token"]), time.time() + lasts)
        except (ValueError, KeyError, TypeError):
            raise StoreUnavailable("What this machine says of its token cannot be read.") from None
