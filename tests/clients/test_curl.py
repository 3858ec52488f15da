"""curl, as scripts of studios use it, unmodified."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.service import LIMIT, Account, Service

from cella.model import Project

MIB = 1 << 20
CURL = shutil.which("curl")

pytestmark = pytest.mark.skipif(CURL is None, reason="curl is not installed")


def curl(
    folder: Path, *arguments: str | Path, by: Account | None = None
) -> subprocess.CompletedProcess[str]:
    """Run curl in a folder, signed in as scripts do it, without any configuration of its own."""
    signed = [] if by is None else ["--user", f"{by.token}:"]
    return subprocess.run(
        [str(CURL), "-q", "--silent", "--show-error", "--noproxy", "*", *signed, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON that curl has printed."""
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture
def owner(service: Service) -> Account:
    """Somebody without a limit."""
    return service.account("subscriber")


@pytest.fixture
def project(service: Service, owner: Account) -> Project:
    """A project of the owner's."""
    return service.project(owner)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """A file that curl asks leave for (`Expect: 100-continue`), as it is larger than 1 MiB."""
    path = tmp_path / "plate 0041.bin"
    path.write_bytes(os.urandom(3 * MIB + 17))
    return path


def test_a_form(service: Service, owner: Account, project: Project, plate: Path) -> None:
    url = f"{service.url}/api/storage/stream/{project.id}"
    done = curl(plate.parent, "-F", f"file=@{plate.name};type=x/plate", url, by=owner)
    document = service.document(owner, answer(done)["file_id"])
    assert document["filename"] == plate.name
    assert document["content_type"] == "application/octet-stream", "as its name tells"
    assert service.get(document["link"]).content == plate.read_bytes()


def test_a_form_with_more_fields(service: Service, owner: Account, project: Project) -> None:
    url = f"{service.url}/api/storage/stream/{project.id}"
    fields = ["-F", "comment=first take", "-F", "file=@-;filename=a b.txt"]
    done = subprocess.run(
        [str(CURL), "-q", "--silent", "--user", f"{owner.token}:", *fields, url],
        input="spoken words",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    document = service.document(owner, answer(done)["file_id"])
    assert (document["filename"], document["length"]) == ("a b.txt", 12)


def test_an_upload_of_a_file(
    service: Service, owner: Account, project: Project, plate: Path
) -> None:
    url = f"{service.url}/api/storage/stream/{project.id}/"
    done = curl(plate.parent, "-T", plate.name, url, by=owner)
    document = service.document(owner, answer(done)["file_id"])
    assert document["filename"] == plate.name
    assert service.get(document["link"]).content == plate.read_bytes()


def test_an_upload_of_a_pipe(
    service: Service, owner: Account, project: Project, plate: Path
) -> None:
    """The length is not known, so curl sends chunks."""
    with plate.open("rb") as source:
        done = subprocess.run(
            [
                *(str(CURL), "-q", "--silent", "--oauth2-bearer", owner.token, "-T", "-"),
                f"{service.url}/api/storage/stream/{project.id}/piped.bin",
            ],
            stdin=source,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    document = service.document(owner, answer(done)["file_id"])
    assert service.get(document["link"]).content == plate.read_bytes()


@pytest.mark.parametrize("order", [["name", "data"], ["data", "name"]])
def test_a_file_without_a_project(
    service: Service, owner: Account, plate: Path, tmp_path: Path, order: list[str]
) -> None:
    """The URL in the answer is a path on the server, and all that a script needs."""
    fields = {"name": "name=final (2)/plate.bin", "data": f"data=@{plate.name}"}
    sent = [argument for field in order for argument in ("-F", fields[field])]
    url = f"{service.url}/api/storage/file"
    link = answer(curl(plate.parent, *sent, url, by=owner))["url"]
    folder = tmp_path / "saved"
    folder.mkdir()
    done = curl(folder, "-O", "-J", service.url + link)
    assert done.returncode == 0, done.stderr
    assert (folder / "final 2plate.bin").read_bytes() == plate.read_bytes()
    head = curl(folder, "--head", service.url + link)
    assert f"content-length: {plate.stat().st_size}" in head.stdout.lower()
    resumed = ["-r", "100-", "-w", "%{http_code}", "-o", "tail.bin"]
    assert curl(folder, *resumed, service.url + link).stdout == "206"
    assert (folder / "tail.bin").read_bytes() == plate.read_bytes()[100:]


def test_a_file_without_a_project_needs_a_login(service: Service, plate: Path) -> None:
    url = f"{service.url}/api/storage/file"
    sent = ["-F", "name=a", "-F", f"data=@{plate.name}", "-w", "\n%{http_code} %{size_upload}"]
    for by, status in ((None, 403), (service.account(), 413)):
        done = curl(plate.parent, *sent, url, by=by)
        assert done.stdout.rpartition("\n")[2] == f"{status} 0", done.stderr


@pytest.mark.parametrize("way", ["form", "raw"])
def test_a_refusal_is_read_though_the_file_is_not_sent(
    service: Service, plate: Path, way: str
) -> None:
    limited = service.account()
    assert plate.stat().st_size > LIMIT
    project = service.project(limited)
    url = f"{service.url}/api/storage/stream/{project.id}"
    sent = ["-F", f"file=@{plate.name}", url] if way == "form" else ["-T", plate.name, f"{url}/"]
    done = curl(plate.parent, "-w", "\n%{http_code} %{size_upload}", *sent, by=limited)
    assert done.returncode == 0, done.stderr
    body, _, numbers = done.stdout.rpartition("\n")
    assert json.loads(body)["_error"]["name"] == "too_large"
    assert numbers == "413 0"
    service.assert_nothing_left(project)


def test_a_download_that_was_cut_is_resumed(
    service: Service, owner: Account, project: Project, plate: Path, tmp_path: Path
) -> None:
    link = service.upload(owner, project, plate.read_bytes(), plate.name)["link"]
    part = tmp_path / "part.bin"
    part.write_bytes(plate.read_bytes()[: MIB + 3])
    done = curl(tmp_path, "-C", "-", "-o", part, "-w", "%{http_code} %{size_download}", link)
    assert done.stdout == f"206 {plate.stat().st_size - MIB - 3}", done.stderr
    assert part.read_bytes() == plate.read_bytes()
    whole = curl(tmp_path, "-C", "-", "-o", part, "-w", "%{http_code}", link)
    assert whole.stdout == "416", "there is nothing more"
    assert part.read_bytes() == plate.read_bytes()


def test_a_range(
    service: Service, owner: Account, project: Project, plate: Path, tmp_path: Path
) -> None:
    link = service.upload(owner, project, plate.read_bytes(), plate.name)["link"]
    curl(tmp_path, "-r", "1000-1999", "-o", "range.bin", link)
    assert (tmp_path / "range.bin").read_bytes() == plate.read_bytes()[1000:2000]


@pytest.mark.parametrize(
    ("name", "saved"),
    [("../../a plate.bin", "a plate.bin"), ("plate.bin", "plate.bin"), ("..", "file")],
)
def test_a_download_under_its_own_name_stays_in_the_folder(
    service: Service, owner: Account, project: Project, tmp_path: Path, name: str, saved: str
) -> None:
    link = service.upload(owner, project, b"harmless", name)["link"]
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    done = curl(folder, "-O", "-J", link)
    assert done.returncode == 0, done.stderr
    (found,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert found.parent == folder
    assert found.name.endswith(saved)
    assert found.read_bytes() == b"harmless"


def test_a_download_only_if_it_has_changed(
    service: Service, owner: Account, project: Project, tmp_path: Path
) -> None:
    link = service.upload(owner, project)["link"]
    etag = ["--etag-save", "etag", "--etag-compare", "etag", "-w", "%{http_code}", "-o", "a.bin"]
    assert curl(tmp_path, *etag, link).stdout == "200"
    assert curl(tmp_path, *etag, link).stdout == "304"
    assert (tmp_path / "a.bin").read_bytes() == b"some bytes"


def test_a_head(service: Service, owner: Account, project: Project, tmp_path: Path) -> None:
    link = service.upload(owner, project)["link"]
    done = curl(tmp_path, "--head", link)
    assert done.stdout.startswith("HTTP/1.1 200 OK")
    assert "content-length: 10" in done.stdout.lower()


def test_a_delete(service: Service, owner: Account, project: Project, tmp_path: Path) -> None:
    document = service.upload(owner, project)
    url = f"{service.url}/api/files/{document['_id']}"
    delete = ["-X", "DELETE", "-o", os.devnull, "-w", "%{http_code}"]
    assert curl(tmp_path, *delete, url, by=owner).stdout == "428"
    matching = ["-H", f'If-Match: "{document["_etag"]}"']
    assert curl(tmp_path, *delete, *matching, url, by=owner).stdout == "204"
    assert curl(tmp_path, *delete, *matching, url, by=owner).stdout == "404"
