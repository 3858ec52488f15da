"""Conditional requests: whether the client's copy is fresh, whether its knowledge is.

RFC 9110, section 13. An etag is handled here as its opaque value, without quotes; ours are all
strong. Old clients send theirs without quotes, so those are understood too. Times are seconds
since the epoch; HTTP knows whole seconds only.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import floor
from typing import Literal, NamedTuple

from cella.errors import PreconditionFailed, PreconditionMissing

Outcome = Literal["proceed", "not_modified", "failed"]
"""Go on, answer 304, or answer 412."""

_ENTITY_TAG = re.compile(r'(W/)?(?:"([^"]*)"|([^",\s]+))[ \t]*(?=,|\Z)')
_SEPARATORS = re.compile(r"[\s,]*")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"\w{3}, (?P<day>\d\d) (?P<month>\w{3}) (?P<year>\d{4}) (?P<time>\d\d:\d\d:\d\d) GMT",
        r"\w{6,9}, (?P<day>\d\d)-(?P<month>\w{3})-(?P<year>\d\d) (?P<time>\d\d:\d\d:\d\d) GMT",
        r"\w{3} (?P<month>\w{3}) (?P<day>[ \d]\d) (?P<time>\d\d:\d\d:\d\d) (?P<year>\d{4})",
    )
)


class Conditions(NamedTuple):
    """The four headers that make a GET or HEAD conditional, as received; None where absent."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Conditions":
        """Pick them out of headers that answer to lower-case names."""
        return cls(
            headers.get("if-match"),
            headers.get("if-none-match"),
            headers.get("if-modified-since"),
            headers.get("if-unmodified-since"),
        )


def evaluate(conditions: Conditions, etag: str, last_modified: float | None) -> Outcome:
    """Judge a GET or HEAD of a blob, in the order of RFC 9110, section 13.2.2.

    `If-None-Match` makes `If-Modified-Since` void. A date that cannot be read is as good as
    absent, and without `last_modified` all are.
    """
    if not _preconditions_hold(conditions, etag, last_modified):
        return "failed"
    if conditions.if_none_match is not None:
        return "not_modified" if _lists(conditions.if_none_match, etag) else "proceed"
    since = _date(conditions.if_modified_since)
    if since is None or last_modified is None or floor(last_modified) > since:
        return "proceed"
    return "not_modified"


def evaluate_document(conditions: Conditions, etag: str, updated: float) -> Outcome:
    """Judge a GET or HEAD of a document as Eve did, whose clients rely on it.

    Unlike `evaluate`, where both `If-None-Match` and `If-Modified-Since` came both must hold
    for a 304, and a copy is fresh up to one second after its date.
    """
    if not _preconditions_hold(conditions, etag, updated):
        return "failed"
    fresh: list[bool] = []
    if conditions.if_none_match is not None:
        fresh.append(_lists(conditions.if_none_match, etag))
    since = _date(conditions.if_modified_since)
    if since is not None:
        fresh.append(floor(updated) <= since + 1)
    return "not_modified" if fresh and all(fresh) else "proceed"


def if_range(header: str | None, etag: str, last_modified: float | None) -> bool:
    """Whether a `Range` may be honoured: there is no `If-Range`, or it names this very state.

    RFC 9110, section 13.1.5: one strong etag, or exactly the date in `Last-Modified`.
    """
    if header is None:
        return True
    date = _date(header)
    if date is not None:
        return last_modified is not None and floor(last_modified) == date
    tags = _entity_tags(header)
    return len(tags) == 1 and tags[0] == (False, etag)


def require_match(if_match: str | None, current_etag: str) -> None:
    """Make sure that who changes a document knows its present state.

    Takes quoted, bare and weak etags, lists of them, and `*`. Raises `PreconditionMissing` or
    `PreconditionFailed`.
    """
    if if_match is None or not if_match.strip():
        raise PreconditionMissing(
            "Send the document's _etag in the header If-Match to change or delete it."
        )
    if not _lists(if_match, current_etag):
        raise PreconditionFailed(
            "The document was changed since it was read: the etags do not match. "
            "Read it again, then repeat the change."
        )


def parse_http_date(text: str) -> float | None:
    """Seconds since the epoch of an HTTP-date in any of its three forms, else None.

    RFC 9110, section 5.6.7. The name of the day is not checked; a year of two digits is one of
    1970 to 2069.
    """
    for form in _DATES:
        match = form.fullmatch(text.strip(" \t"))
        if match is not None:
            return _instant(match["year"], match["month"], match["day"], match["time"])
    return None


def _instant(year_text: str, month: str, day: str, time: str) -> float | None:
    year = int(year_text)
    if len(year_text) == 2:
        year += 1900 if year >= 70 else 2000
    hour, minute, second = map(int, time.split(":"))
    if month not in _MONTHS:
        return None
    try:
        return datetime(
            year, _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC
        ).timestamp()
    except ValueError:
        return None


def _preconditions_hold(conditions: Conditions, etag: str, last_modified: float | None) -> bool:
    if conditions.if_match is not None:
        return _lists(conditions.if_match, etag, strong=True)
    unmodified_since = _date(conditions.if_unmodified_since)
    if unmodified_since is None or last_modified is None:
        return True
    return floor(last_modified) <= unmodified_since


def _date(header: str | None) -> float | None:
    return None if header is None else parse_http_date(header)


def _lists(header: str, etag: str, *, strong: bool = False) -> bool:
    """Whether the list names the etag, or is `*`, which names any."""
    if header.strip() == "*":
        return True
    return any(value == etag and not (weak and strong) for weak, value in _entity_tags(header))


def _entity_tags(header: str) -> list[tuple[bool, str]]:
    """The etags of a list as (weak, opaque value); what is not one is passed over."""
    tags: list[tuple[bool, str]] = []
    at = 0
    while at < len(header):
        at = _end(_SEPARATORS.match(header, at), at)
        match = _ENTITY_TAG.match(header, at)
        if match is None:
            at = header.find(",", at) + 1 or len(header)
            continue
        weak, quoted, bare = match.groups()
        tags.append((weak is not None, bare if quoted is None else quoted))
        at = match.end()
    return tags


def _end(match: re.Match[str] | None, otherwise: int) -> int:
    return otherwise if match is None else match.end()
