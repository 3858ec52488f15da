"""Tokens and sessions: made, and turned into what the database keeps of them."""

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


def session_hash(key: str, secret: str) -> str:
    """Hex of an HMAC-SHA256 of a session's secret, which is none of a token's."""
    return hmac.digest(key.encode(), f"session\0{secret}".encode(), hashlib.sha256).hex()


def session_proof(key: str, secret: str) -> str:
    """What shows that a request comes from a page of ours, which knows it, and no other.

    A page of another origin can have the cookie sent along, and cannot read this (OWASP Cross-Site
    Request Forgery Prevention Cheat Sheet, "HMAC based token pattern").
    """
    return hmac.digest(key.encode(), f"proof\0{secret}".encode(), hashlib.sha256).hex()


def is_proof(key: str, secret: str, told: str) -> bool:
    """Whether that is the session's proof, in constant time."""
    return hmac.compare_digest(session_proof(key, secret).encode(), told.encode())


def attempt_key(key: str, kind: str, by: str) -> str:
    """What attempts of a kind are counted under: an HMAC, which tells nothing of whose they are."""
    text = f"{kind}\0{by}".encode("utf-8", "surrogatepass")
    return hmac.digest(key.encode(), text, hashlib.sha256).hex()


def seal(key: str, purpose: str, content: bytes) -> str:
    """What a browser is given to keep: it can be read there, and not changed."""
    encoded = base64.urlsafe_b64encode(content).decode().rstrip("=")
    return f"{encoded}.{_seal(key, purpose, encoded)}"


def unseal(key: str, purpose: str, sealed: str) -> bytes | None:
    """What was sealed for that purpose; None where that is nothing of ours."""
    encoded, _, told = sealed.partition(".")
    if not hmac.compare_digest(_seal(key, purpose, encoded).encode(), told.encode()):
        return None
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def _seal(key: str, purpose: str, encoded: str) -> str:
    return hmac.digest(key.encode(), f"{purpose}\0{encoded}".encode(), hashlib.sha256).hex()
