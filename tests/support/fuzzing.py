"""schemathesis (https://schemathesis.readthedocs.io) against a running service.

It reads the OpenAPI document and sends what fits it and what does not, by the book (coverage), by
chance (fuzzing), and one thing after another (stateful). Nothing of it leaves the machine, and all
that it writes goes into a folder of the test's.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.service import Account, Service

from cella.api.openapi.parts import A_FILE, A_GROUP, A_PLACE, A_PROJECT, A_USER, AN_ETAG
from cella.catalog import files, people, projects
from cella.catalog.files import ORIGINAL, BlobRef
from cella.db import Tx
from cella.model import METHODS, File, Grant, Group, Permissions, Project, User

_HOOKS = "tests.support.fuzzing_hooks"
_ROOT = Path(__file__).parents[2]
_CONTENT = b"the bytes of a plate"
_NAME = A_PLACE.rpartition("/")[2] + ".jpg"
_THEN = 1_795_368_000

# A login that is missing is 403 here, never 401. No schema can tell whether an etag is the current
# one (412) or a range lies in a file (416), and passwords are not guessed for ever (429). A missing
# If-Match is 428 (RFC 6585), unless there is nothing to change (404) or no right to (403). Without
# what tus wants it is 412 for its version, and else 400.
_CHECKS = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 403, 404, 409, 412, 416, 429]

[checks.negative_data_rejection]
expected-statuses = [400, 403, 404, 405, 409, 412, 415, 422, 428, 429]

[checks.missing_required_header]
expected-statuses = [400, 403, 404, 412, 428]
"""
# Ids that somebody has, and etags that are current whatever the others have changed meanwhile. To
# delete things the etag has to be the right one.
_KNOWN = f"""\
[dictionaries]
users.values = ["{A_USER}"]
groups.values = ["{A_GROUP}"]
projects.values = ["{A_PROJECT}"]

[parameters]
"body.user" = {{dictionary = "users", probability = 0.9}}
"body.user_id" = {{dictionary = "users", probability = 0.9}}
"body.project" = {{dictionary = "projects", probability = 0.9}}
"body.project_id" = {{dictionary = "projects", probability = 0.9}}
"body.groups[*]" = {{dictionary = "groups", probability = 0.9}}
"body.permissions.users[*].user" = {{dictionary = "users", probability = 0.9}}
"body.permissions.groups[*].group" = {{dictionary = "groups", probability = 0.9}}

[[operations]]
include-method = ["PUT", "PATCH"]
parameters = {{"header.If-Match" = "*"}}
"""
# `where` alone makes three thousand cases by the book, for each operation that has it.
_GETS = ("list_files", "list_projects", "list_users")
_LISTS = (*_GETS, *(f"{name}_head" for name in _GETS))
_BY_CHANCE = "".join(
    f"""
[[operations]]
include-operation-id = "{name}"
phases.coverage.enabled = false
"""
    for name in _LISTS
)
# What every schema calls for by the book takes minutes, and is gone through by the drill.
_NOT_BY_THE_BOOK = """
[phases.coverage]
enabled = false
"""
# They take what GET takes; the drill without a chosen seed goes through them too.
_LIKE_GET = """
[[operations]]
include-method = ["HEAD", "OPTIONS"]
phases.coverage.enabled = false
phases.fuzzing.enabled = false
"""
_MANY_QUERIES = """
[[operations]]
include-operation-id = "list_files"
generation.max-examples = 25
"""


def seed(service: Service) -> None:
    """Put in what the document's examples speak of: a user, a project, a file with its bytes."""
    automatic: dict[str, Any] = {"created": _THEN, "updated": _THEN, "etag": AN_ETAG}
    user = User(id=A_USER, **automatic, username="ada", full_name="Ada", email="ada@studio.example")
    group = Group(id=A_GROUP, **automatic, name=A_PROJECT)
    project = Project(
        id=A_PROJECT,
        **automatic,
        name="Spring",
        url="spring",
        user=A_USER,
        permissions=Permissions(world=("GET",), groups=(Grant(A_GROUP, METHODS),)),
    )
    file = File(
        id=A_FILE,
        **automatic,
        project=A_PROJECT,
        user=A_USER,
        name=_NAME,
        filename="plate 0041.jpg",
        content_type="image/jpeg",
        length=len(_CONTENT),
        backend="local",
        file_path=_NAME,
        status="complete",
    )
    key = f"{A_PROJECT}/_/{_NAME}"
    service.put_blob(key, _CONTENT)

    def work(tx: Tx) -> None:
        people.add_user(tx, user)
        projects.add_group(tx, group, [A_USER])
        projects.add(tx, project)
        files.add(tx, file, [BlobRef(key, ORIGINAL)])

    service.assembly.db.write_now(work)


def fuzz(
    service: Service,
    folder: Path,
    by: Account | None,
    *,
    examples: int,
    sequences: int,
    seconds: int | None = None,
    chance: int | None = None,
) -> str:
    """Run schemathesis over the service's own document, and fail with what it finds.

    It sends `examples` by chance to each operation, and goes through so many `sequences` of them.
    These are always the same, or, where there is a `chance`, follow from that. Nothing is gone
    through by the book then, or with a `chance` all but queries of lists. If there are `seconds`
    instead it goes on with others until they are over. Returns what it reports.
    """
    is_short = seconds is None
    config = [
        f'hooks = "{_HOOKS}"',
        "continue-on-failure = true",
        "[cache]",
        "enabled = false",
        "[generation]",
        f"deterministic = {'true' if is_short and chance is None else 'false'}",
        f"max-examples = {examples}",
        'database = "none"',
        "[phases.stateful.generation]",
        f"max-examples = {sequences}",
        _CHECKS,
    ]
    if is_short:
        config += [_LIKE_GET, _BY_CHANCE, _MANY_QUERIES]
    if is_short and chance is None:
        config.append(_NOT_BY_THE_BOOK)
    if by is not None:
        config += [_KNOWN, "[auth.openapi.bearer]", f'bearer = "{by.token}"']
    (folder / "schemathesis.toml").write_text("\n".join(config))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
            *("--no-color", "run", f"{service.url}/api/openapi.json"),
            *("--checks", "all", "--workers", "1", "--request-timeout", "60"),
            *(() if is_short else ("--max-time", str(seconds))),
            *(() if chance is None else ("--seed", str(chance))),
        ],
        cwd=folder,
        # The order of its sets is chosen at random as well.
        env={
            **os.environ,
            **({} if chance is None else {"PYTHONHASHSEED": "0"}),
            "PYTHONPATH": str(_ROOT),
            "NO_PROXY": "*",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
