"""The operator REGEXP for SQLite, which has the word but no engine for it.

RE2 (https://github.com/google/re2) decides in time linear in the text, whatever the pattern.
SQLAlchemy's own function, which this replaces, is Python's `re`, which does not.
"""

import sqlite3
from functools import lru_cache
from typing import Any

import re2

_REMEMBERED = 64
_OPTIONS = re2.Options()
_OPTIONS.max_mem = 4 << 20
# Where that is too little it goes on more slowly, and would say so on stderr for each text.
_OPTIONS.log_errors = False


def register(connection: sqlite3.Connection) -> None:
    """Let the connection answer `value REGEXP pattern`: whether the pattern is found in it.

    https://www.sqlite.org/lang_expr.html#the_like_glob_regexp_match_and_extract_operators
    """
    connection.create_function("regexp", 2, _is_found, deterministic=True)


def _is_found(pattern: str, value: str | None) -> bool | None:
    return None if value is None else _compiled(pattern).search(value) is not None


@lru_cache(_REMEMBERED)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, _OPTIONS)
