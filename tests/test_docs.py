"""The documentation says what is so: nothing is missing in it, and nothing is stale."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from cella import asgi, cli, client, config, errors
from cella.assembly import Assembly
from cella.delivery.routes import ROUTES
from cella.http.problems import status_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CHANGES = ROOT / "changelog.d"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md"), *CHANGES.rglob("*.md")]
)

DOCS_ROUTES = ("/api/docs", "/api/openapi.json")
"""Routes that need no example, because they are about the others."""

SENDS = {
    "POST": " -X POST | -[dF] ",
    "PUT": " -X PUT | -T ",
    "PATCH": " -X PATCH ",
    "DELETE": " -X DELETE ",
}
"""What makes curl use a method other than GET."""

NAMES_IN_ANSWERS_ONLY = {"cut", "method_not_allowed"}
"""Names of errors that are no class of ours."""

NO_SETTINGS = {
    *("CELLA_CONFIG", "CELLA_URL", "CELLA_TOKEN"),
    *("CELLA_TEST_GCS_URL", "CELLA_TEST_S3_URL", "CELLA_TEST_AZURE_URL"),
}
"""Variables that are read, but are no settings of the server."""

SECRETS = {"auth_token_hmac_key": "x" * 32, "link_keys": ["x" * 32]}
"""With these set, nothing is made in a data directory."""


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in turn."""
    found: Path = request.param
    return found


# Pages, links and names


def test_links_lead_somewhere(page: Path) -> None:
    for target in links(read(page)):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(read(linked)), f"{target} has no such heading"


def test_paths_that_are_named_exist(page: Path) -> None:
    for name in paths(read(page)):
        assert (ROOT / name).exists(), f"{name} is not there"


def test_tests_that_are_named_exist(page: Path) -> None:
    for name, test in named_tests(read(page)):
        assert test in functions(ROOT / name), f"{name} has no {test}"


def test_make_knows_the_targets_that_are_named(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))
    assert targets_of_make(read(page)) <= targets


def test_settings_that_are_named_exist(page: Path) -> None:
    known = {setting.variable for setting in config.settings()} | NO_SETTINGS
    assert variables(read(page)) <= known


def test_commands_that_are_named_exist(page: Path) -> None:
    assert commands_named(read(page)) <= {words.split()[1] for words in commands()}


def test_these_checks_see_what_they_look_for() -> None:
    text = (
        "# One, two\n[a](b.md#c) and [d](https://e) in `src/cella/f.py`, "
        "`tests/g.py::test_h` `make j`\n```\nmake k\n[l](m.md)\ncella n\n/o/bin/cella p\n```\n"
        "CELLA_Q `cella r s`, a make or a cella of another sort\n| t | u |\n|---|---|\n| v | w |\n"
    )
    assert list(links(text)) == ["b.md#c"]
    assert anchors(text) == {"one-two"}
    assert paths(text) == ["src/cella/f.py", "tests/g.py"]
    assert named_tests(text) == [("tests/g.py", "test_h")]
    assert targets_of_make(text) == {"j", "k"}
    assert variables(text) == {"CELLA_Q"}
    assert commands_named(text) == {"n", "p", "r"}
    assert list(tables(text)) == [[["t", "u"], ["v", "w"]]]


# docs/architecture.md


def test_every_module_has_its_place_in_the_architecture() -> None:
    cells = [cells[0] for cells in rows(read(DOCS / "architecture.md"))]
    named = [name for cell in cells for name in paths(cell)]
    folders = tuple(name for name in named if name.endswith("/"))
    for path in sorted((ROOT / "src" / "cella").rglob("*.py")):
        module = str(path.relative_to(ROOT))
        if path.name not in ("__init__.py", "__main__.py"):
            assert module in named or module.startswith(folders), f"{module} is not told of"


def test_every_decision_is_listed_in_the_architecture() -> None:
    linked = set(links(read(DOCS / "architecture.md")))
    written = {f"decisions/{path.name}" for path in (DOCS / "decisions").glob("*.md")}
    assert written <= linked


# docs/http.md


def test_every_route_is_told_of_and_no_other() -> None:
    overview = next(tables(read(DOCS / "http.md")))
    told = {}
    for cells in overview[1:]:
        path = re.search(r"`(/[^`]+)`", cells[0])
        assert path is not None, cells
        told[path[1]] = set(cells[1].split(", "))
    assert told == routes()


def test_every_route_has_an_example() -> None:
    """A curl asks for it; the variables of paths are written as variables of the shell."""
    text = read(DOCS / "http.md").replace("\\\n", " ")
    curls = "\n".join(re.findall(r"^\$ curl .*$", text, flags=re.MULTILINE))
    for path, methods in routes().items():
        if path in DOCS_ROUTES or path in links_routes():
            continue
        spelled = re.sub(r"\\\{(?:filename|node_type)\\\}", r"[\\w.%]+", re.escape(path))
        spelled = re.sub(r"\\\{\w+\\\}", r"\\$[A-Z]+", spelled)
        asked = re.findall(rf"^(.*):8333{spelled}(?: |$)", curls, flags=re.MULTILINE)
        assert asked, path
        for method in methods - {"GET"}:
            assert any(re.search(SENDS[method], curl) for curl in asked), f"{method} {path}"
    assert '"$LINK"' in curls


def test_every_error_is_told_of_and_no_other() -> None:
    told = {cells[0].strip("`") for cells in rows(errors_told())} - {"name"}
    of_the_client = {kind.code for kind in kinds_in(client)}
    assert told | of_the_client == known_errors().keys() | NAMES_IN_ANSWERS_ONLY
    for code in of_the_client:
        assert f"`{code}`" in errors_told()


def test_errors_have_the_status_that_is_told() -> None:
    answered = next(tables(errors_told()))[1:]
    told = {cells[0].strip("`"): int(cells[1]) for cells in answered}
    actual = {code: status_of(kind.__new__(kind)) for code, kind in known_errors().items()}
    public = {code for code, status in actual.items() if status != 500}
    assert told.keys() == public | NAMES_IN_ANSWERS_ONLY | {"internal"}
    assert {code: told[code] for code in public} == {code: actual[code] for code in public}


# docs/cli.md


def test_every_command_is_told_of_and_no_other() -> None:
    headings = re.findall(r"^### `(.+)`$", read(DOCS / "cli.md"), flags=re.MULTILINE)
    assert sorted(headings) == sorted(commands())


def test_every_option_is_told_of_and_no_other() -> None:
    text = read(DOCS / "cli.md")
    for command, options in commands().items():
        told = set(re.findall(r"`(--?[a-z]+(?:-[a-z]+)*)\b", section(text, f"### `{command}`")))
        assert told == options, command


# docs/dependencies.md, docs/promises.md, docs/compatibility.md, changelog.d


def test_every_dependency_is_told_of_and_no_other() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))
    groups = project["dependency-groups"]
    wanted = {
        "## To run": project["project"]["dependencies"],
        "## To build": [*groups["build"], *groups["web"]],
        "## To develop": [item for item in groups["dev"] if isinstance(item, str)],
    }
    for heading, requirements in wanted.items():
        (table,) = tables(section(read(DOCS / "dependencies.md"), heading))
        told = [cells[0].strip("`") for cells in table[1:]]
        assert sorted(told) == sorted(re.split(r"[^\w-]", text)[0] for text in requirements)


def test_every_package_of_the_page_is_told_of_and_no_other() -> None:
    for heading, folder in (("## The page", "web"), ("## From npm", "tests/browser")):
        (table,) = tables(section(read(DOCS / "dependencies.md"), heading))
        told = {cells[0].strip("`") for cells in table[1:]}
        assert told == packages(ROOT / folder / "package.json")


def test_no_lock_file_names_a_registry() -> None:
    for folder in ("web", "tests/browser"):
        lock = json.loads(read(ROOT / folder / "package-lock.json"))
        assert not [name for name, each in lock["packages"].items() if "resolved" in each]


def test_every_promise_names_a_test_that_holds_it() -> None:
    promises = [
        cells
        for table in tables(read(DOCS / "promises.md"))
        if table[0] == ["promise", "held by"]
        for cells in table[1:]
    ]
    assert promises
    for promise, held_by in promises:
        assert named_tests(held_by), promise


def test_every_fault_of_the_original_has_its_test() -> None:
    text = section(read(DOCS / "compatibility.md"), "## The faults of the original")
    (table,) = tables(text)
    assert [cells[0] for cells in table[1:]] == [str(number) for number in range(1, 36)]
    for number, _, ours, shown_by in table[1:]:
        assert named_tests(shown_by) or ours.startswith("not there yet"), number


def test_fragments_of_the_changelog_have_their_form() -> None:
    rules = read(CHANGES / "README.md")
    kinds = re.search(r"The kind is (.+?)\.", rules, flags=re.DOTALL)
    assert kinds is not None
    kind = "|".join(re.findall(r"`(\w+)`", kinds[1]))
    fragments = [path for path in CHANGES.rglob("*.md") if path.parent != CHANGES]
    assert fragments
    for path in fragments:
        assert re.fullmatch(rf"(?:{kind})-[a-z0-9-]+\.md", path.name), path.name
        assert re.match(r"# .+\n\n\S", read(path)), path.name


# What the code says


@cache
def routes() -> dict[str, set[str]]:
    """The methods of each route, as the application tells them; but for HEAD and OPTIONS."""
    app = asgi.build(Assembly(config.load({}, folder=DOCS, overrides=SECRETS)))
    told = {"GET", *SENDS}
    return {
        path: {method.upper() for method in item} & told
        for path, item in app.openapi()["paths"].items()
    }


def links_routes() -> list[str]:
    """The routes that links lead to, as OpenAPI would spell them."""
    return [route.path.replace(":path}", "}") for route in ROUTES]


def known_errors() -> dict[str, type[errors.CellaError]]:
    """Every kind of error, by its code."""
    return {kind.code: kind for kind in (*kinds_in(errors), *kinds_in(client))}


def kinds_in(module: object) -> list[type[errors.CellaError]]:
    """The kinds of errors that a module has."""
    values = vars(module).values()
    classes = [value for value in values if isinstance(value, type)]
    return [kind for kind in classes if issubclass(kind, errors.CellaError)]


def packages(path: Path) -> set[str]:
    """The packages that a package.json names."""
    told = json.loads(read(path))
    return {*told["dependencies"], *told.get("devDependencies", {})}


@cache
def commands() -> dict[str, set[str]]:
    """The options of each command, by the words that start it; but for `--help`."""
    return dict(below(typer.main.get_command(cli.application()), "cella"))


def below(group: object, words: str) -> Iterator[tuple[str, set[str]]]:
    """The commands of a group and of the groups in it."""
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from below(command, f"{words} {name}")
        else:
            spelled = [name for each in command.params for name in each.opts + each.secondary_opts]
            yield f"{words} {name}", {option for option in spelled if option.startswith("-")}


@cache
def functions(path: Path) -> set[str]:
    """The names of the functions that a module defines."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(ast.parse(read(path))) if isinstance(node, kinds)}


# What a page says


@cache
def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text: str) -> Iterator[str]:
    """Where the links lead that do not leave the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if not target.startswith(("http://", "https://")):
            yield target


def anchors(text: str) -> set[str]:
    """The names by which links reach the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def paths(text: str) -> list[str]:
    """The files and folders of the repository that are named."""
    return re.findall(r"`((?:src|tests|docs|requirements|benchmarks|web)/[\w./-]*)", text)


def named_tests(text: str) -> list[tuple[str, str]]:
    """The tests that are named: the file and the function."""
    return re.findall(r"`(tests/[\w./-]+\.py)::(\w+)`", text)


def targets_of_make(text: str) -> set[str]:
    """The targets of make that are named."""
    return set(re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE))


def variables(text: str) -> set[str]:
    """The variables of the environment that are named and ours."""
    return set(re.findall(r"\bCELLA_[A-Z_]+\b", text))


def commands_named(text: str) -> set[str]:
    """The commands of `cella` that are named, by their first word."""
    return set(re.findall(r"(?:^|[`/=(]|\$ )cella ([a-z]+)\b", text, flags=re.MULTILINE))


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its depth or less."""
    depth = len(heading) - len(heading.lstrip("#"))
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(rf"^#{{1,{depth}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def errors_told() -> str:
    """What docs/http.md says of errors."""
    return section(read(DOCS / "http.md"), "## Errors")


def tables(text: str) -> Iterator[list[list[str]]]:
    """The tables, each a list of rows, each a list of cells; the first row is the heading."""
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        heading, _, *rest = table.splitlines()
        yield [[cell.strip() for cell in row.strip("|").split("|")] for row in (heading, *rest)]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of all tables, without their headings' rules."""
    for table in tables(text):
        yield from table
