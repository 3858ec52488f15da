"""Looks into films and sounds by FFmpeg's libraries. Runs in a child of the sandbox, never
elsewhere.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cella.errors import CannotDecode, OverLimit
from cella.media import containers
from cella.media.boxes import is_boxed, lacks_index
from cella.media.describe import describe
from cella.media.film import (
    FASTEST,
    LONGEST_SECONDS,
    LONGEST_SIDE,
    MOST_CHANNELS,
    MOST_HERTZ,
    Picture,
    Probe,
    Sound,
)
from cella.media.reasons import NO_INDEX
from cella.media.sniff import HEAD, sniff
from cella.model.media import Hdr

_SAMPLE = 300
"""Packets that are looked at to see whether all frames last equally long."""

_GLITCHES = 2
_MOST_PACKETS = 5_000_000
_MOST_BYTES = 1 << 30
"""Of a longer file without an index nobody counts the frames: it would have to be read whole."""

_MOST_UNDECODABLE = 250
_TICK = Fraction(1, 900)
"""A little more than the millisecond that Matroska rounds times to."""

_USUAL_RATES = tuple(
    rate
    for whole in (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
)
_NEAR = Fraction(1, 4000)

_HDR: dict[int, Hdr] = {16: "pq", 18: "hlg"}
"""Transfer characteristics of ITU-T H.273."""

_MATRICES: dict[int, Literal["bt709", "bt601", "bt2020", "rgb"]] = {
    0: "rgb",
    1: "bt709",
    4: "bt601",
    5: "bt601",
    6: "bt601",
    9: "bt2020",
    10: "bt2020",
}
"""Matrix coefficients of the same."""

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_HIGH_DEFINITION = 720
"""Lines from which on a picture that does not say otherwise is taken for BT.709."""


class _Times(NamedTuple):
    """When frames begin as far as was looked, in order, and how many packets were counted.

    `counted` is None where the end was not reached; `end` is in seconds.
    """

    begin: Sequence[Fraction]
    counted: int | None
    end: Fraction


@contextmanager
def opened(source: Path) -> Iterator[InputContainer]:
    """The file, opened by none but our demuxers.

    Raises `CannotDecode` in plain words where it cannot be opened or, inside the block, where
    it cannot be read on.
    """
    with source.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise CannotDecode("This file is empty.")
    try:
        with av.open(f"file:{source.absolute()}", options=containers.OPTIONS) as container:
            yield container
    except MemoryError:
        raise
    except (av.error.FFmpegError, UnicodeError) as error:
        raise CannotDecode(_refusal(source, head)) from error


def _refusal(source: Path, head: bytes) -> str:
    """Why a file that begins with `head` cannot be opened, as well as we can tell."""
    media_type = sniff(head) or ""
    # Pictures that are made of such boxes have none of this name.
    if media_type.startswith(("video/", "audio/")) and is_boxed(head):
        with source.open("rb") as file:
            if lacks_index(file, source.stat().st_size):
                return NO_INDEX
    return f"This file is no film or sound that we can read, or is broken: {describe(head)}."


def examine(source: Path, max_pixels: int) -> Probe:
    """What the file is made of.

    Raises `CannotDecode` where it is no film or sound, or broken, and `OverLimit` where it
    claims more pixels than `max_pixels` or to last for longer than a week.
    """
    with opened(source) as container:
        video, sound = _video_track(container), find_sound(container)
        if video is None and sound is None:
            raise CannotDecode(
                "There is neither a picture nor a sound in this file that we can decode."
            )
        seconds = _claimed_seconds(container)
        picture = None
        if video is not None:
            picture = _picture(container, video, source.stat().st_size, max_pixels, seconds)
            seconds = seconds or picture.seconds
        return Probe(
            container=container.format.name,
            seconds=seconds,
            picture=picture,
            sound=sound,
            audio_tracks=len(container.streams.audio),
        )


def _video_track(container: InputContainer) -> VideoStream | None:
    """The first track of moving pictures; the cover of a record is none."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    tracks = [
        track
        for track in container.streams.video
        if not track.disposition & covers and track.codec_context is not None
    ]
    chosen = [track for track in tracks if track.disposition & Disposition.default]
    return next(iter(chosen or tracks), None)


def find_sound(container: InputContainer) -> Sound | None:
    """The track that is heard unless another is chosen."""
    tracks = [track for track in container.streams.audio if track.codec_context is not None]
    chosen = [track for track in tracks if track.disposition & Disposition.default]
    for track in (*chosen, *tracks):
        context = track.codec_context
        if 0 < context.channels <= MOST_CHANNELS and 0 < context.sample_rate <= MOST_HERTZ:
            return Sound(
                index=track.index,
                codec=context.codec.canonical_name,
                channels=context.channels,
                sample_rate=context.sample_rate,
            )
    return None


def _claimed_seconds(container: InputContainer) -> float:
    """How long the container says that it lasts; 0 where it says nothing sensible."""
    claims = [Fraction(container.duration or 0, av.time_base)]
    claims += [
        track.duration * track.time_base
        for track in container.streams
        if track.duration and track.time_base and track.type in ("video", "audio")
    ]
    seconds = float(claims[0] if claims[0] > 0 else max(claims))
    if seconds > LONGEST_SECONDS:
        raise OverLimit(
            f"This file claims to last {seconds / 3600:.0f} hours; "
            f"no more than {LONGEST_SECONDS / 3600:.0f} are taken."
        )
    return max(0.0, seconds)


def _picture(
    container: InputContainer, track: VideoStream, length: int, max_pixels: int, claimed: float
) -> Picture:
    context = track.codec_context
    if context.width * context.height > max_pixels:
        raise OverLimit(
            f"This film has {context.width} × {context.height} pixels; "
            f"at most {max_pixels} are taken."
        )
    for other in container.streams:
        other.discard = Discard.default if other is track else Discard.all
    context.thread_count = 1
    context.options = {"max_pixels": str(max_pixels)}
    frame, times = _read(container, track, length)
    rotation = round(-frame.rotation / 90) * 90 % 360
    width, height = _displayed(frame, track.sample_aspect_ratio, rotation)
    variable = _is_variable(times.begin)
    return Picture(
        index=track.index,
        codec=context.codec.canonical_name,
        width=width,
        height=height,
        rotation=_right_angle(rotation),
        time_base=_spelled(track.time_base or Fraction(1, 90000)),
        frame_rate=_frame_rate(track, times, variable),
        variable=variable,
        frames=_frames(track, times),
        interlaced=frame.interlaced_frame,
        hdr=_HDR.get(frame.color_trc),
        matrix=_matrix(frame),
        full_range=frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj"),
        codec_tag=_codec_tag(context.name, context.extradata),
        seconds=_seconds(track, times, claimed),
    )


def _seconds(track: VideoStream, times: _Times, claimed: float) -> float:
    """How long the track lasts: as it says, else as was seen, else as the whole file does."""
    if track.duration and track.duration > 0 and track.time_base:
        seconds = float(track.duration * track.time_base)
    else:
        seconds = float(times.end) if times.counted is not None else claimed
    return min(max(0.0, seconds), LONGEST_SECONDS)


def _right_angle(degrees: int) -> Literal[0, 90, 180, 270]:
    match degrees:
        case 90 | 180 | 270:
            return degrees
        case _:
            return 0


def _read(container: InputContainer, track: VideoStream, length: int) -> tuple[VideoFrame, _Times]:
    """The first picture, and the times of the first few, or of all where nobody counted them."""
    base = track.time_base or Fraction(1, 90000)
    wanted = math.inf if not _claimed_frames(track) and length <= _MOST_BYTES else _SAMPLE
    frame: VideoFrame | None = None
    begin: list[Fraction] = []
    first = end = None
    packets = 0
    whole = True
    for packet in container.demux(track):
        if frame is None:
            with suppress(av.error.InvalidDataError, av.error.PatchWelcomeError):
                frame = next(iter(packet.decode()), None)
        if packet.size and not packet.is_discard:
            packets += 1
            at = packet.pts if packet.pts is not None else packet.dts
            if at is not None:
                if len(begin) < _SAMPLE:
                    begin.append(at * base)
                after = (at + (packet.duration or 0)) * base
                first = at * base if first is None else min(first, at * base)
                end = after if end is None else max(end, after)
        if packets >= min(wanted, _MOST_PACKETS) and frame is not None:
            whole = False
            break
        if frame is None and packets > _MOST_UNDECODABLE:
            break
    if frame is None:
        raise CannotDecode("This film is broken: none of its pictures can be decoded.")
    lasts = Fraction(0) if end is None or first is None else end - first
    return frame, _Times(sorted(begin), packets if whole else None, lasts)


def _claimed_frames(track: VideoStream) -> int:
    """How many frames the container says it has; 0 where it does not say.

    Those that an edit list cuts off do not count; the index of QuickTime files leaves them out
    or marks them.
    """
    index = track.index_entries
    if track.frames > 0 and len(index) == track.frames <= _MOST_PACKETS:
        return sum(not entry.is_discard for entry in index)
    return 0


def _frames(track: VideoStream, times: _Times) -> int | None:
    return times.counted if times.counted is not None else _claimed_frames(track) or None


def _displayed(frame: VideoFrame, aspect: Fraction | None, rotation: int) -> tuple[int, int]:
    """Width and height as they are displayed: pixels made square, then turned.

    What is narrow is widened rather than cut down, so that no line is lost. Raises `OverLimit`
    where that makes a side longer than any.
    """
    width, height = Fraction(frame.width), Fraction(frame.height)
    if aspect is not None and Fraction(1, 20) < aspect < 20:
        if aspect > 1:
            width *= aspect
        else:
            height /= aspect
    sides = (max(1, round(width)), max(1, round(height)))
    if max(sides) > LONGEST_SIDE:
        raise OverLimit(f"This film wants to be displayed at {sides[0]} × {sides[1]} pixels.")
    return (sides[1], sides[0]) if rotation % 180 else sides


def _is_variable(begin: Sequence[Fraction]) -> bool:
    """Whether frames last differently, by more than rounding of their times explains."""
    lasting = [later - earlier for earlier, later in pairwise(begin)]
    if len(lasting) < 2:
        return False
    usual = statistics.median(lasting)
    odd = sum(abs(each - usual) > _TICK + usual / 50 for each in lasting)
    return odd > max(_GLITCHES, len(lasting) // 20)


def _frame_rate(track: VideoStream, times: _Times, variable: bool) -> str | None:
    """Frames a second, as the fraction that was meant."""
    rates = [track.guessed_rate, track.average_rate, track.base_rate]
    if variable:
        rates = [track.average_rate, _average(times.begin)]
    elif len(times.begin) > 2:
        measured = _average(times.begin)
        near = [rate for rate in rates if rate and measured and abs(rate / measured - 1) < 0.01]
        rates = [*near, measured]
    for rate in rates:
        if rate is not None and 0 < rate <= FASTEST:
            usual = min(_USUAL_RATES, key=lambda known: abs(known / rate - 1))
            close = not variable and abs(usual / rate - 1) < _NEAR
            return _spelled(usual if close else rate.limit_denominator(100_000))
    return None


def _average(begin: Sequence[Fraction]) -> Fraction | None:
    lasting = begin[-1] - begin[0] if begin else Fraction(0)
    return (len(begin) - 1) / lasting if lasting > 0 else None


def _spelled(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


def _matrix(frame: VideoFrame) -> Literal["bt709", "bt601", "bt2020", "rgb"]:
    if frame.format.is_rgb:
        return "rgb"
    usual: Literal["bt709", "bt601"] = (
        "bt709" if max(frame.width * 9 // 16, frame.height) >= _HIGH_DEFINITION else "bt601"
    )
    named = _MATRICES.get(frame.colorspace, usual)
    return usual if named == "rgb" else named


def _codec_tag(codec: str, extradata: bytes | None) -> str | None:
    """`avc1.640028`: profile, constraints and level stand at the head of an `avcC` box."""
    if codec != "h264" or extradata is None or len(extradata) < 4 or extradata[0] != 1:
        return None
    return f"avc1.{extradata[1:4].hex()}"
