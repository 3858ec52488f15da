"""House rules that import-linter cannot express, read from the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cella

SOURCE = Path(cella.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
READS_THE_ENVIRONMENT = {"config.py"}


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def module(request: pytest.FixtureRequest) -> tuple[str, ast.Module]:
    """A module of ours: its path below the package, and what stands in it."""
    path: Path = request.param
    return str(path.relative_to(SOURCE)), ast.parse(path.read_text())


def test_only_the_config_reads_the_environment(module: tuple[str, ast.Module]) -> None:
    name, tree = module
    if name not in READS_THE_ENVIRONMENT:
        assert list(uses_of_the_environment(tree)) == []


def test_no_import_stands_inside_a_function(module: tuple[str, ast.Module]) -> None:
    _, tree = module
    assert list(inner_imports(tree)) == []


def test_the_rules_see_what_they_forbid() -> None:
    tree = ast.parse(
        "import os\nfrom os import getenv\ndef f():\n    import json\n    os.environ['X']\n"
    )
    assert sorted(uses_of_the_environment(tree)) == [2, 5]
    assert list(inner_imports(tree)) == [4]
    assert list(uses_of_the_environment(ast.parse((SOURCE / "config.py").read_text())))


def uses_of_the_environment(tree: ast.Module) -> Iterator[int]:
    """The lines that touch the environment by way of `os`."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("os"), attribute) if attribute in ENVIRONMENT:
                yield node.lineno
            case ast.ImportFrom("os", names) if {alias.name for alias in names} & ENVIRONMENT:
                yield node.lineno


def inner_imports(tree: ast.Module) -> Iterator[int]:
    """The lines of imports inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    yield inner.lineno
