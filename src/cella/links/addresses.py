"""Addresses that links begin with, and paths as they stand in a URL."""

from typing import NamedTuple
from urllib.parse import quote, urlsplit

from cella.errors import BadConfig


class Address(NamedTuple):
    """Where links lead: `origin` is scheme and host, `folder` empty or a path without end slash."""

    origin: str
    folder: str


def address(setting: str, url: str) -> Address:
    """The parts of a URL of http or https without query. Raises `BadConfig`, naming the setting."""
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise BadConfig(f"{setting} must be an address such as https://cdn.studio.example/folder.")
    return Address(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"))


def required(setting: str, value: str) -> str:
    """The value; raises `BadConfig`, naming the setting, where there is none."""
    if not value:
        raise BadConfig(f"{setting} is needed for links that this CDN serves.")
    return value


def rooted(path: str) -> str:
    """The path with a slash in front."""
    return path if path.startswith("/") else f"/{path}"


def quoted(path: str) -> str:
    """The path as it stands in a URL: UTF-8, percent-encoded, with its slashes (RFC 3986)."""
    return quote(path, safe="/")
