"""What clouds do beyond the contract: buckets, folders, labels, races, and refusals."""

import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.clouds import CLOUDS, Cloud
from tests.support.faulty_proxy import Answers, faulty_proxy
from tests.support.stores import BUCKET, KEY, OTHER, body, listed, listed_keys, read

from cella.errors import BadConfig, BlobExists, BlobMissing, StoreRefused, StoreUnavailable
from cella.store.config import AzureConfig, Clouds, S3Config, StoreConfig
from cella.store.contract import CanBrowse, Entry, Label, Store
from cella.store.machine_aws import MachineAwsKeys
from cella.store.machine_azure import MachineTokens
from cella.store.opening import open_stores
from cella.store.service import Place, Service, Taken, Writing


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Cloud)
    return found


@pytest.fixture
def service(cloud: Cloud) -> Iterator[Service]:
    service = cloud.service()
    yield service
    service.close()


@pytest_asyncio.fixture
async def divided(cloud: Cloud) -> AsyncIterator[Store]:
    """A store with a bucket for each project."""
    store = cloud.store(f"t{uuid.uuid4().hex[:12]}-{{project}}")
    await store.open()
    yield store
    await store.close()


# --- a bucket for each project


async def test_buckets_of_projects_are_created_when_they_are_written(divided: Store) -> None:
    keys = [f"{bucket}/_/{name}" for bucket in (OTHER, BUCKET) for name in ("b", "a")]
    assert await listed(divided) == []
    for key in keys:
        with pytest.raises(BlobMissing):
            await divided.head(key)
        with pytest.raises(BlobMissing):
            await read(divided, key)
        assert not await divided.delete(key)
    for key in keys:
        await divided.put(key, body(key.encode()))
    assert await listed_keys(divided) == sorted(keys)
    assert await listed_keys(divided, prefix=f"{OTHER}/") == sorted(keys)[2:]
    assert await listed_keys(divided, after=sorted(keys)[0]) == sorted(keys)[1:]
    assert await listed_keys(divided, after=sorted(keys)[2]) == sorted(keys)[3:]
    assert await read(divided, keys[0]) == keys[0].encode()


async def test_a_copy_goes_into_another_bucket(divided: Store) -> None:
    await divided.put(KEY, body(b"x"))
    target = KEY.replace(BUCKET, OTHER)
    await divided.copy(KEY, target)
    assert await read(divided, target) == b"x"
    with pytest.raises(BlobMissing):
        await divided.copy(f"{'0' * 24}/_/none", target, replace=True)


async def test_a_long_body_creates_its_bucket(divided: Store) -> None:
    content = bytes(9 << 20)
    await divided.put(KEY, body(content))
    assert (await divided.head(KEY)).length == len(content)


async def test_a_shared_bucket_that_is_not_there_is_named_and_not_created(cloud: Cloud) -> None:
    store = cloud.store(f"t{uuid.uuid4().hex}", "sub")
    await store.open()
    for call in (
        store.head(KEY),
        read(store, KEY),
        listed(store),
        store.put(KEY, body(b"x")),
        store.put(KEY, body(b"x"), replace=True),
        store.copy(KEY, KEY),
    ):
        with pytest.raises(StoreRefused, match="CELLA_STORE_URL"):
            await call
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        *("s3://", "s3://UPPER", "s3://a", "s3://a/../b", "s3://a_b", "s3://my..bucket"),
        *("az://", "az://a.b", "az://a--b", f"az://{'x' * 50}-{{project}}"),
        *("s3://{project}{project}", "s3://bucket?endpoint=minio:9000"),
    ],
)
def test_a_wrong_address_is_refused_by_the_name_of_its_setting(url: str) -> None:
    clouds = Clouds(azure=AzureConfig(account="cella"))
    with pytest.raises(BadConfig, match="CELLA_STORE_URL"):
        open_stores(StoreConfig(url=url), clouds, Path("/nonexistent"))


def test_settings_that_belong_together_are_asked_for() -> None:
    with pytest.raises(BadConfig, match="CELLA_AZURE_ACCOUNT"):
        open_stores(StoreConfig(url="az://container"), Clouds(), Path("/nonexistent"))
    half = Clouds(s3=S3Config(access_key_id="id"))
    with pytest.raises(BadConfig, match="CELLA_S3_SECRET_ACCESS_KEY"):
        open_stores(StoreConfig(url="s3://bucket"), half, Path("/nonexistent"))


# --- races and labels


def test_the_service_itself_refuses_what_is_there(cloud: Cloud, service: Service) -> None:
    """So of two racing puts one succeeds. Of the real services, AWS and Azure do so."""
    place = Place(cloud.bucket, uuid.uuid4().hex)
    first = Writing(place, Label("text/plain"), "first", False)
    second = first._replace(mark="second")
    upload = service.begin(second)
    parts = [service.part(second, upload, 1, b"two")]
    service.put(first._replace(replace=True), b"one")
    with pytest.raises(Taken):
        service.put(second, b"two")
    with pytest.raises(Taken):
        service.complete(second, upload, parts)
    service.abort(place, upload)
    assert service.head(place).mark == "first"


@pytest.mark.parametrize("length", [3, (8 << 20) + 1])
async def test_a_label_goes_with_the_object_and_its_copies(
    cloud: Cloud, service: Service, length: int
) -> None:
    store = cloud.store(prefix="labelled")
    await store.open()
    label = Label("video/mp4", "inline; filename*=UTF-8''%C3%A4.mp4")
    copy = f"{BUCKET}/_/{uuid.uuid4().hex}"
    await store.put(KEY, body(bytes(length)), label=label, replace=True)
    await store.copy(KEY, copy)
    for key in (KEY, copy):
        found = service.head(Place(cloud.bucket, f"labelled/{key}"))
        assert (found.content_type, found.disposition) == (label.content_type, label.disposition)
    await store.close()


async def test_a_service_without_conditions_is_asked_first(s3: Cloud) -> None:
    """It says so once, and is looked at before each put from then on, as before."""
    with faulty_proxy(s3.endpoint) as proxy:
        proxy.fail("PUT ", Answers(501))
        store = s3.hurried(proxy.url)
        await store.open()
        await store.put(KEY, body(b"x"))
        assert proxy.is_spent
        with pytest.raises(BlobExists):
            await store.put(KEY, body(b"y"))
        assert await read(store, KEY) == b"x"
        await store.close()


# --- folders


async def test_folders_show_also_what_others_have_put_there(cloud: Cloud, service: Service) -> None:
    prefix = uuid.uuid4().hex
    store = cloud.store(prefix=prefix)
    assert isinstance(store, CanBrowse)
    await store.open()
    await store.put(KEY, body(b"blob"), label=Label("image/png"))
    names = ["a b/ü.txt", "a/x", "a/y/z", "a.txt", "b", "empty/"]
    for name in names:
        label = Label("text/plain")
        place = Place(cloud.bucket, f"{prefix}/{BUCKET}/{name}")
        service.put(Writing(place, label, "", True), name.encode())

    async def spelled(path: str, after: str = "", most: int = 100) -> list[str]:
        entries = await store.browse(BUCKET, path, after, most)
        return [f"{entry.name}/" if entry.is_folder else entry.name for entry in entries]

    top = ["_/", "a b/", "a.txt", "a/", "b", "empty/"]
    assert await spelled("") == top
    assert await spelled("a") == ["x", "y/"]
    assert await spelled("a b") == ["ü.txt"]
    assert await spelled("empty") == []
    assert await spelled("nothing") == []
    for bad in ("../" + OTHER, ".", "a//y", "/a", "a/", "\0", "x" * 2000):
        assert await spelled(bad) == []
        with pytest.raises(BlobMissing):
            await store.find(BUCKET, bad)
    for most in (1, 2, 3):
        pages: list[str] = []
        while page := await spelled("", pages[-1] if pages else "", most):
            assert len(page) <= most
            pages += page
        assert pages == top
    (blob,) = await store.browse(BUCKET, "_", "", 5)
    found = await store.find(BUCKET, KEY.partition("/")[2])
    assert found == Entry(KEY[27:], False, 4, found.modified, "image/png")
    assert (blob.name, blob.length) == (found.name, 4)
    # S3 tells fractions of a second in listings only.
    assert blob.modified == pytest.approx(found.modified, abs=1)
    assert (await store.find(BUCKET, "a b/ü.txt")).length == len("a b/ü.txt".encode())
    with pytest.raises(BlobMissing):
        await store.find(BUCKET, "a")
    assert await listed_keys(store) == [KEY]
    await store.close()


async def test_a_project_without_a_bucket_has_empty_folders(divided: Store) -> None:
    assert isinstance(divided, CanBrowse)
    assert await divided.browse(BUCKET, "", "", 10) == []
    with pytest.raises(BlobMissing):
        await divided.find(BUCKET, "_/x")


async def test_pages_are_put_together(cloud: Cloud, service: Service) -> None:
    prefix = f"{uuid.uuid4().hex}/"
    names = [f"{prefix}{number}" for number in range(7)]
    for name in names:
        service.put(Writing(Place(cloud.bucket, name), Label(), "", True), b"x")
    found: list[str] = []
    more = ""
    while True:
        page = service.page(cloud.bucket, prefix, delimiter="", after="", more=more, most=3)
        assert len(page.items) <= 3
        found += [item.name for item in page.items]
        more = page.more
        if not more:
            break
    assert found == names


# --- keys that a machine has


class _Machine(BaseHTTPRequestHandler):
    """What tells machines of Amazon and Azure their keys."""

    aws = json.dumps(
        {
            "AccessKeyId": "id",
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": "2126-01-01T00:00:00Z",
        }
    )
    sts = (
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>id</AccessKeyId>"
        "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
        "<Expiration>2126-01-01T00:00:00Z</Expiration></Credentials>"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
    azure = json.dumps({"access_token": "azure-token", "expires_in": "86400"})
    asked: list[str]

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append(f"{self.command} {self.path}")
        path, headers = self.path, self.headers
        answer = ""
        if path == "/latest/api/token" and headers["x-aws-ec2-metadata-token-ttl-seconds"]:
            answer = "lasting"
        elif headers["x-aws-ec2-metadata-token"] == "lasting":
            role = path.removeprefix("/latest/meta-data/iam/security-credentials/")
            answer = {"": "role", "role": self.aws}.get(role, "")
        elif path == "/container" and headers["Authorization"] == "from the file":
            answer = self.aws
        elif "WebIdentityToken=from+the+file" in path:
            answer = self.sts
        elif headers["Metadata"] == "true" or headers["X-IDENTITY-HEADER"] == "shown":
            answer = self.azure
        if path == "/tenant/oauth2/v2.0/token":
            answer = self.azure
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_PUT = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def machine() -> Iterator[tuple[str, list[str]]]:
    """A machine's own service, and what it was asked."""
    asked: list[str] = []
    handler = type("Handler", (_Machine,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("place", ["environment", "token", "container", "instance"])
def test_a_machine_of_amazon_has_a_key(place: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from the file\n")
    with machine() as (origin, asked):
        environment = {
            "environment": {
                "AWS_ACCESS_KEY_ID": "id",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_SESSION_TOKEN": "token",
            },
            "token": {
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
                "AWS_ROLE_ARN": "arn:aws:iam::1:role/cella",
                "AWS_ENDPOINT_URL_STS": origin,
            },
            "container": {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{origin}/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
            },
            "instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": origin},
        }[place]
        keys = MachineAwsKeys(environment, "eu-central-1")
        key = keys.key()
        assert (key.access_key_id, key.secret_access_key, key.token) == ("id", "secret", "token")
        count = len(asked)
        assert keys.key() == key
        assert len(asked) == count


@pytest.mark.parametrize("place", ["token", "service", "instance"])
def test_a_machine_of_azure_has_a_token(place: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from the file\n")
    with machine() as (origin, asked):
        environment = {
            "token": {
                "AZURE_FEDERATED_TOKEN_FILE": str(file),
                "AZURE_TENANT_ID": "tenant",
                "AZURE_AUTHORITY_HOST": origin,
            },
            "service": {"IDENTITY_ENDPOINT": f"{origin}/msi", "IDENTITY_HEADER": "shown"},
            "instance": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": origin},
        }[place]
        tokens = MachineTokens(environment)
        assert tokens.header("GET", "/", {}, {}) == "Bearer azure-token"
        assert tokens.header("PUT", "/x", {}, {}) == "Bearer azure-token"
        assert len(asked) == 1


def test_a_machine_without_a_key_says_what_to_set() -> None:
    with machine() as (origin, _):
        nothing = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{origin}/nothing"}
        with pytest.raises(StoreRefused, match="CELLA_S3_ACCESS_KEY_ID"):
            MachineAwsKeys(nothing, "eu-central-1").key()
        nothing = {"IDENTITY_ENDPOINT": f"{origin}/nothing"}
        with pytest.raises(StoreRefused, match="CELLA_AZURE_ACCOUNT_KEY"):
            MachineTokens(nothing).current()
    with pytest.raises(StoreRefused, match="CELLA_S3_ACCESS_KEY_ID"):
        MachineAwsKeys({"AWS_EC2_METADATA_DISABLED": "true"}, "eu-central-1").key()
    gone = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": origin}
    with pytest.raises(StoreUnavailable, match="CELLA_S3_ACCESS_KEY_ID"):
        MachineAwsKeys(gone, "eu-central-1").key()
