"""What Zencoder says of a job: in a notification, and when it is asked. Pure.

Both are read into one `Told`. Names differ: a notification has `input` and `outputs` (or one
`output`), a job that was asked for has `input_media_file` and `output_media_files`, and calls
the length `file_size_bytes`. https://support.brightcove.com/zencoder-api-jobs
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any

import msgspec

from cella.errors import BadRequest

_FORMATS = {"mpeg4": "mp4"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORD = re.compile(r"[a-z0-9]{1,12}")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_STATE = re.compile(r"[a-z_ ]{1,32}")
_MOST_OUTPUTS = 64
_LONGEST_URL = 4096
_LONGEST_REASON = 300

_Side = Annotated[int, msgspec.Meta(ge=0, le=1 << 16)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class Output(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One film that came of a job; None, or empty, is what was not told.

    `format` is as documents have it, empty where it came to none, `url` where it was put, `md5` in
    lower-case hex, and `error` what went wrong with it, in Zencoder's words.
    """

    format: str
    width: int | None = None
    height: int | None = None
    length: int | None = None
    md5: str = ""
    url: str = ""
    error: str = ""


class Told(msgspec.Struct, kw_only=True, frozen=True):
    """What has become of a job. `milliseconds` is how long the source lasts, None if unknown."""

    job_id: str
    state: str
    outputs: tuple[Output, ...] = ()
    milliseconds: int | None = None
    error: str = ""

    @property
    def reason(self) -> str:
        """What went wrong, in Zencoder's words, or nothing."""
        return self.error or next((output.error for output in self.outputs if output.error), "")


class _Job(msgspec.Struct, frozen=True):
    id: int | str
    state: str


class _Numbers(msgspec.Struct, frozen=True):
    width: _Side | None = None
    height: _Side | None = None
    file_size_in_bytes: _Number | None = None
    file_size_bytes: _Number | None = None
    md5_checksum: str | None = None
    url: str | None = None
    state: str | None = None


class _Input(msgspec.Struct, frozen=True):
    duration_in_ms: _Number | None = None


def read_notification(document: Mapping[str, Any]) -> Told:
    """What a notification says. Raises `BadRequest` where it is none."""
    outputs = document.get("outputs")
    if outputs is None and "output" in document:
        outputs = [document["output"]]
    return _told(document.get("job"), document.get("input"), outputs)


def read_job(document: Mapping[str, Any]) -> Told:
    """What the state of a job says that was asked for. Raises `BadRequest` where it is none."""
    job = document.get("job")
    if not isinstance(job, dict):
        raise BadRequest("There is no job in it.")
    return _told(job, job.get("input_media_file"), job.get("output_media_files"))


def read_id(value: int | str) -> str:
    """The id of a job as text. Raises `BadRequest` where it is none that Zencoder would give."""
    text = str(value)
    if _ID.fullmatch(text) is None:
        raise BadRequest("The id of the job is not a number, nor letters and digits.")
    return text


def _told(job: object, source: object, outputs: object) -> Told:
    try:
        known = msgspec.convert(job, _Job)
        milliseconds = msgspec.convert(source or {}, _Input).duration_in_ms
        films = msgspec.convert(outputs or [], list[dict[str, Any]])
        read = tuple(_outputs(films[:_MOST_OUTPUTS]))
    except msgspec.ValidationError as error:
        raise BadRequest(f"This says nothing of a job of Zencoder: {error}.") from None
    if _STATE.fullmatch(known.state) is None:
        raise BadRequest("The state of the job is not a word.")
    return Told(
        job_id=read_id(known.id),
        state=known.state,
        outputs=read,
        milliseconds=milliseconds,
        error=_error((job, source)),
    )


def _outputs(films: Sequence[dict[str, Any]]) -> Iterator[Output]:
    for film in films:
        numbers = msgspec.convert(film, _Numbers)
        md5, url = numbers.md5_checksum or "", numbers.url or ""
        error = _error((film,))
        if numbers.state in ("failed", "cancelled"):
            error = error or f"the output is {numbers.state}"
        kind = film.get("format")
        if not isinstance(kind, str) or _WORD.fullmatch(kind) is None:
            kind = ""
        yield Output(
            format=_FORMATS.get(kind, kind),
            width=numbers.width,
            height=numbers.height,
            length=(
                numbers.file_size_bytes
                if numbers.file_size_in_bytes is None
                else numbers.file_size_in_bytes
            ),
            md5=md5.lower() if _MD5.fullmatch(md5) else "",
            url=url if len(url) <= _LONGEST_URL else "",
            error=error,
        )


def _error(parts: Sequence[object]) -> str:
    """What members say whose names speak of an error, a message before a class; as one line."""
    told = [
        ("message" not in name, value)
        for part in parts
        if isinstance(part, dict)
        for name, value in part.items()
        if "error" in name and "link" not in name and isinstance(value, str) and value.strip()
    ]
    return plain_line(min(told, key=itemgetter(0))[1]).rstrip(".") if told else ""


def plain_line(text: str) -> str:
    """Foreign text as one line of printable characters that is not too long to show."""
    line = " ".join(text[: 2 * _LONGEST_REASON].split())
    return "".join(sign for sign in line if sign.isprintable())[:_LONGEST_REASON]
