"""Regular expressions: what is taken means the same everywhere, what may explode is refused."""

import itertools
import re
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.catalog.shelf import Shelf

from cella.catalog.patterns import MAX_COST, MAX_LENGTH, Pattern, read_pattern
from cella.catalog.tables import files
from cella.db import Database
from cella.errors import BadRequest

ALPHABET = "aB1_-.^é\n ]["
TEXTS = sorted(
    {
        *("".join(letters) for letters in itertools.product(ALPHABET, repeat=2)),
        *(
            "",
            "a",
            "aab",
            "aaB",
            "abab",
            "Abba",
            "a\n",
            "\na",
            "a\nb",
            "É",
            "éa",
            "1_1",
            "...",
            "a-b",
        ),
        *(
            "shot_010_comp.exr",
            "shot_020.EXR",
            "\U0001f3ac",
            "ﬁ",
            "(a|b)",
            "a{2}",
            "$5",
            "\\",
            "\t",
        ),
    }
)


@pytest.fixture
def texts(database: Database) -> Shelf:
    """A file with each of the texts for its description."""
    shelf = Shelf(database)
    shelf.add(*({"description": text} for text in TEXTS))
    return shelf


def found(shelf: Shelf, pattern: Pattern) -> set[str]:
    """The texts in which the database finds the pattern."""
    query = sa.select(files.c.description).where(
        files.c.description.regexp_match(pattern.source), files.c.project == shelf.project.id
    )
    return set(shelf.db.read_now(lambda tx: list(tx.execute(query).scalars())))


CLASSES = {
    "\\d": "[0-9]",
    "\\w": "[A-Za-z0-9_]",
    "\\s": "[ \\t\\n\\r\\f\\v]",
    "\\D": "[^0-9]",
    "\\W": "(?-i:[^A-Za-z0-9_])",
    "\\S": "[^ \\t\\n\\r\\f\\v]",
}
"""Python's own know letters beyond ASCII."""

ITEMS = {
    **CLASSES,
    **{each: f"[{each}]" for each in ("a", "a-z", "A-C", "0-9", "é", "\\]", "\\-", ".", "_")},
}
"""What may stand in a class."""


class Both(NamedTuple):
    """A pattern as a client writes it, and one that means the same to Python's `re`."""

    ours: str
    pythons: str
    repeats: bool = False


def _letter(character: str) -> Both:
    special = character in "\\^$.|?*+()[]{}-"
    return Both(f"\\{character}" if special else character, re.escape(character))


def _class(negated: bool, items: list[str]) -> Both:
    pythons = "|".join(ITEMS[item] for item in items)
    return Both(
        f"[{'^' if negated else ''}{''.join(items)}]",
        f"(?:(?!{pythons})[\\s\\S])" if negated else f"(?:{pythons})",
    )


def _repeated(atom: Both, sign: str) -> Both:
    if atom.repeats or not atom.ours:
        return atom
    return Both(f"{atom.ours}{sign}", f"(?:{atom.pythons}){sign.rstrip('?') or '?'}", True)


def _group(branches: list[Both]) -> Both:
    return Both(
        f"({'|'.join(each.ours for each in branches)})",
        f"(?:{'|'.join(each.pythons for each in branches)})",
        any(each.repeats for each in branches),
    )


def _sequence(parts: list[Both]) -> Both:
    return Both(
        "".join(each.ours for each in parts),
        "".join(each.pythons for each in parts),
        any(each.repeats for each in parts),
    )


ATOMS = st.one_of(
    st.sampled_from([*ALPHABET, "b", "A"]).map(_letter),
    st.sampled_from(
        [
            Both(".", "."),
            *(Both(ours, pythons) for ours, pythons in CLASSES.items()),
            Both("\\x61", "a"),
            Both("\\n", "\\n"),
        ]
    ),
    st.builds(
        _class,
        st.booleans(),
        st.lists(st.sampled_from(list(ITEMS)), min_size=1, max_size=3),
    ),
)
SIGNS = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,1}", "{1,}", "*?", "+?", "{1,2}?"])
PIECES = st.one_of(
    ATOMS,
    ATOMS,
    st.builds(_repeated, ATOMS, SIGNS),
    st.sampled_from([Both("^", "^"), Both("$", "\\Z")]),
)
PATTERNS = st.recursive(
    st.lists(PIECES, max_size=3).map(_sequence),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(_group),
        st.builds(_repeated, st.lists(inner, min_size=1, max_size=2).map(_group), SIGNS),
        st.lists(inner, max_size=2).map(_sequence),
    ),
    max_leaves=4,
)


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pattern=PATTERNS, options=st.sampled_from(["", "i", "s", "is"]))
def test_a_pattern_means_the_same_everywhere(texts: Shelf, pattern: Both, options: str) -> None:
    flags = re.IGNORECASE if "i" in options else 0
    flags |= re.DOTALL if "s" in options else 0
    wanted = {text for text in TEXTS if re.search(pattern.pythons, text, flags)}
    read = read_pattern(pattern.ours, options)

    assert found(texts, read) == wanted
    assert all(text.startswith(read.prefix) for text in wanted)


@pytest.mark.parametrize(
    ("pattern", "options", "source", "prefix"),
    [
        ("", "", "", ""),
        ("^shot_010", "", "^shot_010", "shot_010"),
        ("^shot_010", "i", "^[Ss][Hh][Oo][Tt]_010", ""),
        ("^010_x", "i", "^010_[Xx]", "010_"),
        ("^sho+t", "", "^sho+t", "sh"),
        ("^a|^b", "", "^a|^b", ""),
        ("^(ab)", "", "^(?:ab)", ""),
        ("^a\U0010ffffb", "", "^a\U0010ffffb", "a"),
        ("shot", "", "shot", ""),
        (".", "", "[^\n]", ""),
        (".", "s", "(?:\n|[^\n])", ""),
        (r"\d", "", "[0-9]", ""),
        (r"\.exr$", "", r"\.exr$", ""),
        ("[]a]", "", r"[\]a]", ""),
        ("[a-]", "", r"[\-a]", ""),
        ("[^^]", "", r"[^\^]", ""),
        ("(?:a)", "", "(?:a)", ""),
        (" a # a comment\n b", "x", "ab", ""),
        (r"\ [ ]", "x", " [ ]", ""),
        ("a{2,3}?", "", "a{2,3}", ""),
        ("(a?b)*", "", "(?:a?b)*", ""),
        ("(a*)?", "", "(?:a*)?", ""),
        (r"\u00e9\x{1f3ac}", "", "é\U0001f3ac", ""),
        ("ǆ", "i", "[Ǆǆ]", ""),
        ("ß", "i", "ß", ""),
        ("[A-Za-z]", "i", "[A-Za-z]", ""),
        ("-/ab", "m", "-/ab", ""),
    ],
)
def test_how_a_pattern_is_written(pattern: str, options: str, source: str, prefix: str) -> None:
    read = read_pattern(pattern, options)
    assert (read.source, read.prefix) == (source, prefix)


REFUSED = [
    ("(a+)+$", "", "itself repeated"),
    ("(a*)*", "", "itself repeated"),
    ("(a+){2}", "", "itself repeated"),
    ("((a{2})b){2}", "", "itself repeated"),
    ("(x|a+)*", "", "itself repeated"),
    ("a**", "", "another repetition"),
    ("a*+", "", "another repetition"),
    ("a{2}{3}", "", "another repetition"),
    ("a*?*", "", "another repetition"),
    (r"(a)\1", "", "back references"),
    (r"\0", "", "back references"),
    (r"\b", "", r"\b"),
    (r"\A", "", r"\A"),
    (r"\pL", "", r"\p"),
    (r"\z", "", r"\z"),
    ("(?=a)", "", "look-around"),
    ("(?<!a)", "", "look-around"),
    ("(?P<a>b)", "", "names"),
    ("(?i)a", "", "$options"),
    ("(?>a)", "", "(?"),
    ("(a", "", "not closed"),
    ("a)", "", "not opened"),
    ("[a", "", "not closed"),
    ("[", "", "not closed"),
    ("[]", "", "not closed"),
    ("[a-", "", "not closed"),
    ("[[:alpha:]]", "", "[:alpha:]"),
    ("[z-a]", "", "range"),
    (r"[a-\d]", "", "range"),
    ("[\u0100-\uffff]", "i", "512"),
    ("[\u0100-\u02ff][\u0100-\u02ff]", "i", "512"),
    ("[" + "".join(map(chr, range(0x100, 0x200, 2))) + "]{12}", "", str(MAX_COST)),
    ("*a", "", "before *"),
    ("|+", "", "before +"),
    ("^*", "", "before *"),
    ("${2}", "", "before {2}"),
    ("{", "", "\\{"),
    ("a{,2}", "", "\\{"),
    ("a{x}", "", "\\{"),
    ("a{3,2}", "", "order"),
    ("a{101}", "", "100"),
    ("a{1,99999}", "", "100"),
    ("a\\", "", "backslash"),
    ("\\x00", "", "U+0000"),
    ("a\0", "", "U+0000"),
    ("[\0]", "", "U+0000"),
    ("\\ud800", "", "surrogate"),
    ("\\x{110000}", "", "110000"),
    ("^a", "m", "option m"),
    ("a", "u", "$options"),
    ("a" * (MAX_LENGTH + 1), "", str(MAX_LENGTH)),
    ("(" * 10 + ")" * 10, "", "nested"),
    ("(a{50}b{50}){1}(c{100})d", "", str(MAX_COST)),
    ("(" + "|".join(["ab"] * 10) + "){50}", "", str(MAX_COST)),
]


@pytest.mark.parametrize(("pattern", "options", "why"), REFUSED)
def test_what_is_refused_and_why(pattern: str, options: str, why: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(why)):
        read_pattern(pattern, options)


@settings(max_examples=500, deadline=None)
@given(pattern=st.text(st.sampled_from("ab^$.*+?|()[]{}\\-:,12dDwsxun #é\0"), max_size=12))
def test_any_text_is_a_pattern_or_refused(pattern: str) -> None:
    for options in ("", "i", "x"):
        try:
            read = read_pattern(pattern, options)
        except BadRequest:
            continue
        re.compile(read.source)


WORST = [
    "(a|b|ab|ba){25}c",
    "[^a]{100}[^b]{100}",
    "(\\w|\\W){100}$",
    "a.{98}b.{98}c",
    "(.|\n){66}",
    "|".join("ab" * 3 + str(number % 10) for number in range(28)),
    "[\u0080-\u00ff]{100}",
    "[" + "".join(map(chr, range(0x100, 0x280, 2))) + "]{8}",
]


def test_the_worst_that_is_taken_is_answered(database: Database) -> None:
    """Both engines take each of these: none says that a pattern is too large for it."""
    shelf = Shelf(database)
    shelf.add({"description": "ab" * 30_000})
    for pattern in WORST:
        for options in ("", "i", "s"):
            read = read_pattern(pattern, options)
            assert found(shelf, read) in (set(), {"ab" * 30_000})


def test_the_writer_of_sqlite_has_no_engine_of_its_own(database: Database) -> None:
    """A query that would take for ever with Python's `re` is answered by the reader."""
    shelf = Shelf(database)
    shelf.add({"description": "a" * 5000})
    explosive = Pattern("(?:a|a|a)*(?:a|a)*$b", "", 1)
    assert found(shelf, explosive) == set()
