"""pillarsdk 1.10 from PyPI, unmodified: every call of its `File` (contract section 3)."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pillarsdk import Api, File
from pillarsdk import exceptions as problems
from requests.adapters import HTTPAdapter
from tests.api.test_previews import picture
from tests.support.service import LIMIT, Account, Service

from cella.ids import new_id
from cella.model import Project

Login = Callable[[Service, Account | None], Api]


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> Iterator[Login]:
    """Makes an `Api` of the SDK; all go over one connection, so that none gets out of step."""
    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1))
        monkeypatch.setattr(Api, "requests_session", session)
        monkeypatch.setattr(Api, "_api_singleton", None)

        def begin(service: Service, account: Account | None) -> Api:
            token = None if account is None else account.token
            return Api(endpoint=f"{service.url}/api", username=None, password=None, token=token)

        yield begin


def uploaded(api: Api, project: Project, content: bytes, name: str = "a.png") -> str:
    """The id of a file that the SDK uploaded."""
    kind = "image/png" if name.endswith(".png") else "application/octet-stream"
    answer = File.upload_to_project(project.id, kind, name, io.BytesIO(content), api=api)
    assert answer["status"] == "ok"
    file_id: str = answer["file_id"]
    return file_id


def found(api: Api, file_id: str, **params: Any) -> Any:
    """The file as the SDK reads it."""
    return File.find(file_id, params or None, api=api)


def test_upload_and_find(service: Service, login: Login, tmp_path: Path) -> None:
    owner = service.account("subscriber")
    api, project = login(service, owner), service.project(owner)
    path = tmp_path / "plate 0041.png"
    path.write_bytes(picture(300, 200))
    answer = File.upload_to_project(project.id, "image/png", str(path), api=api)
    assert answer.keys() == {"status", "file_id"}
    file = found(api, answer["file_id"])
    assert (file["filename"], file.status, file.project) == (path.name, "complete", project.id)
    assert file["_created"].tzinfo is not None
    assert (file.width, file.height) == (300, 200)
    assert requests.get(file.link, timeout=60).content == path.read_bytes()


def test_thumbnails_are_found_and_downloaded(
    service: Service, login: Login, tmp_path: Path
) -> None:
    owner = service.account("subscriber")
    api, project = login(service, owner), service.project(owner)
    file_id = uploaded(api, project, picture(300, 200))
    file = found(api, file_id)
    for size in "sbtmlh":
        link = file.thumbnail(size, api=api)
        target = Path(file.stream_thumb_to_file(str(tmp_path), size, api=api))
        assert target.read_bytes() == requests.get(link, timeout=60).content
        assert target.read_bytes().startswith(b"\xff\xd8")
        assert target.name == file.file_path.replace(".png", f"-{size}.jpg")
    with pytest.raises(ValueError, match="Size should be in"):
        file.thumbnail("x", api=api)


def test_lists_are_asked_for_as_the_sdk_asks(service: Service, login: Login) -> None:
    owner = service.account()
    api, project = login(service, owner), service.project(owner)
    ids = [uploaded(api, project, bytes([at]), f"shot {at % 2}.bin") for at in range(5)]
    where = {"project": project.id}
    page = File.all({"where": where, "sort": "-_id", "max_results": 2, "page": 2}, api=api)
    assert [file["_id"] for file in page["_items"]] == [ids[2], ids[1]]
    assert page["_meta"]["total"] == 5
    assert {type(file) for file in page["_items"]} == {File}
    named = File.all({"where": {**where, "filename": "shot 1.bin"}, "sort": "_id"}, api=api)
    assert [file["_id"] for file in named["_items"]] == [ids[1], ids[3]]
    some = File.all({"where": {"_id": {"$in": ids[:3]}}, "projection": {"name": 1}}, api=api)
    assert sorted(file["_id"] for file in some["_items"]) == ids[:3]
    for file in some["_items"]:
        assert requests.get(file.link, timeout=60).status_code == 200
        assert {"backend", "file_path", "project", "content_type"} <= set(file.to_dict())
    assert File.all({"where": {"parent": ids[0]}}, api=api)["_items"] == []
    first = File.find_first({"where": where, "sort": "-_id"}, api=api)
    assert first["_id"] == ids[4]
    assert File.find_first({"where": {"name": "nothing"}}, api=api) is None
    one = File.find_one({"where": {"_id": ids[2]}}, api=api)
    assert one["_id"] == ids[2]


@pytest.mark.parametrize("write", ["update", "replace"])
def test_a_file_is_changed_and_written_back_whole(
    service: Service, login: Login, write: str
) -> None:
    """`update` is PUT and `replace` is PATCH; both send the document as it was read."""
    owner = service.account("subscriber")
    api, project = login(service, owner), service.project(owner)
    file = found(api, uploaded(api, project, picture(30, 20)))
    before = service.document(owner, file["_id"])
    for description in ("first", "second"):
        file.description = description
        file.filename = f"{description}.png"
        assert getattr(file, write)(api=api)
        assert file["_status"] == "OK"
        after = service.document(owner, file["_id"])
        assert (after["description"], after["filename"]) == (description, f"{description}.png")
        assert file["_etag"] == after["_etag"]
    same = ("_id", "_created", "length_aggregate_in_bytes", "variations", "sha256", "link")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert getattr(found(api, file["_id"]), write)(api=api), "as it was read, nothing changed"
    assert service.document(owner, file["_id"]) == after


def test_an_embedded_project_does_not_keep_a_file_from_being_written(
    service: Service, login: Login
) -> None:
    owner = service.account()
    api, project = login(service, owner), service.project(owner)
    file = found(api, uploaded(api, project, b"x", "a.bin"), embedded={"project": 1})
    file.project = {"_id": project.id, "name": project.name, "allowed_methods": ["GET"]}
    file.description = "with its project"
    assert file.update(api=api)
    assert service.document(owner, file["_id"])["project"] == project.id


FAILED = {"status": "failed", "backend": "local"}


def test_a_file_that_failed_can_be_described(service: Service, login: Login) -> None:
    """The SDK loses `processing.error` when it reads the document."""
    owner = service.account()
    api, project = login(service, owner), service.project(owner)
    file_id = uploaded(api, project, b"no picture at all")
    service.wait_until_idle()
    file = found(api, file_id)
    assert (file.status, file.processing.to_dict()) == ("failed", FAILED)
    file.description = "broken"
    assert file.update(api=api)
    document = service.document(owner, file_id)
    assert document["description"] == "broken"
    assert document["processing"]["error"]


def test_a_file_is_deleted(service: Service, login: Login) -> None:
    owner = service.account()
    api, project = login(service, owner), service.project(owner)
    file = found(api, uploaded(api, project, b"x", "a.bin"))
    assert file.delete(api=api)
    with pytest.raises(problems.ResourceNotFound):
        found(api, file["_id"])


def test_a_document_is_created_changed_and_deleted(service: Service, login: Login) -> None:
    owner = service.account()
    api, project = login(service, owner), service.project(owner)
    file = File(
        {
            "name": "plate-0041",
            "filename": "plate 0041.exr",
            "content_type": "application/x-exr",
            "length": 5,
            "project": project.id,
            "description": None,
        }
    )
    assert file.create(api=api)
    assert file["_status"] == "OK"
    document = service.document(owner, file["_id"])
    assert (document["filename"], document["length"]) == ("plate 0041.exr", 5)
    file.description = "created"
    assert file.update(api=api)
    again = found(api, file["_id"])
    assert again.description == "created"
    assert again.thumbnail("t", api=api) == ""
    assert again.delete(api=api)


def test_refusals_come_as_the_exceptions_that_scripts_catch(service: Service, login: Login) -> None:
    owner, stranger = service.account(), service.account()
    api, project = login(service, owner), service.project(owner)
    file_id = uploaded(api, project, b"x", "a.bin")
    with pytest.raises(problems.ForbiddenAccess):
        uploaded(login(service, None), project, b"x", "a.bin")
    with pytest.raises(problems.ForbiddenAccess):
        found(login(service, stranger), file_id).update(api=login(service, stranger))
    with pytest.raises(problems.ForbiddenAccess):
        File({"name": "n"}).create(api=login(service, None))
    with pytest.raises(problems.ResourceNotFound):
        found(api, new_id())
    with pytest.raises(problems.RequestEntityTooLarge):
        uploaded(api, project, bytes(LIMIT))
    with pytest.raises(problems.ResourceInvalid) as invalid:
        File({"name": "n", "lenght": 5}).create(api=api)
    assert '"lenght":"unknown field"' in invalid.value.content
    stale, current = found(api, file_id), found(api, file_id)
    current.description = "newer"
    assert current.update(api=api)
    for write in (stale.update, stale.replace, stale.delete):
        with pytest.raises(problems.PreconditionFailed):
            write(api=api)
    current.length = 7
    with pytest.raises(problems.ResourceInvalid) as invalid:
        current.update(api=api)
    assert '"length":"field is read-only"' in invalid.value.content
    taken = {"_id": file_id, "name": "n", "filename": "f", "content_type": "image/png"}
    with pytest.raises(problems.ResourceConflict):
        File(taken).create(api=api)
    with pytest.raises(problems.BadRequest):
        File.all({"where": "filename=='x'"}, api=api)
