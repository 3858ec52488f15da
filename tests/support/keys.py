"""Keys for tests, made when they are needed: none is in the repository."""

import json
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ACCOUNT = "cella@studio.iam.gserviceaccount.example"


@cache
def private_key() -> rsa.RSAPrivateKey:
    """An RSA key, the same one all the time."""
    return rsa.generate_private_key(65537, 2048)


def service_account(folder: Path) -> Path:
    """The key of a service account, as Google gives it out."""
    pem = private_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "service-account.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "studio",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": ACCOUNT,
                "client_id": "1",
                "token_uri": "http://127.0.0.1:9/token",
            }
        )
    )
    return path
