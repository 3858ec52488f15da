"""Which stores there are, and what is wrapped around them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from cella.errors import BadConfig
from cella.store.checked import CheckedStore
from cella.store.contract import Store
from cella.store.disk import DiskStore
from cella.store.memory import MemoryStore


class StoreConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Where blobs lie: `file:///PATH`, `memory://`, or empty for the disk below the data folder."""

    url: str = ""


class _Scheme(NamedTuple):
    backend: str
    make: Callable[[SplitResult], Store]


def _disk(url: SplitResult) -> Store:
    path = unquote(url.path)
    if url.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise BadConfig(
            "CELLA_STORE_URL needs three slashes and an absolute path: file:///srv/cella/blobs"
        )
    return DiskStore(Path(path))


def _memory(_url: SplitResult) -> Store:
    return MemoryStore()


_SCHEMES = {
    "file": _Scheme("local", _disk),
    "memory": _Scheme("memory", _memory),
}


def open_store(config: StoreConfig, default_folder: Path) -> Store:
    """The store that `config` names, in its wrappings, not connected: await its `open`.

    `default_folder` is where blobs lie when no address is set. Raises `BadConfig`.
    """
    if not config.url:
        return _wrapped(DiskStore(default_folder))
    url = _split(config.url)
    return _wrapped(_scheme(url).make(url))


def backend_name(config: StoreConfig) -> str:
    """What documents call this store: `local` or `memory`. Raises `BadConfig`."""
    return _scheme(_split(config.url)).backend if config.url else "local"


def _wrapped(store: Store) -> Store:
    """The one place that tells what stands around a store, innermost first."""
    return CheckedStore(store)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise BadConfig("CELLA_STORE_URL is not a URL.") from None


def _scheme(url: SplitResult) -> _Scheme:
    try:
        return _SCHEMES[url.scheme]
    except KeyError:
        known = " or ".join(f"{name}://" for name in _SCHEMES)
        raise BadConfig(
            f"CELLA_STORE_URL must begin with {known}, or be left out for a folder in the data "
            "directory."
        ) from None
