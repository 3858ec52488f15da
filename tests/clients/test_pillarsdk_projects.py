"""pillarsdk 1.10 from PyPI, unmodified: every call of its `Project` (contract section 3)."""

from typing import Any

import pytest
from pillarsdk import Api, Project
from pillarsdk import exceptions as problems
from tests.clients.conftest import Sdk
from tests.support.service import Account, Service

from cella.ids import new_id

ALL = {"GET", "POST", "PUT", "DELETE"}


def made(api: Api, name: str = "Spring") -> Any:
    """A project that the SDK has made, as the SDK reads it."""
    project = Project({"name": name})
    project.create(api=api)
    return Project.find(project["_id"], api=api)


def test_create_and_find(service: Service, sdk: Sdk) -> None:
    owner = service.account("subscriber")
    api = sdk(service, owner)
    project = Project({"name": "Frühling"})
    project.create(api=api)
    assert project.name == "Frühling"
    read = Project.find(project["_id"], api=api)
    assert (read.name, read.user, read.is_private) == ("Frühling", owner.id, True)
    assert read.url == f"p-{project['_id']}"
    assert set(read.allowed_methods) == ALL
    assert read.has_method("DELETE")
    assert read["_created"].tzinfo is not None
    unnamed = Project()
    unnamed.create(api=api)
    assert unnamed.name == "new project"


def test_who_may_not_create_is_told(service: Service, sdk: Sdk) -> None:
    for account in (service.account(), None):
        with pytest.raises(problems.ForbiddenAccess):
            Project({"name": "Spring"}).create(api=sdk(service, account))
    with pytest.raises(problems.ResourceInvalid):
        Project({"name": " "}).create(api=sdk(service, service.account("demo")))


def test_find_by_url_first_and_all(service: Service, sdk: Sdk) -> None:
    owner = service.account("demo")
    api = sdk(service, owner)
    projects = [made(api, f"Project {number}") for number in range(3)]
    assert Project.find_by_url(projects[1].url, api=api)["_id"] == projects[1]["_id"]
    only_name = {"projection": {"name": 1}}
    narrow = Project.find_by_url(projects[1].url, only_name, api=api)
    assert (narrow.name, narrow.category, narrow.user) == ("Project 1", "film", owner.id)
    assert narrow.summary is None
    assert narrow.permissions is not None, "the SDK asks for it by itself"
    with pytest.raises(problems.ResourceNotFound):
        Project.find_by_url("nowhere", api=api)
    mine = {"where": {"user": owner.id}, "sort": "-name", "max_results": 2}
    first = Project.all(mine | {"page": 1}, api=api)
    second = Project.all(mine | {"page": 2}, api=api)
    assert [p.name for p in first["_items"]] == ["Project 2", "Project 1"]
    assert [p.name for p in second["_items"]] == ["Project 0"]
    assert first["_meta"].total == 3
    named = {"where": {"name": "Project 0", "user": owner.id}}
    assert Project.find_first(named, api=api)["_id"] == projects[0]["_id"]
    assert Project.find_first({"where": {"name": new_id()}}, api=api) is None


def test_update_and_replace(service: Service, sdk: Sdk) -> None:
    api = sdk(service, service.account("subscriber"))
    project = made(api)
    etag = project["_etag"]
    project.name, project.summary, project.url = "Autumn", "leaves", "taken-by-nobody"
    assert project.update(api=api)
    assert project["_etag"] != etag
    read = Project.find(project["_id"], api=api)
    assert (read.name, read.summary) == ("Autumn", "leaves")
    assert read.url == f"p-{project['_id']}", "protected fields stay as they are"
    read.summary = None
    assert read.update(api=api)
    assert "summary" not in Project.find(project["_id"], api=api)
    with pytest.raises(problems.PreconditionFailed):
        project.update(api=api)

    read = Project.find(project["_id"], api=api)
    read.description = "wind"
    assert read.replace(api=api)
    assert Project.find(project["_id"], api=api).description == "wind"
    wrong = read.to_dict() | {"name": "", "_etag": read["_etag"]}
    with pytest.raises(problems.ResourceInvalid):
        read.update(wrong, api=api)


def test_permissions(service: Service, sdk: Sdk) -> None:
    owner, guest = service.account("subscriber"), service.account()
    api, as_guest = sdk(service, owner), sdk(service, guest)
    project = made(api)
    with pytest.raises(problems.ForbiddenAccess):
        Project.find(project["_id"], api=as_guest)
    project.permissions.world = ["GET"]
    assert project.update(api=api)
    read = Project.find(project["_id"], api=as_guest)
    assert (read.is_private, read.allowed_methods) == (False, ["GET"])
    assert not read.has_method("PUT")
    read.name = "Mine"
    with pytest.raises(problems.ForbiddenAccess):
        read.update(api=as_guest)


def test_members(service: Service, sdk: Sdk) -> None:
    owner, guest = service.account("subscriber"), service.account()
    api, as_guest = sdk(service, owner), sdk(service, guest)
    project = made(api)
    answer = project.add_user(guest.id, api=api)
    assert (answer["_id"], answer["_status"]) == (guest.id, "OK")
    assert members(project, api) == {owner.id, guest.id}
    assert set(Project.find(project["_id"], api=as_guest).allowed_methods) == ALL
    project.remove_user(guest.id, api=api)
    assert members(project, api) == {owner.id}
    with pytest.raises(problems.ForbiddenAccess):
        project.get_users(api=as_guest)
    with pytest.raises(problems.ForbiddenAccess):
        project.remove_user(owner.id, api=api)
    with pytest.raises(problems.ResourceNotFound):
        project.add_user(new_id(), api=api)
    with pytest.raises(problems.BadRequest):
        project.add_user("nobody", api=api)


def members(project: Any, api: Api) -> set[str]:
    """The ids of the members."""
    return {member["_id"] for member in project.get_users(api=api)["_items"]}


def test_what_one_may_do_with_nodes(service: Service, sdk: Sdk) -> None:
    owner = service.account("subscriber")
    api = sdk(service, owner)
    project = made(api)
    for method in ALL:
        assert project.node_type_has_method("asset", method, api=api)
    project.permissions.world = ["GET"]
    project.update(api=api)
    nobody = sdk(service, None)
    assert project.node_type_has_method("asset", "GET", api=nobody)
    assert not project.node_type_has_method("asset", "POST", api=nobody)


@pytest.mark.parametrize("role", ["subscriber", "admin"])
def test_delete(service: Service, sdk: Sdk, role: str) -> None:
    owner: Account = service.account(role)
    api = sdk(service, owner)
    project = made(api)
    with pytest.raises(problems.ForbiddenAccess):
        project.delete(api=sdk(service, service.account("subscriber")))
    assert project.delete(api=api)
    with pytest.raises(problems.ResourceNotFound):
        Project.find(project["_id"], api=api)
    with pytest.raises(problems.ResourceNotFound):
        project.update(api=api)
