"""Settings of encoders elsewhere."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from cella.errors import BadConfig
from cella.settings import SECRET, Count, Settings, SomeSeconds

ZENCODER = "zencoder"
"""What a document calls this encoder in `processing.backend`."""

DIRECT = frozenset({"gcs"})
"""The backends whose blobs Zencoder reads and writes itself; from others it is handed a link."""

_LEAST_AGE = 1.0


class ZencoderConfig(Settings, kw_only=True, frozen=True):
    """How Zencoder is reached, and how long it is waited for. Times are in seconds.

    `notifications_url` is where it tells what has become of a job, and
    `notifications_secret` what it has to send along; without the one it is only asked, and
    without the other it is not believed. `url` is where its API begins. Every
    `sweep_seconds` it is asked about the jobs of which nothing was heard for
    `sweep_age_seconds`; one of which nothing was heard for `give_up_seconds` has failed.
    `output_bytes` and `download_seconds` bound what is fetched of one film.
    """

    api_key: Annotated[str, SECRET] = ""
    notifications_url: str = ""
    notifications_secret: Annotated[str, SECRET] = ""
    url: str = "https://app.zencoder.com/api/v2"
    sweep_seconds: SomeSeconds = 300.0
    sweep_age_seconds: Annotated[float, msgspec.Meta(ge=_LEAST_AGE)] = 900.0
    give_up_seconds: SomeSeconds = 7 * 24 * 3600.0
    output_bytes: Count = 64 << 30
    download_seconds: SomeSeconds = 6 * 3600.0


def check_zencoder(backend: str, config: ZencoderConfig) -> None:
    """Raise `BadConfig`, naming the setting, where films are Zencoder's and one does not fit."""
    if backend != ZENCODER:
        return
    if not config.api_key:
        raise BadConfig(
            "CELLA_ZENCODER_API_KEY is needed where CELLA_ENCODING_BACKEND is zencoder."
        )
    _check_url("CELLA_ZENCODER_URL", config.url)
    if config.notifications_url:
        _check_url("CELLA_ZENCODER_NOTIFICATIONS_URL", config.notifications_url)


def _check_url(variable: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit or not url.isprintable() or " " in url:
        raise BadConfig(f"{variable} must be an address such as https://cella.studio.example/.")
