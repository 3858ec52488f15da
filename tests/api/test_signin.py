"""Who asks: tokens as clients send them (contract, section 2)."""

from base64 import b64encode

import pytest
from tests.support.service import Account, Service, Start

from cella.access.tokens import token_hash
from cella.catalog import people
from cella.clock import ManualClock
from cella.ids import new_id
from cella.model import Token

DAY = 24 * 3600.0


def basic(token: str, subclient: str = "", scheme: str = "Basic") -> dict[str, str]:
    """Basic credentials with the token as user name (RFC 7617)."""
    return {"Authorization": f"{scheme} {b64encode(f'{token}:{subclient}'.encode()).decode()}"}


def me(service: Service, headers: dict[str, str]) -> str | int:
    """Whom the service takes one for: a user name, or the status of its refusal."""
    answer = service.get("/api/users/me", headers=headers)
    return answer.json()["username"] if answer.status_code == 200 else answer.status_code


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_basic_takes_the_token_as_user_name(service: Service, scheme: str) -> None:
    user = service.account()
    assert me(service, basic(user.token, scheme=scheme)) == user.username


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_bearer_takes_the_token(service: Service, scheme: str) -> None:
    user = service.account()
    assert me(service, {"Authorization": f"{scheme} {user.token}"}) == user.username


def test_oneself_is_told_without_secrets(service: Service) -> None:
    user = service.account("subscriber")
    project = service.project(user)
    document = service.get("/api/users/me", user).json()
    assert document.keys() == {
        *("_id", "_created", "_updated", "_etag", "username", "full_name", "email"),
        *("roles", "groups", "settings"),
    }
    assert document["_id"] == user.id
    assert document["roles"] == ["subscriber"]
    assert document["groups"] == [grant.subject for grant in project.permissions.groups]
    assert user.token not in str(service.everything()), "only its HMAC is kept"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b":").decode(),
        "Basic " + b64encode(b"\xff\xfe:").decode(),
        "Basic " + b64encode(b"nobody:").decode(),
        "Basic " + b64encode(b"nobody:\0").decode(),
        "Bearer",
        "Bearer nobody",
        "Bearer " + "x" * 8000,
        "Digest username=x",
        "nonsense",
    ],
)
def test_bad_credentials_are_nobody_s(service: Service, header: str) -> None:
    headers = {"Authorization": header}
    assert me(service, headers) == 403
    project = service.project(service.account())
    assert service.get(f"/api/projects/{project.id}", headers=headers).status_code == 200
    assert service.get("/api/files", headers=headers).status_code == 200
    upload = service.request(
        "PUT", f"/api/storage/stream/{project.id}/a.bin", headers=headers, content=b"x"
    )
    assert upload.status_code == 403
    assert "www-authenticate" not in upload.headers


def test_bytes_that_are_no_text_are_nobody_s_credentials(service: Service) -> None:
    answer = service.get("/api/users/me", headers={"Authorization": b"Basic \xe9\xff"})
    assert answer.status_code == 403


def test_a_token_ends_with_its_time(start: Start) -> None:
    clock = ManualClock(1_800_000_000)
    service = start(clock=clock)
    user = service.account(days=15)
    clock.advance(15 * DAY - 1)
    assert me(service, user.headers) == user.username
    clock.advance(1)
    assert me(service, user.headers) == 403
    assert service.get("/api/files", user).status_code == 200


def test_a_disabled_user_s_token_dies_at_once(service: Service) -> None:
    user = service.account("admin")
    assert me(service, user.headers) == user.username
    service.disable(user)
    assert me(service, user.headers) == 403


def subclient_token(service: Service, user: Account, subclient: str) -> str:
    """A token of the user for a sub-client alone."""
    token = f"subclient-token-{new_id()}"
    hashed = token_hash(service.assembly.config.service.auth_token_hmac_key, token)
    kept = Token(id=new_id(), user=user.id, created=0, expires=None, subclient=subclient)
    service.assembly.db.write_now(lambda tx: people.add_token(tx, kept, hashed))
    return token


def test_a_sub_client_s_token_works_with_its_own_name_only(service: Service) -> None:
    user = service.account()
    token = subclient_token(service, user, "addon")
    assert me(service, basic(token, "addon")) == user.username
    assert me(service, basic(token, "other")) == 403
    assert me(service, basic(token)) == 403
    assert me(service, {"Authorization": f"Bearer {token}"}) == 403
    assert me(service, basic(user.token, "addon")) == 403, "a main token has no sub-client"


def test_a_refused_sub_client_still_reads_what_is_public(service: Service) -> None:
    user = service.account()
    token = subclient_token(service, user, "addon")
    document = service.upload(user, service.project(user))
    answer = service.get(f"/api/files/{document['_id']}", headers=basic(token, "other"))
    assert answer.status_code == 200
    assert "link" not in answer.json()
