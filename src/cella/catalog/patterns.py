"""Regular expressions of strangers: read, judged, and written again so that all engines agree.

`$regex` is Perl's language to MongoDB. What is taken here is the part that a finite automaton
can decide and that means the same to PostgreSQL and to RE2, which SQLite is given
(`cella.db.patterns`): characters, escapes, `.`, classes, `^` and `$`, groups, alternatives and
`* + ? {m,n}`. It is parsed here and written out in the words that both engines have in common,
with letter case, `.` and `\\d \\w \\s` spelled out. Both take time linear in the text; how much
of it, `cost` bounds.

Refused, each with its reason: back references, look-around, word boundaries, inline flags,
repetitions inside of repetitions such as `(a+)+`, and what is too long or repeats too often.

Where dialects differ: `.` and negated classes follow Perl (`.` leaves out the line feed unless
`s`, `[^a]` does not), `$` is the very end, `\\d \\w \\s` are ASCII, and with `i` a letter also
stands for its other case where that is one character.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, NoReturn

from cella.errors import BadRequest

MAX_LENGTH = 256
"""Characters of one pattern."""

MAX_COST = 200
"""Characters that a pattern may ask for, repetitions counted as often as they repeat at most.

A class counts as one more for every eight ranges in it.
"""

_MAX_REPEAT = 100
_MAX_DEPTH = 8
_MAX_FOLDED = 512
_RANGES_AS_ONE = 8
_LAST = 0x10FFFF
_OPTIONS = frozenset("imsx")
_SPECIAL = frozenset("\\^$.|?*+()[]{}")
_SPECIAL_IN_CLASS = frozenset("\\]^-[")
_BOUNDS = re.compile(r"\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\}")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|x\{([0-9A-Fa-f]{1,6})\}")
_COMMENT = re.compile(r"(?:\s+|#[^\n]*)+")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_WORDS = re.compile(r"[0-9A-Za-z\x80-\U0010ffff]+")
_NO_WORD = r"[^0-9A-Za-z" + "\x80-\U0010ffff]"

_Range = tuple[int, int]

_CLASSES: dict[str, tuple[_Range, ...]] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0D), (0x20, 0x20)),
}


class Pattern(NamedTuple):
    """A pattern that every engine takes. What it matches begins with `prefix`."""

    source: str
    prefix: str
    cost: int


def read_pattern(text: str, options: str = "") -> Pattern:
    """The pattern as it is handed to an engine; raises `BadRequest`, telling what is wrong."""
    if len(text) > MAX_LENGTH:
        _refuse(f"it is longer than {MAX_LENGTH} characters")
    if not _OPTIONS.issuperset(options):
        raise BadRequest("`where` knows the $options i, m, s and x of $regex.")
    reader = _Reader(text, frozenset(options))
    alternatives = reader.alternatives(0)
    if not reader.at_end():
        _refuse("it closes a group that was not opened; write \\) for the character")
    cost = _cost(alternatives)
    if cost > MAX_COST:
        _refuse(f"it asks for {cost} characters with its repetitions, and may for {MAX_COST}")
    return Pattern(_written(alternatives), _prefix(alternatives), cost)


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, and of all beyond ASCII."""
    return _WORDS.findall(text)


def read_phrases(phrases: Iterable[Iterable[str]], *, ignore_case: bool) -> Pattern:
    """A pattern for any of the phrases: words in a row, whatever stands between them."""

    def written(word: str) -> str:
        return "".join(_character(letter, ignore_case=ignore_case).source for letter in word)

    either = "|".join(f"{_NO_WORD}+".join(map(written, phrase)) for phrase in phrases)
    source = f"(?:^|{_NO_WORD})(?:{either})(?:{_NO_WORD}|$)"
    return Pattern(source, "", len(source))


class _Piece(NamedTuple):
    """A part of a pattern that can be repeated as it stands.

    `literal` is the character that it is, if it is no more than that. `repeats` tells whether
    something in it may come several times.
    """

    source: str
    cost: int = 1
    literal: str = ""
    repeats: bool = False
    is_anchor: bool = False


_Alternatives = list[list[_Piece]]


class _Reader:
    """A recursive descent over the text of a pattern."""

    def __init__(self, text: str, options: frozenset[str]) -> None:
        self._text = text
        self._options = options
        self._at = 0
        self._folded = 0

    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def alternatives(self, depth: int) -> _Alternatives:
        if depth > _MAX_DEPTH:
            _refuse(f"its groups are nested deeper than {_MAX_DEPTH}")
        branches: _Alternatives = [[]]
        while not self.at_end() and self._here() != ")":
            if self._skip("|"):
                branches.append([])
            elif not self._skip_comment():
                branches[-1].append(self._repeated(self._atom(depth)))
        return branches

    def _atom(self, depth: int) -> _Piece:
        character = self._next()
        match character:
            case "(":
                return self._group(depth)
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case ".":
                return _Piece("(?:\n|[^\n])" if "s" in self._options else "[^\n]")
            case "^" | "$":
                if "m" in self._options:
                    _refuse(f"{character} cannot mean a line: leave out the option m")
                return _Piece(character, 0, is_anchor=True)
            case "*" | "+" | "?":
                _refuse(f"there is nothing before {character} to repeat")
            case "{":
                _refuse("{ begins no repetition such as {2,3} here; write \\{ for the character")
        return self._literal(character)

    def _group(self, depth: int) -> _Piece:
        if self._skip("?") and not self._skip(":"):
            _refuse(
                "groups that begin with (? are not taken, such as look-around, names and inline "
                "flags; there is (?:…), and flags go into $options"
            )
        inner = self.alternatives(depth + 1)
        if not self._skip(")"):
            _refuse("a group is not closed")
        repeats = any(piece.repeats for branch in inner for piece in branch)
        return _Piece(f"(?:{_written(inner)})", _cost(inner), repeats=repeats)

    def _repeated(self, piece: _Piece) -> _Piece:
        bounds = self._bounds()
        if bounds is None:
            return piece
        least, most, written = bounds
        if piece.is_anchor:
            _refuse(f"there is nothing before {written} to repeat")
        # Whether it prefers less changes where a match ends, not whether there is one.
        self._skip("?")
        if not self.at_end() and self._here() in "*+?":
            _refuse(f"{written} is followed by another repetition")
        if self._bounds() is not None:
            _refuse(f"{written} is followed by another repetition")
        is_repetition = most is None or most > 1
        if is_repetition and piece.repeats:
            _refuse(f"a group that repeats something is itself repeated by {written}")
        cost = piece.cost * (max(least, 1) if most is None else most)
        return _Piece(piece.source + written, cost, repeats=piece.repeats or is_repetition)

    def _bounds(self) -> tuple[int, int | None, str] | None:
        """The repetition that stands here: least, most, and how it is written."""
        for sign, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._skip(sign):
                return least, most, sign
        found = _BOUNDS.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        lowest = int(found[1])
        highest = None if found[2] and not found[3] else int(found[3] or found[1])
        if max(lowest, highest or 0) > _MAX_REPEAT:
            _refuse(f"{found[0]} repeats more than {_MAX_REPEAT} times")
        if highest is not None and lowest > highest:
            _refuse(f"{found[0]} has its bounds in the wrong order")
        return lowest, highest, found[0]

    def _escape(self) -> _Piece:
        read = self._escaped()
        if isinstance(read, str):
            return self._literal(read)
        return _Piece(_class(read))

    def _escaped(self) -> str | list[_Range]:
        """What an escape stands for, its backslash being read: a character, or a class."""
        if self.at_end():
            _refuse("it ends with a backslash")
        found = _HEX.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
            return _by_number(int(found[1] or found[2] or found[3], 16))
        character = self._next()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character in _CLASSES:
            return list(_CLASSES[character])
        if character.lower() in _CLASSES:
            return list(_complement(_CLASSES[character.lower()]))
        if character.isascii() and character.isdigit():
            _refuse(f"back references such as \\{character} are not taken")
        if character.isascii() and character.isalpha():
            _refuse(f"\\{character} is not known")
        return character

    def _class(self) -> _Piece:
        negated = self._skip("^")
        ranges: list[_Range] = []
        first = True
        while first or not self._skip("]"):
            if self.at_end():
                _refuse("a class is not closed by ]")
            ranges += self._range()
            first = False
        joined = _joined(ranges)
        return _Piece(_class(joined, negated=negated), 1 + len(joined) // _RANGES_AS_ONE)

    def _range(self) -> list[_Range]:
        """One item of a class: a character, a range of them, or a class by its escape."""
        low = self._item()
        is_range = self._text.startswith("-", self._at) and not self._text.startswith(
            "-]", self._at
        )
        if not is_range:
            return self._in_both_cases(low, low) if isinstance(low, str) else low
        self._at += 1
        if self.at_end():
            _refuse("a class is not closed by ]")
        high = self._item()
        if not isinstance(low, str) or not isinstance(high, str) or low > high:
            _refuse("a range in a class does not go from a lower character to a higher one")
        return self._in_both_cases(low, high)

    def _in_both_cases(self, low: str, high: str) -> list[_Range]:
        codes = range(ord(low), ord(high) + 1)
        found = [(codes[0], codes[-1])]
        if "i" not in self._options:
            return found
        self._folded += len(codes)
        if self._folded > _MAX_FOLDED:
            _refuse(f"ranges of more than {_MAX_FOLDED} characters do not go with the option i")
        cases = {ord(case) for code in codes for case in _cases(chr(code))}
        return found + [(case, case) for case in cases.difference(codes)]

    def _item(self) -> str | list[_Range]:
        character = self._next()
        if character == "[" and not self.at_end() and self._here() in ":.=":
            _refuse("classes with names such as [:alpha:] are not taken; write a-zA-Z")
        return self._escaped() if character == "\\" else _storable(character)

    def _literal(self, character: str) -> _Piece:
        return _character(_storable(character), ignore_case="i" in self._options)

    def _skip_comment(self) -> bool:
        found = _COMMENT.match(self._text, self._at) if "x" in self._options else None
        if found is None:
            return False
        self._at = found.end()
        return True

    def _here(self) -> str:
        return self._text[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _skip(self, wanted: str) -> bool:
        if not self._text.startswith(wanted, self._at):
            return False
        self._at += len(wanted)
        return True


def _character(character: str, *, ignore_case: bool) -> _Piece:
    cases = _cases(character) if ignore_case else {character}
    if len(cases) > 1:
        ranges = [(ord(each), ord(each)) for each in cases]
        return _Piece(_class(ranges))
    written = f"\\{character}" if character in _SPECIAL else character
    return _Piece(written, literal=character)


def _cases(character: str) -> set[str]:
    """The character in both cases, as far as they are single characters."""
    found = {character}
    for _ in range(2):
        found |= {other for each in found for other in (each.lower(), each.upper())}
    return {each for each in found if len(each) == 1}


def _class(ranges: Iterable[_Range], *, negated: bool = False) -> str:
    written = "".join(
        _in_class(low) if low == high else f"{_in_class(low)}-{_in_class(high)}"
        for low, high in sorted(set(ranges))
    )
    return f"[{'^' if negated else ''}{written}]"


def _joined(ranges: Iterable[_Range]) -> list[_Range]:
    """The same characters in as few ranges as can be, in order."""
    joined: list[_Range] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _in_class(code: int) -> str:
    character = chr(code)
    return f"\\{character}" if character in _SPECIAL_IN_CLASS else character


def _complement(ranges: Iterable[_Range]) -> Iterator[_Range]:
    """All characters that are in none of the ranges, which are in order."""
    begin = 1
    for low, high in ranges:
        if begin < low:
            yield begin, low - 1
        begin = high + 1
    yield begin, _LAST


def _by_number(code: int) -> str:
    if code > _LAST:
        _refuse(f"there is no character {code:x}")
    return _storable(chr(code))


def _storable(character: str) -> str:
    if character == "\0" or "\ud800" <= character <= "\udfff":
        _refuse("no text holds U+0000 or a half of a surrogate pair")
    return character


def _cost(alternatives: _Alternatives) -> int:
    return sum(piece.cost for branch in alternatives for piece in branch)


def _written(alternatives: _Alternatives) -> str:
    return "|".join("".join(piece.source for piece in branch) for branch in alternatives)


def _prefix(alternatives: _Alternatives) -> str:
    """What every match begins with, where the pattern is bound to the beginning."""
    first, *others = alternatives
    if others or not first or first[0].source != "^":
        return ""
    prefix = ""
    for piece in first[1:]:
        # Nothing comes after texts that begin with the very last character.
        if not piece.literal or piece.literal == chr(_LAST):
            break
        prefix += piece.literal
    return prefix


def _refuse(why: str) -> NoReturn:
    raise BadRequest(f"`where` does not take this $regex: {why}.")
