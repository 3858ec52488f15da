"""pillarsdk 1.10 from PyPI, unmodified: what it does with users (contract section 2.5)."""

import pytest
from pillarsdk import User
from pillarsdk import exceptions as problems
from tests.clients.conftest import Sdk
from tests.support.service import Service


def test_me(service: Service, sdk: Sdk) -> None:
    account = service.account("demo")
    user = User.me(api=sdk(service, account))
    assert (user["_id"], user.username, user.roles) == (account.id, account.username, ["demo"])
    assert user["_created"].tzinfo is not None
    with pytest.raises(problems.ForbiddenAccess):
        User.me(api=sdk(service, None))


def test_find(service: Service, sdk: Sdk) -> None:
    account, other = service.account(), service.account()
    api = sdk(service, account)
    assert User.find(account.id, api=api).username == account.username
    stranger = User.find(other.id, api=api)
    assert stranger.to_dict() == {
        "full_name": other.username,
        "email": f"{other.username}@studio.example",
    }
    with pytest.raises(problems.ResourceNotFound):
        User.find("0" * 24, api=api)


def test_lists(service: Service, sdk: Sdk) -> None:
    account, other, admin = service.account(), service.account(), service.account("admin")
    (own,) = User.all(api=sdk(service, account))["_items"]
    assert own["_id"] == account.id
    api = sdk(service, admin)
    wanted = {"where": {"username": {"$in": [account.username, other.username]}}, "sort": "-_id"}
    found = User.all(wanted, api=api)
    assert [user.username for user in found["_items"]] == [other.username, account.username]
    assert found["_meta"]["total"] == 2
    first = User.find_first({"where": {"email": f"{other.username}@studio.example"}}, api=api)
    assert first["_id"] == other.id
    assert User.find_first({"where": {"username": "nobody"}}, api=api) is None
    with pytest.raises(problems.ForbiddenAccess):
        User.all(api=sdk(service, None))


def test_update_sends_the_whole_document_back(service: Service, sdk: Sdk) -> None:
    account = service.account("demo")
    service.project(account)
    api = sdk(service, account)
    user = User.me(api=api)
    for name in ("Ada", "Ada Lovelace"):
        user.full_name = name
        assert user.update(api=api)
        assert User.me(api=api).full_name == name
        assert user["_etag"] == User.me(api=api)["_etag"]
    user.roles = ["admin"]
    with pytest.raises(problems.ResourceInvalid):
        user.update(api=api)
    assert User.me(api=api).roles == ["demo"]


def test_update_of_a_state_that_is_past(service: Service, sdk: Sdk) -> None:
    account = service.account()
    api = sdk(service, account)
    one, other = User.me(api=api), User.me(api=api)
    one.full_name, other.full_name = "One", "Other"
    assert one.update(api=api)
    with pytest.raises(problems.PreconditionFailed):
        other.update(api=api)
    with pytest.raises(problems.ForbiddenAccess):
        one.update(api=sdk(service, service.account()))


def test_set_username(service: Service, sdk: Sdk) -> None:
    account, other = service.account(), service.account()
    api = sdk(service, account)
    user = User.me(api=api)
    answer = user.set_username(f"{account.username}.new", api=api)
    assert answer["_status"] == "OK"
    assert User.me(api=api).username == f"{account.username}.new"
    with pytest.raises(problems.ResourceInvalid):
        user.set_username(other.username, api=api)


def test_users_are_neither_made_nor_deleted(service: Service, sdk: Sdk) -> None:
    admin = service.account("admin")
    api = sdk(service, admin)
    with pytest.raises(problems.MethodNotAllowed):
        User({"username": "new", "full_name": "New"}).create(api=api)
    with pytest.raises(problems.MethodNotAllowed):
        User.me(api=api).delete(api=api)
