"""requests, the library that most scripts in Python and pillarsdk are made with, unmodified."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter
from tests.support.service import Account, Service

MIB = 1 << 20


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """One session with one connection, so that a request out of step breaks the next one."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1))
        yield session


def signed(account: Account) -> tuple[str, str]:
    """The token as user name, as the original's clients send it."""
    return account.token, ""


def test_a_form_and_back(service: Service, session: requests.Session, tmp_path: Path) -> None:
    owner = service.account("demo")
    project = service.project(owner)
    path = tmp_path / "Übersicht.txt"
    path.write_bytes(b"words " * 300_000)
    with path.open("rb") as source:
        answer = session.post(
            f"{service.url}/api/storage/stream/{project.id}",
            files={"file": source},
            data={"comment": "first take"},
            auth=signed(owner),
            timeout=60,
        )
    assert answer.status_code == 201
    found = session.get(
        f"{service.url}/api/files/{answer.json()['file_id']}", auth=signed(owner), timeout=60
    )
    document = found.json()
    assert document["filename"] == path.name
    assert document["content_type"] == "text/plain"
    download = session.get(document["link"], timeout=60)
    assert download.content == path.read_bytes()
    assert document["sha256"] == hashlib.sha256(download.content).hexdigest()


def test_a_generator_as_the_body(service: Service, session: requests.Session) -> None:
    owner = service.account("demo")
    project = service.project(owner)
    answer = session.put(
        f"{service.url}/api/storage/stream/{project.id}/streamed.bin",
        data=(bytes([number]) * MIB for number in range(3)),
        auth=signed(owner),
        timeout=60,
    )
    document = service.document(owner, answer.json()["file_id"])
    assert document["length"] == 3 * MIB


def test_a_refusal_leaves_the_connection_in_step(
    service: Service, session: requests.Session
) -> None:
    """It comes while the body is still being sent; the same connection goes on."""
    limited = service.account()
    project = service.project(limited)
    url = f"{service.url}/api/storage/stream/{project.id}"
    for auth, status in ((signed(limited), 413), (None, 403), (("nobody", ""), 403)):
        refused = session.post(url, files={"file": ("a.bin", b"x" * MIB)}, auth=auth, timeout=60)
        assert refused.status_code == status
        assert refused.json()["_status"] == "ERR"
    small = session.post(url, files={"file": ("a.bin", b"small")}, auth=signed(limited), timeout=60)
    assert small.status_code == 201
    assert len(service.blobs(project)) == 1


def test_a_file_without_a_project(service: Service, session: requests.Session) -> None:
    """requests names no type of a file that it is handed open, and the name comes in a field."""
    owner = service.account()
    url = f"{service.url}/api/storage/file"
    answer = session.post(
        url,
        data={"name": "read me"},
        files={"data": ("README", b"some words")},
        auth=signed(owner),
        timeout=60,
    )
    assert (answer.status_code, list(answer.json())) == (200, ["url"])
    link = service.url + answer.json()["url"]
    download = session.get(link, timeout=60)
    assert download.content == b"some words"
    assert download.headers["Content-Disposition"] == 'attachment; filename="read me"'
    head = session.head(link, timeout=60)
    assert (head.status_code, head.headers["Content-Length"]) == (200, "10")
    for fields, status in (({"name": ".."}, 400), ({}, 400)):
        refused = session.post(
            url, data=fields, files={"data": ("a", b"x")}, auth=signed(owner), timeout=60
        )
        assert refused.status_code == status
    anonymous = session.post(url, data={"name": "a"}, files={"data": ("a", b"x")}, timeout=60)
    assert anonymous.status_code == 403


def test_json_null_with_every_request(service: Service, session: requests.Session) -> None:
    """As pillarsdk does: bare etags, and `null` as the body of GET and DELETE."""
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    url = f"{service.url}/api/files/{document['_id']}"
    for _ in range(3):
        read = session.request("GET", url, data="null", auth=signed(owner), timeout=60)
        assert read.json() == document
    gone = session.request(
        "DELETE",
        url,
        data="null",
        headers={"If-Match": document["_etag"], "Content-Type": "application/json"},
        auth=signed(owner),
        timeout=60,
    )
    assert (gone.status_code, gone.content) == (204, b"")
    assert session.get(url, auth=signed(owner), timeout=60).status_code == 404


def test_a_download_in_pieces(service: Service, session: requests.Session) -> None:
    owner = service.account("demo")
    content = bytes(range(256)) * 12_000
    link = service.upload(owner, service.project(owner), content)["link"]
    with session.get(link, stream=True, timeout=60) as answer:
        assert b"".join(answer.iter_content(10_000)) == content
    tail = session.get(link, headers={"Range": "bytes=-256"}, timeout=60)
    assert (tail.status_code, tail.content) == (206, content[-256:])
