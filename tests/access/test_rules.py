"""Who may do what, as a table that a person can read."""

import pytest
from tests.catalog.documents import a_file, a_project, granted

from cella.access import rules
from cella.access.rules import AccessConfig
from cella.access.tokens import new_token, token_hash
from cella.errors import Forbidden
from cella.model import ANONYMOUS, METHODS, Actor, Project
from cella.model.project import Method

OWNER, MEMBER, GUEST, UPLOADER, OTHER = (f"{number:024x}" for number in range(1, 6))
GROUP, READERS = "a" * 24, "b" * 24

ACTORS = {
    "anonymous": ANONYMOUS,
    "no role": Actor(user=OTHER),
    "subscriber": Actor(user=OTHER, roles=frozenset({"subscriber"})),
    "demo": Actor(user=OTHER, roles=frozenset({"demo"})),
    "video-encoder": Actor(user=OTHER, roles=frozenset({"video-encoder"})),
    "admin": Actor(user=OTHER, roles=frozenset({"admin"})),
    "by name": Actor(user=MEMBER),
    "by group": Actor(user=OTHER, groups=frozenset({GROUP, "c" * 24})),
    "reader": Actor(user=OTHER, groups=frozenset({READERS})),
    "other group": Actor(user=OTHER, groups=frozenset({"c" * 24})),
    "owner": Actor(user=OWNER),
    "uploader": Actor(user=UPLOADER),
}


def _project(*world: Method) -> Project:
    permissions = granted(
        world=world,
        users={MEMBER: METHODS, GUEST: ()},
        groups={GROUP: METHODS, READERS: ("GET",)},
    )
    return a_project(OWNER, permissions=permissions)


PROJECTS = {
    "public": _project("GET"),
    "private": _project(),
    "drop box": _project("POST"),
    "wide open": _project(*METHODS),
}

# What each actor may do in each project: GET, POST, PUT, DELETE. The last column tells whether a
# file of the project shows all of itself to the actor, once that may read it.
TABLE = """
                 public  private  drop box  wide open   full access
  anonymous      G...    ....     ....      G...        no
  no role        G...    ....     .P..      GPUD        no
  subscriber     G...    ....     .P..      GPUD        yes
  demo           G...    ....     .P..      GPUD        yes
  video-encoder  G...    ....     .P..      GPUD        no
  admin          GPUD    GPUD     GPUD      GPUD        yes
  by name        GPUD    GPUD     GPUD      GPUD        yes
  by group       GPUD    GPUD     GPUD      GPUD        yes
  reader         G...    G...     GP..      GPUD        yes
  other group    G...    ....     .P..      GPUD        no
  owner          G...    ....     .P..      GPUD        no
  uploader       G...    ....     .P..      GPUD        yes
"""

LETTERS: dict[Method, str] = {"GET": "G", "POST": "P", "PUT": "U", "DELETE": "D"}


def _rows() -> list[tuple[str, list[str], bool]]:
    rows = []
    for line in TABLE.strip().splitlines()[1:]:
        who, cells = line[2:17].strip(), line[17:].split()
        rows.append((who, cells[:-1], cells[-1] == "yes"))
    return rows


CASES = [
    (who, method, project, LETTERS[method] in cell)
    for who, cells, _ in _rows()
    for project, cell in zip(PROJECTS, cells, strict=True)
    for method in METHODS
]


def test_the_table_has_a_row_for_everybody() -> None:
    assert [who for who, _, _ in _rows()] == list(ACTORS)
    assert len(CASES) == len(ACTORS) * len(PROJECTS) * len(METHODS)


@pytest.mark.parametrize(("who", "method", "project", "allowed"), CASES)
def test_may(who: str, method: Method, project: str, allowed: bool) -> None:
    decision = rules.may(ACTORS[who], method, PROJECTS[project])

    assert decision.allowed is allowed
    assert decision.reason
    if allowed:
        decision.enforce()
    else:
        with pytest.raises(Forbidden) as caught:
            decision.enforce()
        assert caught.value.message == decision.reason


@pytest.mark.parametrize(("who", "cells", "full"), _rows())
def test_allowed_methods(who: str, cells: list[str], full: bool) -> None:
    for project, cell in zip(PROJECTS.values(), cells, strict=True):
        allowed = rules.allowed_methods(ACTORS[who], project, METHODS)
        assert "".join(LETTERS[method] for method in allowed) == cell.replace(".", "")


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize(("who", "cells", "full"), _rows())
def test_full_access(who: str, cells: list[str], full: bool, project: str) -> None:
    file = a_file(PROJECTS[project].id, user=UPLOADER)
    assert rules.has_full_access(ACTORS[who], PROJECTS[project], file, AccessConfig()) is full


def test_who_is_granted_nothing_is_no_member() -> None:
    guest = Actor(user=GUEST)
    file = a_file(PROJECTS["public"].id, user=UPLOADER)
    assert rules.member_methods(guest, PROJECTS["public"]) == set()
    assert not rules.has_full_access(guest, PROJECTS["public"], file, AccessConfig())


def test_grants_by_name_and_by_groups_add_up() -> None:
    project = a_project(
        OWNER,
        permissions=granted(
            users={MEMBER: ("GET",)}, groups={GROUP: ("POST",), READERS: ("DELETE",)}
        ),
    )
    both = Actor(user=MEMBER, groups=frozenset({GROUP}))
    assert rules.member_methods(both, project) == {"GET", "POST"}


WITHOUT_PROJECT = {
    "anonymous": False,
    "no role": False,
    "video-encoder": False,
    "subscriber": True,
    "admin": True,
    "by name": False,
    "uploader": True,
}


@pytest.mark.parametrize(("who", "full"), WITHOUT_PROJECT.items())
def test_a_file_without_a_project_belongs_to_its_uploader(who: str, full: bool) -> None:
    file = a_file(None, user=UPLOADER)
    assert rules.has_full_access(ACTORS[who], None, file, AccessConfig()) is full


def test_what_a_refusal_says() -> None:
    def reason(who: str, method: Method) -> str:
        return rules.may(ACTORS[who], method, PROJECTS["private"]).reason

    hint = " Sign in, if you have an account."
    assert reason("anonymous", "GET") == "You may not read this project." + hint
    assert reason("anonymous", "POST") == "Sign in first: this needs a valid token."
    assert reason("no role", "POST") == "You may not upload to this project."
    assert reason("no role", "PUT") == "You may not change this project."
    assert reason("no role", "DELETE") == "You may not delete from this project."


MIB = 1 << 20
RIGHTS = {
    # bytes that an upload must stay below, and whether videos are encoded
    "anonymous": (32 * MIB, False),
    "no role": (32 * MIB, False),
    "subscriber": (None, False),
    "demo": (None, False),
    "video-encoder": (32 * MIB, True),
    "admin": (None, True),
}


@pytest.mark.parametrize(("who", "rights"), RIGHTS.items())
def test_rights_of_roles(who: str, rights: tuple[int | None, bool]) -> None:
    config = AccessConfig()
    actor = ACTORS[who]
    assert (rules.upload_limit(actor, config), rules.may_encode_video(actor, config)) == rights


def test_roles_are_configured() -> None:
    config = AccessConfig(
        roles_for_unlimited_uploads=frozenset({"artist"}),
        full_file_access_roles=frozenset({"artist"}),
        video_encoding_roles=frozenset(),
        filesize_limit_bytes_nonsubs=7,
    )
    artist = Actor(user=OTHER, roles=frozenset({"artist"}))
    file = a_file(None)
    assert rules.upload_limit(artist, config) is None
    assert rules.upload_limit(ACTORS["admin"], config) == 7
    assert rules.has_full_access(artist, None, file, config)
    assert not rules.has_full_access(ACTORS["subscriber"], None, file, config)
    assert not rules.may_encode_video(ACTORS["admin"], config)


# --- Tokens ---


def test_tokens_are_long_and_differ() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}


def test_token_hashes_are_those_of_the_original() -> None:
    # printf what-a-token | openssl dgst -sha256 -hmac secret-key -binary | base64
    golden = "COEIceoctn/SnXAAP3M+uVC7SgMzCrLUimXwUUIvr7I="
    assert token_hash("secret-key", "what-a-token") == golden
    assert token_hash("other-key", "what-a-token") != golden
    assert token_hash("secret-key", "What-a-token") != golden
