"""How long links last.

Time is cut into windows of a quarter of a backend's validity. All links spelled within one
window expire at the same moment, at most `validity` seconds after it began, so every reader in
a window gets the same URL, caches hit, and every link lasts at least three quarters of the
validity. Windows begin at multiples of their length since the epoch, so processes agree on
them without talking.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec

from cella.settings import SECRET, Count, Seconds, Settings

CdnName = Literal["bunny", "cdnsun", "cloudfront", "nginx"]
"""A content delivery network that links may lead to; see `cella.links.cdn`."""

_WINDOWS_PER_VALIDITY = 4
_DEFAULT = 30 * 24 * 3600


class LinkConfig(Settings, kw_only=True, frozen=True):
    """`file_link_validity`: seconds that links of a backend last, with `default` for the rest.

    `scheme` and `server_name` (host and port) make the address that links begin with.
    `link_keys`: the first signs, all of them verify; see `cella.links.token`.
    `link_cdn`: the content delivery network that serves a backend's blobs; see `cella.links.cdn`.
    `link_refresh_seconds`: how often links that are slow to sign are looked at, 0 for never.
    """

    file_link_validity: dict[str, Count] = msgspec.field(
        default_factory=lambda: {"default": _DEFAULT, "gcs": 23 * 3600}
    )
    scheme: str = "http"
    server_name: str = ""
    link_keys: Annotated[tuple[str, ...], SECRET] = ()
    link_cdn: dict[str, CdnName] = msgspec.field(default_factory=dict)
    link_refresh_seconds: Seconds = 600.0


class Window(NamedTuple):
    """The window that an instant lies in: links spelled from `begins` on end at `expires`.

    Both are whole seconds since the epoch.
    """

    begins: int
    expires: int


def window(now: float, validity: int) -> Window:
    """The window of the instant `now` for links that last `validity` seconds at most."""
    step = max(1, validity // _WINDOWS_PER_VALIDITY)
    begins = int(now) // step * step
    return Window(begins, begins + max(validity, 1))


def ending(latest: Window, expires: int) -> Window:
    """A window as long as `latest` that ends at `expires`, or `latest` where that is sooner.

    So what it signs has begun already, and lasts no longer than what is signed now.
    """
    if expires >= latest.expires:
        return latest
    return Window(expires - (latest.expires - latest.begins), expires)


def validity_of(config: LinkConfig, backend: str) -> int:
    """Seconds that links of the backend last at most."""
    validity = config.file_link_validity
    return validity.get(backend, validity.get("default", _DEFAULT))
