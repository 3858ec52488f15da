"""Tokens: made, and turned into what the database keeps of them."""

import base64
import hashlib
import hmac
import secrets


def new_token() -> str:
    """A fresh token: 256 random bits, safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def token_hash(key: str, token: str) -> str:
    """Base64 of HMAC-SHA256 (RFC 2104), the form that the original stored."""
    return base64.b64encode(hmac.digest(key.encode(), token.encode(), hashlib.sha256)).decode()
