"""Settings of where blobs lie, and of how the clouds know us."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from cella.settings import SECRET, Settings


class StoreConfig(Settings, kw_only=True, frozen=True):
    """Where blobs lie.

    `url` is the place of new blobs: `file:///PATH`, `memory://`, `gs://BUCKET[/PREFIX]`,
    `s3://BUCKET[/PREFIX]` or `az://CONTAINER[/PREFIX]`; empty for the disk below the data folder.
    `{project}` in a bucket's name stands for the id of a project, which then has a bucket of its
    own. `more` are the places of blobs that came here before, one of a kind. `endpoint` is the
    address of a service that speaks like the cloud of `url`, `location` where buckets are created.
    """

    url: str = ""
    more: tuple[str, ...] = ()
    endpoint: str = ""
    location: str = "EU"


class GcsConfig(Settings, kw_only=True, frozen=True):
    """How Google Cloud Storage knows us; without any of it, by what the machine says of us.

    `credentials` is the path of a service account's key, in JSON; `project` the project of
    Google's in which buckets are created. `hmac_access_id` and `hmac_secret` sign links in the
    place of the key, and much faster. `public_objects` has public variations be public objects.
    """

    credentials: str = ""
    project: str = ""
    hmac_access_id: str = ""
    hmac_secret: Annotated[str, SECRET] = ""
    public_objects: bool = True


class S3Config(Settings, kw_only=True, frozen=True):
    """How S3 knows us; without a key, by what the machine says of us."""

    access_key_id: str = ""
    secret_access_key: Annotated[str, SECRET] = ""
    region: str = "eu-central-1"


class AzureConfig(Settings, kw_only=True, frozen=True):
    """How Azure Blob Storage knows us; without a key, by what the machine says of us."""

    account: str = ""
    account_key: Annotated[str, SECRET] = ""


class PillarConfig(Settings, kw_only=True, frozen=True):
    """`folder` is the one that Pillar kept files in (`STORAGE_DIR`), empty for none."""

    folder: str = ""


class Clouds(msgspec.Struct, kw_only=True, frozen=True):
    """How each of the clouds knows us.

    `machine` is what stands in the environment in the words of the clouds themselves.
    """

    gcs: GcsConfig = GcsConfig()
    s3: S3Config = S3Config()
    azure: AzureConfig = AzureConfig()
    machine: Mapping[str, str] = msgspec.field(default_factory=dict)
