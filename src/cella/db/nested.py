"""Values inside columns of JSON text, as SQL that means the same on both databases.

SQLite reads JSON text as it is (https://www.sqlite.org/json1.html). PostgreSQL parses it to
`jsonb`, which holds every text but U+0000; that is read as U+FFFD there, so that no document can
make a query fail. Keys are our own words and stand in the SQL itself, so that an expression here
is the one that an index was made of.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Parsed(FunctionElement[Any]):
    """A column of JSON text, for `Member` and `Elements` to look into."""

    name = "parsed"
    inherit_cache = True


class Member(FunctionElement[str]):
    """The text under a key of a JSON object, compared by code point; null where there is none.

    `Member(container, sa.literal_column(key))`: the container is `Parsed`, or an element.
    """

    name = "member"
    type = sa.Text()
    inherit_cache = True


class Plain(FunctionElement[str]):
    """An element of a JSON array that is a text, compared by code point."""

    name = "plain"
    type = sa.Text()
    inherit_cache = True


class Elements(FunctionElement[Any]):
    """The elements of a JSON array, as rows with one column, `value`."""

    name = "elements"
    inherit_cache = True


def member(container: sa.ColumnElement[Any], key: str) -> sa.ColumnElement[Any]:
    """What stands under `key` of a JSON object. `key` is trusted: it becomes part of the SQL."""
    return Member(container, sa.literal_column(key))


def elements(container: sa.ColumnElement[Any]) -> sa.TableValuedAlias:
    """The elements of a JSON array, to select from; each is in the column `value`."""
    return Elements(container).table_valued(sa.column("value"))


def texts(container: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """The elements of a JSON array of texts; to select one is to select from `elements`."""
    return Plain(elements(container).c.value)


@compiles(Parsed, "sqlite")
def _parsed_on_sqlite(element: Parsed, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(Parsed, "postgresql")
def _parsed_on_postgresql(element: Parsed, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    # Both escapes have six characters, so what is no escape (`\\u0000`) stays JSON too.
    return f"CAST(replace({text}, '\\u0000', '\\ufffd') AS JSONB)"


@compiles(Member, "sqlite")
def _member_on_sqlite(element: Member, compiler: SQLCompiler, **kw: Any) -> str:
    container, key = (compiler.process(part, **kw) for part in element.clauses)
    return f"json_extract({container}, '$.{key}')"


@compiles(Member, "postgresql")
def _member_on_postgresql(element: Member, compiler: SQLCompiler, **kw: Any) -> str:
    container, key = (compiler.process(part, **kw) for part in element.clauses)
    return f"(({container} ->> '{key}') COLLATE \"C\")"


@compiles(Plain, "sqlite")
def _plain_on_sqlite(element: Plain, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(Plain, "postgresql")
def _plain_on_postgresql(element: Plain, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(({compiler.process(element.clauses, **kw)} #>> '{{}}') COLLATE \"C\")"


@compiles(Elements, "sqlite")
def _elements_on_sqlite(element: Elements, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each{compiler.process(element.clause_expr, **kw)}"


@compiles(Elements, "postgresql")
def _elements_on_postgresql(element: Elements, compiler: SQLCompiler, **kw: Any) -> str:
    return f"jsonb_array_elements{compiler.process(element.clause_expr, **kw)}"
