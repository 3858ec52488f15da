"""Values in documents of MongoDB, taken as far as they make sense.

A getter gives what is usable, and notes what was not. Strings lose what no database here can
keep; numbers are whole, whether they came as int32, int64 or double; dates are whole seconds.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import bson
from bson import DatetimeMS, ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion

from cella.clock import http_date
from cella.ids import is_id
from cella.names import readable

LARGEST = (1 << 53) - 1
"""The largest number that is taken: what JSON holds exactly (RFC 8259, section 6)."""

_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_DEEPEST = 20
_LAST_SECOND = 253402300799  # the year 9999


class Unusable(Exception):
    """A document that cannot be taken; the message is the reason."""


def decoded(raw: bytes) -> dict[str, Any]:
    """What the bytes of a document hold; raises `ValueError` where they are damaged."""
    try:
        return bson.decode(raw, _OPTIONS)
    except (bson.errors.BSONError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None


class Values:
    """The values of a document, or of one inside it; `notes` are shared with the outer one."""

    def __init__(
        self, values: Mapping[str, Any], notes: list[str] | None = None, inside: str = ""
    ) -> None:
        self._values = values
        self._inside = inside
        self.notes: list[str] = [] if notes is None else notes

    def id(self, name: str) -> str | None:
        """An ObjectId, or the same as text; None where there is none."""
        value = self._values.get(name)
        found = as_id(value)
        if found is None and value is not None:
            self._note(name, "is no id")
        return found

    def line(self, name: str, longest: int) -> str | None:
        """A text without control characters, at most so long; None where there is none."""
        text = self._text(name)
        return None if text is None else self._cut(name, readable(text), longest)

    def text(self, name: str, longest: int) -> str | None:
        """A text of one or more lines, at most so long; None where there is none."""
        text = self._text(name)
        return None if text is None else self._cut(name, _UNSTORABLE.sub("", text), longest)

    def number(self, name: str) -> int | None:
        """A whole number from 0 to `LARGEST`; None where there is none."""
        value = self._values.get(name)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not 0 <= value <= LARGEST:
            self._note(name, "is no number that makes sense")
            return None
        return int(value)

    def is_true(self, name: str) -> bool:
        """Whether the value is true; numbers that are not 0 are."""
        return self._values.get(name) in (True, 1)

    def seconds(self, name: str) -> int | None:
        """A date, in whole seconds since the epoch; None where there is none, or null."""
        value = self._values.get(name)
        if value is None:
            return None
        seconds = int(value) // 1000 if isinstance(value, DatetimeMS) else -1
        if not 0 <= seconds <= _LAST_SECOND:
            self._note(name, "is no date that makes sense")
            return None
        return seconds

    def inner(self, name: str) -> "Values | None":
        """A document inside; None where there is none."""
        value = self._values.get(name)
        if isinstance(value, dict):
            return Values(value, self.notes, f"{self._inside}{name}.")
        if value is not None:
            self._note(name, "is no document")
        return None

    def items(self, name: str) -> Iterator["Values"]:
        """The documents in a list; what is none in it is left out."""
        for value in self._list(name):
            if isinstance(value, dict):
                yield Values(value, self.notes, f"{self._inside}{name}.")
            else:
                self._note(name, "has something in it that is no document")

    def ids(self, name: str) -> tuple[str, ...]:
        """The ids in a list, each once; what is none in it is left out."""
        found = [as_id(value) for value in self._list(name)]
        if None in found:
            self._note(name, "has something in it that is no id")
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def words(self, name: str, longest: int = 64) -> tuple[str, ...]:
        """The texts in a list, each once; what is none in it, or too long, is left out."""
        found = self._list(name)
        words = [each for each in found if isinstance(each, str) and 0 < len(each) <= longest]
        if len(words) < len(found):
            self._note(name, "has something in it that is no word")
        return tuple(dict.fromkeys(map(readable, words)))

    def plain(self, name: str) -> dict[str, Any]:
        """A document inside as JSON has it; empty where there is none."""
        inside = self.inner(name)
        return {} if inside is None else _as_json(inside._values, _DEEPEST)

    def note(self, what: str) -> None:
        """Note something that was odd; the same is noted once."""
        if what not in self.notes:
            self.notes.append(what)

    def _text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            self._note(name, "is no text")
            return None
        return value

    def _cut(self, name: str, text: str, longest: int) -> str:
        if len(text) > longest:
            self._note(name, f"was longer than {longest} characters, and was cut")
        return text[:longest]

    def _list(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._note(name, "is no list")
            return []
        return value

    def _note(self, name: str, what: str) -> None:
        self.note(f"{self._inside}{name} {what}")


def as_id(value: object) -> str | None:
    """An id as it is written here; None where it is none."""
    if isinstance(value, ObjectId):
        return str(value)
    return value if isinstance(value, str) and is_id(value) else None


def _as_json(value: Any, depth: int) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return _UNSTORABLE.sub("", value)
        case int():
            return int(value) if abs(value) <= LARGEST else str(int(value))
        case float():
            return value if math.isfinite(value) else None
        case DatetimeMS():
            seconds = int(value) // 1000
            return http_date(seconds) if 0 <= seconds <= _LAST_SECOND else None
        case dict() if depth:
            return {
                _UNSTORABLE.sub("", name): _as_json(each, depth - 1) for name, each in value.items()
            }
        case list() if depth:
            return [_as_json(each, depth - 1) for each in value]
        case ObjectId():
            return str(value)
        case _:
            return None
