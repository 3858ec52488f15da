"""Secrets that were not configured: made once, kept in the data directory, readable by its owner.

There is no default secret. With several machines set `CELLA_AUTH_TOKEN_HMAC_KEY` and
`CELLA_LINK_KEYS` on all of them instead.
"""

import os
import secrets
from pathlib import Path
from typing import Annotated

import msgspec

from cella.config import Config
from cella.errors import BadConfig
from cella.settings import SECRET, Settings

_NAME = "secrets.json"


class _Kept(Settings, kw_only=True, frozen=True):
    auth_token_hmac_key: Annotated[str, SECRET]
    link_keys: Annotated[tuple[str, ...], SECRET]


MADE = frozenset(_Kept.__struct_fields__)
"""The settings that are made where they are not set."""


def complete(config: Config) -> Config:
    """The config with all its secrets."""
    if config.service.auth_token_hmac_key and config.links.link_keys:
        return config
    kept = _kept(config.data)
    service, links = config.service, config.links
    return msgspec.structs.replace(
        config,
        service=msgspec.structs.replace(
            service, auth_token_hmac_key=service.auth_token_hmac_key or kept.auth_token_hmac_key
        ),
        links=msgspec.structs.replace(links, link_keys=links.link_keys or kept.link_keys),
    )


def _kept(data: Path) -> _Kept:
    path = data / _NAME
    if not path.exists():
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except msgspec.DecodeError:
        raise BadConfig(
            f"{_NAME} in the data directory is damaged. Restore it from a backup, or set "
            "CELLA_AUTH_TOKEN_HMAC_KEY and CELLA_LINK_KEYS."
        ) from None


def _make(path: Path) -> None:
    """Write the file as a whole; of several processes that start at once, one wins."""
    fresh = _Kept(
        auth_token_hmac_key=secrets.token_urlsafe(48), link_keys=(secrets.token_urlsafe(48),)
    )
    draft = path.with_name(f".{_NAME}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(fresh)))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
