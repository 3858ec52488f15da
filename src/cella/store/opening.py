"""Which stores there are, and what is wrapped around them.

Google's client takes 12 MiB, which a process should not pay that does not use it. So its module is
imported by name when such a store is made. This is the one place where that is done.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from cella.errors import BadConfig
from cella.store.checked import CheckedStore
from cella.store.clouds import azure_store, s3_store
from cella.store.config import Clouds, PillarConfig, StoreConfig
from cella.store.contract import Store
from cella.store.disk import DiskStore
from cella.store.memory import MemoryStore
from cella.store.pillar import PillarStore
from cella.store.retrying import RetryingStore

if TYPE_CHECKING:
    # Never executed. It is how mypy and import-linter see what is imported by name.
    from cella.store import gcs


class Place(NamedTuple):
    """Where a store is: the parts of its URL, and how the clouds know us.

    `bucket` may have `{project}` in it. `prefix` has no slash at its ends. `setting` is what the
    URL was told by, for complaints.
    """

    setting: str
    host: str
    path: str
    endpoint: str
    location: str
    clouds: Clouds

    @property
    def prefix(self) -> str:
        """What keys have in front of them in the bucket, without slashes at the ends."""
        return self.path.strip("/")


class _Scheme(NamedTuple):
    backend: str
    make: Callable[[Place], Store]
    is_remote: bool = False


def _disk(place: Place) -> Store:
    if place.host not in ("", "localhost") or not place.path.startswith("/") or "\0" in place.path:
        raise BadConfig(
            f"{place.setting} needs three slashes and an absolute path: file:///srv/cella/blobs"
        )
    return DiskStore(Path(place.path))


def _gcs(place: Place) -> Store:
    make: Callable[..., gcs.GcsStore] = import_module("cella.store.gcs").make
    return make(
        place.setting, place.host, place.prefix, place.endpoint, place.location, place.clouds.gcs
    )


def _s3(place: Place) -> Store:
    return s3_store(place.setting, place.host, place.prefix, place.endpoint, place.clouds)


def _azure(place: Place) -> Store:
    return azure_store(place.setting, place.host, place.prefix, place.endpoint, place.clouds)


def _memory(_place: Place) -> Store:
    return MemoryStore()


_SCHEMES = {
    "file": _Scheme("local", _disk),
    "memory": _Scheme("memory", _memory),
    "gs": _Scheme("gcs", _gcs),
    "s3": _Scheme("s3", _s3, is_remote=True),
    "az": _Scheme("azure", _azure, is_remote=True),
}
_PARAMETERS = frozenset(("endpoint", "location"))


def open_stores(
    config: StoreConfig, clouds: Clouds, default_folder: Path
) -> tuple[str, Mapping[str, Store]]:
    """The backend of new blobs, and all stores by their backends, in their wrappings.

    They are not connected: await their `open`. `default_folder` is where blobs lie when no address
    is set, and what `local` means where no address says anything else. Raises `BadConfig`.
    """
    stores: dict[str, Store] = {}
    for setting, url, endpoint in _addresses(config):
        scheme, place = _placed(setting, url, endpoint, config.location, clouds)
        if scheme.backend in stores:
            raise BadConfig(f"{setting} names a second {scheme.backend} store; there can be one.")
        stores[scheme.backend] = _wrapped(scheme.make(place), scheme.is_remote)
    backend = backend_name(config)
    if "local" not in stores and backend != "memory":
        stores["local"] = _wrapped(DiskStore(default_folder), is_remote=False)
    return backend, stores


def old_stores(config: PillarConfig) -> Mapping[str, Store]:
    """The stores that Pillar left, which get nothing new. Raises `BadConfig`."""
    if not config.folder:
        return {}
    folder = Path(config.folder)
    if not folder.is_absolute():
        raise BadConfig("CELLA_PILLAR_FOLDER must be an absolute path: /srv/pillar/storage")
    return {"pillar": _wrapped(PillarStore(folder), is_remote=False)}


def backend_name(config: StoreConfig) -> str:
    """What documents call the store of new blobs, for example `local`. Raises `BadConfig`."""
    return _scheme("CELLA_STORE_URL", config.url).backend if config.url else "local"


def _addresses(config: StoreConfig) -> list[tuple[str, str, str]]:
    """The setting that names a store, its URL, and its endpoint."""
    first = [("CELLA_STORE_URL", config.url, config.endpoint)] if config.url else []
    return first + [("CELLA_STORE_MORE", url, "") for url in config.more]


def _wrapped(store: Store, is_remote: bool) -> Store:
    """The one place that tells what stands around a store, innermost first.

    What is tried again is a verb of the store itself: what `CheckedStore` finds out is final.
    Google's client tries again by itself, so around it nothing does.
    """
    return CheckedStore(RetryingStore(store) if is_remote else store)


def _placed(
    setting: str, url: str, endpoint: str, location: str, clouds: Clouds
) -> tuple[_Scheme, Place]:
    scheme = _scheme(setting, url)
    parts = urlsplit(url)
    said = dict(parse_qsl(parts.query))
    if not said.keys() <= _PARAMETERS:
        raise BadConfig(f"{setting}: after the ? may stand endpoint= and location=, nothing else.")
    place = Place(
        setting,
        parts.netloc,
        unquote(parts.path),
        said.get("endpoint", endpoint),
        said.get("location", location),
        clouds,
    )
    return scheme, place


def _scheme(setting: str, url: str) -> _Scheme:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise BadConfig(f"{setting} is not a URL.") from None
    try:
        return _SCHEMES[scheme]
    except KeyError:
        known = " or ".join(f"{name}://" for name in _SCHEMES)
        raise BadConfig(
            f"{setting} must begin with {known}; without CELLA_STORE_URL blobs lie in a folder "
            "of the data directory."
        ) from None
