"""user, token and project: on the data directory, beside a running server."""

import json
import re
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Cella, Studio
from tests.support.servers import cella

ID = re.compile(r"[0-9a-f]{24}\n")


def me(studio: Studio, token: str) -> httpx.Response:
    """What the server says of a token's user."""
    header = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{studio.start.url}/api/users/me", headers=header, verify=False)


def test_a_user_with_a_token_can_sign_in_at_once(studio: Studio) -> None:
    added = studio.cella(
        "user",
        "add",
        "ada",
        "--email",
        "ada@x.example",
        "--role",
        "demo",
        "--role",
        "video-encoder",
    )
    assert ID.fullmatch(added.stdout), added.stderr
    made = studio.cella("token", "new", "ada", "--expires", "0.5")
    user = me(studio, made.stdout.strip()).json()
    assert user["_id"] == added.stdout.strip()
    assert user["email"] == "ada@x.example"
    assert user["roles"] == ["demo", "video-encoder"]
    assert len(made.stdout.splitlines()) == 1


def test_a_token_ends_when_it_was_to_end(studio: Studio) -> None:
    studio.cella("user", "add", "brief")
    token = studio.cella("token", "new", "brief", "--expires", "0.00000001").stdout.strip()
    assert me(studio, token).status_code == 403


def test_a_project_has_the_owner_and_the_readers_that_were_wanted(studio: Studio) -> None:
    studio.cella("user", "add", "owner")
    token = studio.cella("token", "new", "owner").stdout.strip()
    private = studio.cella("project", "new", "Mine", "--owner", "owner").stdout.strip()
    public = studio.cella("project", "new", "Ours", "--owner", "owner", "--public").stdout.strip()
    for project, seen in ((private, 403), (public, 200)):
        url = f"{studio.start.url}/api/projects/{project}"
        assert httpx.get(url, verify=False).status_code == seen
        found = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, verify=False)
        assert "POST" in found.json()["allowed_methods"]


def test_without_an_owner_it_is_the_first_administrators(studio: Studio) -> None:
    made = studio.cella("project", "new", "Whose", "--json")
    assert json.loads(made.stdout)["owner"] == "admin"


def test_scripts_get_json(studio: Studio) -> None:
    user = json.loads(studio.cella("user", "add", "json", "--role", "admin", "--json").stdout)
    assert user["username"] == "json"
    assert user["roles"] == ["admin"]
    token = json.loads(studio.cella("token", "new", "json", "--json").stdout)
    assert me(studio, token["token"]).json()["_id"] == user["user_id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["user", "add", "admin"], "admin already"),
        (["user", "add", ""], "name"),
        (["user", "add", "a b"], "name"),
        (["user", "add", "evil\nname"], "name"),
        (["user", "add", "x" * 129], "name"),
        (["user", "add", "x", "--email", "nobody"], "email"),
        (["user", "add", "x", "--role", "Über"], "role"),
        (["token", "new", "nobody"], "no user named nobody"),
        (["token", "new", "admin", "--expires", "0"], "days"),
        (["project", "new", " "], "name"),
        (["project", "new", "tab\there"], "name"),
        (["project", "new", "x", "--owner", "nobody"], "no user named nobody"),
    ],
)
def test_what_cannot_be_is_one_clear_line(studio: Studio, arguments: list[str], said: str) -> None:
    done = studio.cella(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_they_work_before_any_server_has_started(tmp_path: Path) -> None:
    homeless = cella("project", "new", "x", folder=tmp_path)
    assert homeless.returncode == 1
    assert "no administrator" in homeless.stderr
    added = cella("user", "add", "root", "--role", "admin", folder=tmp_path)
    assert ID.fullmatch(added.stdout), added.stderr
    assert ID.fullmatch(cella("project", "new", "x", folder=tmp_path).stdout)
    assert (tmp_path / "data" / "cella.sqlite").exists()


def test_a_database_that_cannot_be_opened_is_one_clear_line(tmp_path: Path, here: Cella) -> None:
    (tmp_path / "cella.sqlite").write_text("this is no database " * 100)
    for settings in (
        {"CELLA_DATA": str(tmp_path)},
        {"CELLA_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x"},
    ):
        done = here("user", "add", "x", folder=tmp_path, **settings)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("cella: The database cannot be opened")
        assert len(done.stderr.splitlines()) == 1
        assert "hidden" not in done.stderr
