"""Playlists of HTTP Live Streaming (RFC 8216), read and written. Pure.

ffmpeg's own lists are not handed on: they are read, and what they must say is written anew.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

_RANGE = re.compile(r"(\d{1,18})@(\d{1,18})")
_MAP = re.compile(r'#EXT-X-MAP:URI="[^"]*",BYTERANGE="(\d{1,18})@(\d{1,18})"')
_LENGTH = re.compile(r"#EXTINF:(\d{1,9}(?:\.\d{1,9})?),.*")


class Segment(NamedTuple):
    """A piece of a stream: how many seconds it lasts, and which bytes of the file it is."""

    seconds: float
    length: int
    offset: int


class Stream(NamedTuple):
    """A file of segments: the bytes that come before all of them, and the segments."""

    head: int
    segments: tuple[Segment, ...]

    @property
    def length(self) -> int:
        """The bytes of the whole file."""
        return max((each.offset + each.length for each in self.segments), default=self.head)

    @property
    def peak(self) -> int:
        """Bits that a second of its busiest segment takes."""
        return max(round(8 * each.length / each.seconds) for each in self.segments)

    @property
    def average(self) -> int:
        """Bits that a second of it takes."""
        seconds = sum(each.seconds for each in self.segments)
        return round(8 * sum(each.length for each in self.segments) / seconds)


class Rendition(NamedTuple):
    """One stream as the master playlist tells of it; `frame_rate` in frames a second."""

    name: str
    stream: Stream
    width: int
    height: int
    codecs: str
    frame_rate: float | None


def read(text: str) -> Stream:
    """What ffmpeg's list says of its one file. Raises ValueError where it is no such list."""
    head = re.search(_MAP, text)
    if head is None or int(head[2]) != 0:
        raise ValueError("the list has no head")
    segments: list[Segment] = []
    seconds: float | None = None
    place: tuple[int, int] | None = None
    for line in text.splitlines():
        if found := _LENGTH.fullmatch(line):
            seconds = float(found[1])
        elif line.startswith("#EXT-X-BYTERANGE:"):
            spelled = _RANGE.fullmatch(line.partition(":")[2])
            place = (int(spelled[1]), int(spelled[2])) if spelled else None
        elif line and not line.startswith("#"):
            if not seconds or place is None:
                raise ValueError("a segment has no length or no place")
            segments.append(Segment(seconds, *place))
            seconds = place = None
    if not segments:
        raise ValueError("the list has no segments")
    return Stream(int(head[1]), tuple(segments))


def media(stream: Stream, file: str) -> str:
    """The playlist of one rendition, whose bytes are all in `file`."""
    longest = math.ceil(max(each.seconds for each in stream.segments))
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, longest)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{file}",BYTERANGE="{stream.head}@0"',
    ]
    for each in stream.segments:
        lines += [
            f"#EXTINF:{each.seconds:.6f},",
            f"#EXT-X-BYTERANGE:{each.length}@{each.offset}",
            file,
        ]
    return "\n".join((*lines, "#EXT-X-ENDLIST", ""))


def master(renditions: Sequence[Rendition]) -> str:
    """The playlist that a player opens: which renditions there are, each in `<name>.m3u8`."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for each in renditions:
        told = [
            f"BANDWIDTH={each.stream.peak}",
            f"AVERAGE-BANDWIDTH={each.stream.average}",
            f"RESOLUTION={each.width}x{each.height}",
            f'CODECS="{each.codecs}"',
        ]
        if each.frame_rate is not None:
            told.append(f"FRAME-RATE={each.frame_rate:.3f}")
        lines += [f"#EXT-X-STREAM-INF:{','.join(told)}", f"{each.name}.m3u8"]
    return "\n".join((*lines, ""))
