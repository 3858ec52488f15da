"""user ls, password, disable and enable; token ls and revoke: beside a running server."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Cella, Done, Studio
from tests.support.servers import COMMAND, environment
from tests.support.terminals import at_a_terminal

PASSWORD = "correct horse battery staple"


def login(studio: Studio, name: str, password: str = PASSWORD) -> httpx.Response:
    """Sign in at the server."""
    form = {"username": name, "password": password}
    return httpx.post(f"{studio.start.url}/api/auth/make-token", data=form, verify=False)


def me(studio: Studio, token: str) -> int:
    """The status of what the server says of a token's user."""
    header = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{studio.start.url}/api/users/me", headers=header, verify=False).status_code


def set_password(studio: Studio, monkeypatch: pytest.MonkeyPatch, name: str, typed: bytes) -> Done:
    """Set a user's password to what comes from stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8"))
    return studio.cella("user", "password", name)


def type_password(folder: Path, name: str, *lines: str) -> tuple[int, str]:
    """Type a password at a terminal; the exit code, and all that is seen there."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, "user", "password", name],
            cwd=folder,
            env=environment(TERM="xterm"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    seen = b""
    with process, os.fdopen(ours, "r+b", buffering=0) as terminal:
        waiting = list(lines)
        try:
            while block := terminal.read(4096):
                seen += block
                # Typed before it is asked for, it would be shown.
                if waiting and block.endswith(b": "):
                    terminal.write(f"{waiting.pop(0)}\n".encode())
        except OSError:
            # Linux says EIO where the last process has closed the other end.
            pass
    return process.returncode, seen.decode()


# --- Users ---


def test_users_are_listed(studio: Studio) -> None:
    added = studio.cella("user", "add", "list.me", "--email", "l@x.example", "--role", "demo")
    user_id = added.stdout.strip()
    lines = studio.cella("user", "ls").stdout.splitlines()
    assert f"{user_id}\tlist.me\tl@x.example\tdemo\tenabled" in lines
    assert [line.split("\t")[1] for line in lines] == sorted(line.split("\t")[1] for line in lines)
    listed = json.loads(studio.cella("user", "ls", "--json").stdout)
    assert {
        "user_id": user_id,
        "username": "list.me",
        "email": "l@x.example",
        "roles": ["demo"],
        "disabled": False,
    } in listed


def test_people_get_columns(studio: Studio) -> None:
    studio.cella("token", "new", "admin", "--expires", "1")
    for command, heading in (
        (("user", "ls"), ["ID", "NAME", "ADDRESS", "ROLES", "STATE"]),
        (("token", "ls"), ["ID", "USER", "MADE", "ENDS", "SUB-CLIENT"]),
    ):
        code, shown = at_a_terminal([*COMMAND, *command], studio.server.folder, environment())
        lines = shown.splitlines()
        assert code == 0
        assert lines[0].split() == heading
        second = lines[0].index(heading[1])
        assert "admin" in {line[second:].split()[0] for line in lines[1:]}
        assert {line[second - 2 : second] for line in lines} == {"  "}


def test_a_disabled_user_is_shut_out_until_enabled(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.cella("user", "add", "shut")
    token = studio.cella("token", "new", "shut").stdout.strip()
    set_password(studio, monkeypatch, "shut", PASSWORD.encode())
    for _ in range(2):
        done = studio.cella("user", "disable", "shut")
        assert (done.returncode, done.stdout) == (0, "")
        assert me(studio, token) == 403
        assert login(studio, "shut").status_code == 403
    (line,) = [
        line for line in studio.cella("user", "ls").stdout.splitlines() if "\tshut\t" in line
    ]
    assert line.endswith("\tdisabled")
    for _ in range(2):
        assert studio.cella("user", "enable", "shut").returncode == 0
        assert me(studio, token) == 200
        assert login(studio, "shut").status_code == 200


def test_the_last_administrator_is_not_disabled(tmp_path: Path, here: Cella) -> None:
    for name in ("one", "two"):
        here("user", "add", name, "--role", "admin", folder=tmp_path)
    assert here("user", "disable", "one", folder=tmp_path).returncode == 0
    refused = here("user", "disable", "two", folder=tmp_path)
    assert refused.returncode == 1
    assert "last administrator" in refused.stderr
    here("user", "enable", "one", folder=tmp_path)
    assert here("user", "disable", "two", folder=tmp_path).returncode == 0


def test_a_role_that_means_nothing_is_told(studio: Studio) -> None:
    roles = ("admin", "service", "badger", "subscriber", "video-encoder", "demmo")
    done = studio.cella(
        "user", "add", "typo", *(each for role in roles for each in ("--role", role))
    )
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if "No setting" in line]
    assert told == ["No setting knows the role demmo: on its own it allows nothing."]


def test_a_role_that_a_setting_knows_is_not_told(tmp_path: Path, here: Cella) -> None:
    settings = {"CELLA_FULL_FILE_ACCESS_ROLES": "artist", "CELLA_OIDC_ROLES": "x=tester"}
    roles = ("--role", "artist", "--role", "tester")
    done = here("user", "add", "known", *roles, folder=tmp_path, **settings)
    assert done.returncode == 0
    assert "No setting" not in done.stderr


# --- Passwords ---


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nmore lines\n"])
def test_a_password_comes_from_stdin(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    studio.cella("user", "add", f"stdin{len(end)}")
    name, password = f"stdin{len(end)}", f"  spaces and Ünicode {len(end)} "
    done = set_password(studio, monkeypatch, name, (password + end).encode())
    assert (done.returncode, done.stdout) == (0, "")
    assert password.strip() not in done.stderr
    assert login(studio, name, password).status_code == 200


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("admin", b"", "8 to 1024"),
        ("admin", b"\n", "8 to 1024"),
        ("admin", b"1234567\n", "8 to 1024"),
        ("admin", b"x" * 1025, "8 to 1024"),
        ("admin", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe", "UTF-8"),
        ("nobody", PASSWORD.encode(), "no user named nobody"),
    ],
)
def test_what_is_no_password_changes_nothing(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, name: str, typed: bytes, said: str
) -> None:
    done = set_password(studio, monkeypatch, name, typed)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_at_a_terminal_it_is_typed_twice_and_not_shown(studio: Studio) -> None:
    studio.cella("user", "add", "typist")
    code, seen = type_password(studio.server.folder, "typist", PASSWORD, PASSWORD)
    assert code == 0, seen
    assert seen.count(": ") == 2
    assert PASSWORD not in seen
    assert login(studio, "typist").status_code == 200


def test_two_that_differ_change_nothing(studio: Studio) -> None:
    studio.cella("user", "add", "fumbler")
    code, seen = type_password(studio.server.folder, "fumbler", PASSWORD, PASSWORD.upper())
    assert code == 1
    assert "not the same" in seen
    for password in (PASSWORD, PASSWORD.upper()):
        assert login(studio, "fumbler", password).status_code == 403


# --- Tokens ---


def test_tokens_are_listed_and_revoked(studio: Studio) -> None:
    studio.cella("user", "add", "keys")
    kept, gone = (
        studio.cella("token", "new", "keys", *each).stdout.strip()
        for each in ((), ("--expires", "1"))
    )
    assert not {kept, gone} & {*studio.cella("token", "ls").stdout.split()}
    listed = json.loads(studio.cella("token", "ls", "keys", "--json").stdout)
    assert [token["username"] for token in listed] == ["keys", "keys"]
    assert [token["expires"] is None for token in listed] == [True, False]
    assert listed[1]["expires"] == listed[1]["created"] + 24 * 3600
    rows = [line.split("\t") for line in studio.cella("token", "ls", "keys").stdout.splitlines()]
    assert [row[:2] for row in rows] == [[token["token_id"], "keys"] for token in listed]
    assert rows[0][3] == "-"

    done = studio.cella("token", "revoke", listed[1]["token_id"])
    assert (done.returncode, done.stdout) == (0, "")
    assert (me(studio, kept), me(studio, gone)) == (200, 403)
    assert len(studio.cella("token", "ls", "keys").stdout.splitlines()) == 1


def test_an_unknown_token_leaves_all_as_they_are(studio: Studio) -> None:
    studio.cella("user", "add", "careful")
    token = studio.cella("token", "new", "careful").stdout.strip()
    (listed,) = json.loads(studio.cella("token", "ls", "careful", "--json").stdout)
    for unknown in ("0" * 24, token, "\0"):
        done = studio.cella("token", "revoke", listed["token_id"], unknown)
        assert done.returncode == 1
        assert "nothing was revoked" in done.stderr
        assert token not in done.stderr
        assert me(studio, token) == 200
    assert studio.cella("token", "ls", "nobody").returncode == 1
