"""Stores in clouds, put together from their settings."""

from urllib.parse import urlsplit

from cella.errors import BadConfig
from cella.store import azure, s3
from cella.store.config import Clouds
from cella.store.contract import Store
from cella.store.credentials import FixedAwsKey
from cella.store.layout import Layout
from cella.store.machine_aws import MachineAwsKeys
from cella.store.machine_azure import MachineTokens
from cella.store.remote import RemoteStore, SigningRemoteStore
from cella.store.signing_azure import AzureKey
from cella.store.signing_s3 import AwsKey


def s3_store(setting: str, bucket: str, prefix: str, endpoint: str, clouds: Clouds) -> Store:
    """The store in a bucket of S3, or of a service at `endpoint` that speaks like it.

    Only a key from the settings signs links. Raises `BadConfig`, which names `setting`.
    """
    settings = clouds.s3
    if bool(settings.access_key_id) != bool(settings.secret_access_key):
        raise BadConfig(
            "CELLA_S3_ACCESS_KEY_ID and CELLA_S3_SECRET_ACCESS_KEY go together; one is not set."
        )
    layout = Layout(setting, bucket, prefix, s3.BUCKET_NAME)
    address = s3.Address.of(_checked(setting, endpoint), settings.region)
    if not settings.access_key_id:
        machine = MachineAwsKeys(clouds.machine, settings.region)
        return RemoteStore(s3.S3Service(address, settings.region, machine), layout)
    key = AwsKey(settings.access_key_id, settings.secret_access_key)
    service = s3.S3Service(address, settings.region, FixedAwsKey(key))
    return SigningRemoteStore(service, layout, s3.S3Links(address, settings.region, key))


def azure_store(setting: str, container: str, prefix: str, endpoint: str, clouds: Clouds) -> Store:
    """The store in a container of Azure, or of a service at `endpoint` that speaks like it.

    Only a key from the settings signs links. Raises `BadConfig`, which names `setting`.
    """
    settings = clouds.azure
    if not settings.account:
        raise BadConfig("CELLA_AZURE_ACCOUNT is not set: blobs in Azure lie in an account.")
    layout = Layout(setting, container, prefix, azure.CONTAINER_NAME)
    address = azure.Address.of(_checked(setting, endpoint), settings.account)
    if not settings.account_key:
        return RemoteStore(azure.AzureService(address, MachineTokens(clouds.machine)), layout)
    key = AzureKey.of(settings.account, settings.account_key)
    service = azure.AzureService(address, azure.SharedKey(key))
    return SigningRemoteStore(service, layout, azure.AzureLinks(address, key))


def _checked(setting: str, endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise BadConfig(
            f"{setting}: the endpoint is an address such as https://minio.example.com:9000"
        )
    return endpoint
