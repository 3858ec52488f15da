"""Clouds on this machine: servers that speak like them, and those that somebody names.

Each server is a process of its own that ends when its standard input does, so also when the tests
are killed, or threads of this one. The keys are the emulators' own, or made up.
`CELLA_TEST_GCS_URL`, `CELLA_TEST_S3_URL` and `CELLA_TEST_AZURE_URL` name real services instead,
`gs://BUCKET`, `s3://BUCKET` or `az://CONTAINER`, with an `endpoint=` where it is needed; the keys
to those are in the settings of a server. What tests leave in them lies in folders and buckets of
32 random hex digits, or beginning with `t` and 12 of them.
"""

import base64
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.support.gcs import Emulator

from cella.config import load
from cella.store import azure, s3
from cella.store.checked import CheckedStore
from cella.store.config import AzureConfig, Clouds, S3Config, StoreConfig
from cella.store.contract import Store
from cella.store.credentials import FixedAwsKey
from cella.store.layout import Layout
from cella.store.opening import open_stores
from cella.store.remote import RemoteStore
from cella.store.retrying import Patience, RetryingStore
from cella.store.service import Service
from cella.store.signing_azure import AzureKey
from cella.store.signing_s3 import AwsKey
from cella.store.wire import Patience as WirePatience
from cella.store.wire import Wire

_MOTO = """
import os, sys
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
from werkzeug.serving import WSGIRequestHandler
WSGIRequestHandler.protocol_version = "HTTP/1.1"
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"http://{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
"""


CLOUDS = ("s3", "azure")
"""The fixtures of `tests/conftest.py` that are clouds to which `RemoteStore` speaks."""

ALL_CLOUDS = ("gcs", *CLOUDS)
"""Those, and the one that has a client of its own."""

REAL = tuple(name for name in ALL_CLOUDS if f"CELLA_TEST_{name.upper()}_URL" in os.environ)
"""Those of `ALL_CLOUDS` that are a real service in the place of one on this machine."""


_AZURITE = """
process.argv.splice(1, 0, "azurite-blob");
process.stdin.on("end", () => process.exit()).resume();
require(process.argv[2]);
"""

AZURITE = Path(__file__).parents[1] / "browser/node_modules/azurite/dist/src/blob/main.js"


class Cloud(NamedTuple):
    """A running service: what kind it is, and the settings with which stores reach it."""

    scheme: str
    endpoint: str
    bucket: str
    clouds: Clouds

    def store(self, bucket: str = "", prefix: str = "", **changed: str) -> Store:
        """A store as a server has it; in a folder of its own unless something else is said.

        `changed` are other settings of the store than this cloud's.
        """
        path = "" if bucket and not prefix else f"/{prefix or uuid.uuid4().hex}"
        settings = {"url": f"{self.scheme}://{bucket or self.bucket}{path}"}
        settings |= {"endpoint": self.endpoint} | changed
        config = StoreConfig(**settings)  # type: ignore[arg-type]
        backend, stores = open_stores(config, self.clouds, Path("/nonexistent"))
        return stores[backend]

    def service(self, endpoint: str = "", silence: float = 30.0) -> Service:
        """The cloud itself, or what is at `endpoint`, which may be silent for so many seconds."""
        wire = Wire(WirePatience(silence=silence))
        if self.scheme == "s3":
            settings = self.clouds.s3
            key = FixedAwsKey(AwsKey(settings.access_key_id, settings.secret_access_key))
            address = s3.Address.of(endpoint or self.endpoint, settings.region)
            return s3.S3Service(address, settings.region, key, wire=wire)
        account, key_text = self.clouds.azure.account, self.clouds.azure.account_key
        authority = azure.SharedKey(AzureKey.of(account, key_text))
        address_there = azure.Address.of(endpoint or self.endpoint, account)
        return azure.AzureService(address_there, authority, wire=wire)

    def hurried(self, endpoint: str, silence: float = 30.0, tries: int = 5) -> Store:
        """A store behind `endpoint`, as a server has it but for its shorter pauses."""
        name = s3.BUCKET_NAME if self.scheme == "s3" else azure.CONTAINER_NAME
        layout = Layout("CELLA_STORE_URL", self.bucket, uuid.uuid4().hex, name)
        patience = Patience(tries=tries, pause=0.001)
        remote = RemoteStore(self.service(endpoint, silence), layout, patience=patience)
        return CheckedStore(RetryingStore(remote, patience))


@contextmanager
def gcs_cloud() -> Iterator[Cloud]:
    """The service that `CELLA_TEST_GCS_URL` names, or gcp-storage-emulator, in this process."""
    if "gcs" in REAL:
        yield _real("CELLA_TEST_GCS_URL", "gs")
        return
    service = Emulator()
    yield Cloud("gs", service.url, service.new_bucket(), Clouds())
    service.stop()


@contextmanager
def s3_cloud() -> Iterator[Cloud]:
    """The service that `CELLA_TEST_S3_URL` names, or Moto."""
    if "s3" in REAL:
        yield _real("CELLA_TEST_S3_URL", "s3")
        return
    with moto() as cloud:
        yield cloud


@contextmanager
def azure_cloud() -> Iterator[Cloud]:
    """The service that `CELLA_TEST_AZURE_URL` names, or Azurite."""
    if "azure" in REAL:
        yield _real("CELLA_TEST_AZURE_URL", "az")
        return
    with azurite() as cloud:
        yield cloud


def _real(variable: str, scheme: str) -> Cloud:
    parts = urlsplit(os.environ[variable])
    endpoint = dict(parse_qsl(parts.query)).get("endpoint", "")
    settings = load(os.environ)
    clouds = Clouds(gcs=settings.gcs, s3=settings.s3, azure=settings.azure)
    return Cloud(scheme, endpoint, parts.netloc, clouds)


@contextmanager
def moto() -> Iterator[Cloud]:
    """S3 as Moto has it, with one bucket. It holds everything in memory, and checks no key."""
    with process([sys.executable, "-c", _MOTO], r"(http://127\.0\.0\.1:\d+)") as endpoint:
        keys = S3Config(access_key_id="made", secret_access_key="up", region="eu-central-1")
        address, key = s3.Address.of(endpoint, keys.region), FixedAwsKey(AwsKey("made", "up"))
        with closing(s3.S3Service(address, keys.region, key)) as service:
            service.create_bucket("cella")
        yield Cloud("s3", endpoint, "cella", Clouds(s3=keys))


@contextmanager
def azurite() -> Iterator[Cloud]:
    """Azure as Azurite has it, with one container. It holds everything in memory."""
    if not AZURITE.exists():
        pytest.skip("Azurite is not there: `make test` gets it from npm")
    account, key = "devstoreaccount1", base64.b64encode(b"a key that is made up").decode()
    variables = {"AZURITE_ACCOUNTS": f"{account}:{key}"}
    beside = Path(sys.executable).with_name("node")
    node = str(beside) if beside.exists() else "node"
    command = [node, "-e", _AZURITE, str(AZURITE), "--blobPort", "0", "--inMemoryPersistence"]
    command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with process(command, r"(http://127\.0\.0\.1:\d+)", **variables) as origin:
        endpoint = f"{origin}/{account}"
        authority = azure.SharedKey(AzureKey.of(account, key))
        address = azure.Address.of(endpoint, account)
        with closing(azure.AzureService(address, authority)) as service:
            service.create_bucket("cella")
        keys = Clouds(azure=AzureConfig(account=account, account_key=key))
        yield Cloud("az", endpoint, "cella", keys)


@contextmanager
def process(command: list[str], says: str, **variables: str) -> Iterator[str]:
    """A process from when it says where it listens; gives the address."""
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true", **variables}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if match := re.search(says, line):
                    yield match[1]
                    break
            else:
                raise AssertionError(f"{command[0]} does not start")
        finally:
            process.terminate()
            process.communicate(timeout=20)
