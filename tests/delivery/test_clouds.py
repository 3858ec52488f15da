"""From an upload to the bytes behind its links, with each cloud as the store of a whole server."""

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.clouds import ALL_CLOUDS, Cloud
from tests.support.service import Service, Start

PHOTO = Path("tests/media/samples/plain.jpg")
NAME = "a photo é.jpg"


@pytest.fixture(params=ALL_CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Cloud)
    return found


@pytest.fixture
def service(cloud: Cloud, start: Start) -> Service:
    """A server whose blobs go to the cloud, and that signs links there."""
    s3, azure, gcs = cloud.clouds.s3, cloud.clouds.azure, cloud.clouds.gcs
    settings: dict[str, Any] = {
        "s3_access_key_id": s3.access_key_id,
        "s3_secret_access_key": s3.secret_access_key,
        "s3_region": s3.region,
        "azure_account": azure.account,
        "azure_account_key": azure.account_key,
        "gcs_credentials": gcs.credentials,
        # An emulator looks at no signature.
        "gcs_hmac_access_id": gcs.hmac_access_id or "made",
        "gcs_hmac_secret": gcs.hmac_secret or "up",
    }
    address = f"{cloud.scheme}://{cloud.bucket}/{uuid.uuid4().hex}"
    return start(store_url=address, store_endpoint=cloud.endpoint, **settings)


def test_clients_fetch_what_was_uploaded_from_the_cloud(service: Service, cloud: Cloud) -> None:
    owner = service.account("subscriber")
    project = service.project(owner, public=False)
    content = PHOTO.read_bytes()
    document = service.upload(owner, project, content, NAME, "image/jpeg")
    assert document["status"] == "complete"
    assert not document["link"].startswith(service.url)
    answer = httpx.get(document["link"])
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-type"] == "image/jpeg"
    assert "a%20photo%20%C3%A9.jpg" in answer.headers["content-disposition"]
    for variation in document["variations"]:
        fetched = httpx.get(variation["link"])
        assert fetched.status_code == 200
        assert len(fetched.content) == variation["length"]
    # The same bytes come through the server for who may have them.
    name, bucket = document["file_path"], project.id
    through = f"/api/storage/file/{bucket[:2]}/{bucket}/{name[:2]}/{name}"
    assert service.get(through, owner).content == content
    assert service.get(through).status_code == 403


def test_what_was_deleted_there_comes_back(service: Service) -> None:
    owner = service.account("subscriber")
    project, content = service.project(owner), PHOTO.read_bytes()
    document = service.upload(owner, project, content, NAME, "image/jpeg")
    where = f"/api/files/{document['_id']}"
    assert service.request("DELETE", where, owner, {"If-Match": "*"}).status_code == 204
    assert service.request("POST", f"{where}/restore", owner).status_code == 200
    assert httpx.get(service.document(owner, document["_id"])["link"]).content == content
