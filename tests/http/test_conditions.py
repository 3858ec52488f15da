"""Conditional requests: tables from RFC 9110, section 13, and from Eve's behaviour."""

import email.utils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cella.clock import http_date
from cella.errors import PreconditionFailed, PreconditionMissing
from cella.http.conditions import (
    Conditions,
    Outcome,
    evaluate,
    evaluate_document,
    if_range,
    parse_http_date,
    require_match,
)

ETAG = "0a" * 20
OTHER = "ff" * 20
CHANGED = 1_500_000_000
patient = settings(deadline=None)


def at(seconds: float) -> str:
    return http_date(CHANGED + seconds)


MATCHING = [
    f'"{ETAG}"',
    ETAG,
    f'"{OTHER}", "{ETAG}"',
    f"{OTHER}, {ETAG}",
    f'"{OTHER}","{ETAG}"',
    f'"a, b" , {ETAG} ,',
    f',, "{ETAG}"',
    f'W/"{OTHER}", "{ETAG}"',
    f'"broken, "{ETAG}", "{ETAG}"',
    "*",
    " * ",
]
WEAK = [f'W/"{ETAG}"', f"W/{ETAG}", f'"{OTHER}", W/"{ETAG}"']
STRANGE = [
    f'"{OTHER}"',
    OTHER,
    "",
    ",",
    '"',
    '""',
    f'"{ETAG}',
    f"{ETAG[:-1]}",
    f'"x{ETAG}"',
    f'"*", "{OTHER}"',
    f'w/"{ETAG}"',
    f"'{ETAG}'",
    f"{ETAG} {OTHER}",
    f'"{OTHER}, {ETAG}"',
]
GARBAGE = [
    "",
    "yesterday",
    "0",
    "1500000000",
    "2017-07-14T02:40:00Z",
    "Fri, 14 Jul 2017 02:40:00",
    "Fri, 14 Jul 2017 02:40:00 CEST",
    "Fri, 14 Jul 2017 02:40:00 +0000",
    "Fri, 14 Jul 2017 25:40:00 GMT",
    "Fri, 31 Feb 2017 02:40:00 GMT",
    "Fri, 00 Jul 2017 02:40:00 GMT",
    "Fri, 14 Foo 2017 02:40:00 GMT",
    "Fri, 14 Jul 0000 02:40:00 GMT",
    "Fri, 14 Jul 2017 02:40:00 GMT; length=3",
    "Fri, ١٤ Jul 2017 02:40:00 GMT",
    "Fri, 14 Jul 99999999999999999999 02:40:00 GMT",
]


@pytest.mark.parametrize("header", MATCHING + WEAK)
def test_if_none_match_that_names_the_state(header: str) -> None:
    assert evaluate(Conditions(if_none_match=header), ETAG, None) == "not_modified"


@pytest.mark.parametrize("header", STRANGE)
def test_if_none_match_that_does_not(header: str) -> None:
    assert evaluate(Conditions(if_none_match=header), ETAG, None) == "proceed"


@pytest.mark.parametrize("header", MATCHING)
def test_if_match_that_names_the_state(header: str) -> None:
    assert evaluate(Conditions(if_match=header), ETAG, None) == "proceed"


@pytest.mark.parametrize("header", STRANGE + WEAK)
def test_if_match_compares_strongly(header: str) -> None:
    assert evaluate(Conditions(if_match=header), ETAG, None) == "failed"


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        (Conditions(), "proceed"),
        (Conditions(if_modified_since=at(0)), "not_modified"),
        (Conditions(if_modified_since=at(1)), "not_modified"),
        (Conditions(if_modified_since=at(-1)), "proceed"),
        (Conditions(if_unmodified_since=at(0)), "proceed"),
        (Conditions(if_unmodified_since=at(1)), "proceed"),
        (Conditions(if_unmodified_since=at(-1)), "failed"),
        # Section 13.2.2: the etag makes the date void.
        (Conditions(if_none_match=ETAG, if_modified_since=at(-1)), "not_modified"),
        (Conditions(if_none_match=OTHER, if_modified_since=at(1)), "proceed"),
        (Conditions(if_match=ETAG, if_unmodified_since=at(-1)), "proceed"),
        (Conditions(if_match=OTHER, if_unmodified_since=at(1)), "failed"),
        # What must hold comes before what may be saved.
        (Conditions(if_match=OTHER, if_none_match=ETAG), "failed"),
        (Conditions(if_match=ETAG, if_none_match=ETAG), "not_modified"),
        (Conditions(if_unmodified_since=at(-1), if_modified_since=at(0)), "failed"),
        (Conditions(if_unmodified_since=at(0), if_modified_since=at(0)), "not_modified"),
    ],
)
def test_precedence(conditions: Conditions, outcome: Outcome) -> None:
    assert evaluate(conditions, ETAG, CHANGED) == outcome
    assert evaluate(conditions, ETAG, CHANGED + 0.9) == outcome


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_dates_are_as_good_as_absent(garbage: str) -> None:
    assert parse_http_date(garbage) is None
    since = Conditions(if_modified_since=garbage, if_unmodified_since=garbage)
    assert evaluate(since, ETAG, CHANGED) == "proceed"
    assert evaluate_document(since, ETAG, CHANGED) == "proceed"
    both = Conditions(if_none_match=ETAG, if_modified_since=garbage)
    assert evaluate_document(both, ETAG, CHANGED) == "not_modified"


def test_dates_are_void_without_a_date_of_the_blob() -> None:
    assert evaluate(Conditions(if_modified_since=at(9)), ETAG, None) == "proceed"
    assert evaluate(Conditions(if_unmodified_since=at(-9)), ETAG, None) == "proceed"


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        (Conditions(), "proceed"),
        (Conditions(if_none_match=f'"{ETAG}"'), "not_modified"),
        (Conditions(if_none_match=ETAG), "not_modified"),
        (Conditions(if_none_match=f'W/"{ETAG}"'), "not_modified"),
        (Conditions(if_none_match=OTHER), "proceed"),
        (Conditions(if_modified_since=at(0)), "not_modified"),
        (Conditions(if_modified_since=at(-1)), "not_modified"),
        (Conditions(if_modified_since=at(-2)), "proceed"),
        (Conditions(if_none_match=ETAG, if_modified_since=at(0)), "not_modified"),
        (Conditions(if_none_match=ETAG, if_modified_since=at(-2)), "proceed"),
        (Conditions(if_none_match=OTHER, if_modified_since=at(0)), "proceed"),
        (Conditions(if_match=OTHER, if_none_match=ETAG), "failed"),
        (Conditions(if_unmodified_since=at(-1)), "failed"),
    ],
)
def test_documents_want_both_to_hold(conditions: Conditions, outcome: Outcome) -> None:
    assert evaluate_document(conditions, ETAG, CHANGED) == outcome


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (None, True),
        (f'"{ETAG}"', True),
        (ETAG, True),
        (f'W/"{ETAG}"', False),
        (f'"{OTHER}"', False),
        (f'"{OTHER}", "{ETAG}"', False),
        ("*", False),
        ("", False),
        (at(0), True),
        (at(1), False),
        (at(-1), False),
        ("yesterday", False),
    ],
)
def test_if_range(header: str | None, holds: bool) -> None:
    assert if_range(header, ETAG, CHANGED + 0.5) is holds


def test_if_range_with_a_date_that_the_blob_lacks() -> None:
    assert not if_range(at(0), ETAG, None)


@pytest.mark.parametrize("header", MATCHING + WEAK)
def test_changes_with_the_present_etag_may_go_on(header: str) -> None:
    require_match(header, ETAG)


@pytest.mark.parametrize("header", [None, "", "  "])
def test_changes_need_an_etag(header: str | None) -> None:
    with pytest.raises(PreconditionMissing, match="If-Match"):
        require_match(header, ETAG)


@pytest.mark.parametrize("header", [text for text in STRANGE if text])
def test_changes_with_a_stale_etag_are_refused(header: str) -> None:
    with pytest.raises(PreconditionFailed, match="etags do not match"):
        require_match(header, ETAG)


def test_conditions_are_picked_out_of_the_headers() -> None:
    headers = {
        "if-match": "1",
        "if-none-match": "2",
        "if-modified-since": "3",
        "if-unmodified-since": "4",
        "range": "bytes=0-1",
    }
    assert Conditions.of(headers) == ("1", "2", "3", "4")
    assert Conditions.of({}) == Conditions()


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " Sun, 06 Nov 1994 08:49:37 GMT\t",
    ],
)
def test_the_three_forms_of_a_date(text: str) -> None:
    assert parse_http_date(text) == 784_111_777


@pytest.mark.parametrize(("year", "full"), [("69", 2069), ("00", 2000), ("70", 1970), ("99", 1999)])
def test_years_of_two_digits(year: str, full: int) -> None:
    expected = parse_http_date(f"Sun, 06 Nov {full} 08:49:37 GMT")
    assert expected is not None
    assert parse_http_date(f"Sunday, 06-Nov-{year} 08:49:37 GMT") == expected


@patient
@given(st.integers(0, 253_402_300_799))
def test_a_date_that_we_write_is_read(seconds: int) -> None:
    text = http_date(seconds)
    assert parse_http_date(text) == seconds
    assert email.utils.parsedate_to_datetime(text).timestamp() == seconds


@settings(deadline=None, max_examples=500)
@given(st.text(), st.text(st.sampled_from('W/"abc*, \t')))
def test_no_header_breaks_it(one: str, two: str) -> None:
    for text in (one, two):
        conditions = Conditions(text, text, text, text)
        assert evaluate(conditions, ETAG, CHANGED) in ("failed", "not_modified")
        assert evaluate_document(conditions, ETAG, CHANGED) in ("failed", "not_modified")
        assert not if_range(text, ETAG, CHANGED)


opaque = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"'))


@patient
@given(st.lists(st.tuples(st.booleans(), opaque), max_size=6), opaque)
def test_lists_of_etags(tags: list[tuple[bool, str]], etag: str) -> None:
    header = ", ".join(f'{"W/" if weak else ""}"{value}"' for weak, value in tags)
    named = any(value == etag for _, value in tags)
    strongly = any(value == etag and not weak for weak, value in tags)
    assert (evaluate(Conditions(if_none_match=header), etag, None) == "not_modified") is named
    assert (evaluate(Conditions(if_match=header), etag, None) == "proceed") is strongly
