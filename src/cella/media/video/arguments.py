"""What ffmpeg is told to do with a film, as lists of arguments. Pure."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from cella.media import ffmpeg
from cella.media.film import Picture, Probe
from cella.media.video import graph
from cella.media.video.ladder import Rung
from cella.media.video.sprites import Sprites

_SECONDS_BETWEEN_KEYS = 2
_SECONDS_OF_SEGMENT = 6
_STILL_SECONDS = 60

_COLOURS = (
    *("-colorspace", "bt709"),
    *("-color_primaries", "bt709"),
    *("-color_trc", "bt709"),
    *("-color_range", "tv"),
)
_BARE = ("-map_metadata", "-1", "-map_chapters", "-1", "-dn", "-sn")
"""A film that is shown more widely than its original tells no places and names."""


def encoding(
    source: Path,
    probe: Probe,
    picture: Picture,
    rungs: Sequence[Rung],
    tiles: Sprites,
    folder: Path,
    *,
    max_pixels: int,
    maps_tones: bool,
) -> tuple[str, ...]:
    """Make all rungs and all sprites in one run, which decodes once."""
    filters = graph.film(picture, rungs, tiles, maps_tones=maps_tones)
    outputs = (word for at, rung in enumerate(rungs) for word in _rung(at, rung, probe, picture))
    paths = {rung.name: str(folder / f"{rung.name}.mp4") for rung in rungs}
    return (
        *("-progress", f"file:{folder / PROGRESS}", "-stats_period", "0.5"),
        *("-filter_complex_threads", "0"),
        *ffmpeg.reading(source, probe.container, max_pixels),
        *("-filter_complex", filters),
        *(paths.get(word, word) for word in outputs),
        *("-map", "[tiles]", "-fps_mode", "passthrough", "-frames:v", str(tiles.most)),
        *("-c:v", "rawvideo", "-f", "rawvideo"),
        str(folder / TILES),
    )


PROGRESS = "progress"
"""The name of the file that a run tells its progress in."""

TILES = "tiles.rgb"
"""The name of the file with all sprites, one after the other."""


def _rung(at: int, rung: Rung, probe: Probe, picture: Picture) -> Iterator[str]:
    """One MP4. The name of the rung at the end stands for its file."""
    yield from ("-map", f"[v{at}]", "-fps_mode", "passthrough")
    yield from ("-enc_time_base", picture.time_base)
    yield from ("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-threads", "0")
    yield from ("-crf", "21", "-maxrate", f"{rung.kbit}k", "-bufsize", f"{2 * rung.kbit}k")
    yield from _keys(picture)
    yield from _COLOURS
    if probe.sound is not None:
        yield from ("-map", f"0:{probe.sound.index}", "-c:a", "aac", "-b:a", "160k", "-ac", "2")
        yield from ("-ar", "48000", "-af", "aresample=async=1:first_pts=0")
    yield from _BARE
    yield from ("-movflags", "+faststart", "-f", "mp4", rung.name)


def _keys(picture: Picture) -> Iterator[str]:
    """Key frames at the same places in all rungs, so that players can change between them."""
    yield from ("-sc_threshold", "0")
    if picture.variable or picture.frame_rate is None:
        yield from (
            "-g",
            "6000",
            "-force_key_frames",
            f"expr:gte(t,n_forced*{_SECONDS_BETWEEN_KEYS})",
        )
    else:
        frames = max(1, round(Fraction(picture.frame_rate) * _SECONDS_BETWEEN_KEYS))
        yield from ("-g", str(frames), "-keyint_min", str(frames))


def streaming(rungs: Sequence[Rung], folder: Path, max_pixels: int) -> tuple[str, ...]:
    """Cut finished rungs into segments without encoding them again: one file each, and a list."""
    inputs = (
        word
        for rung in rungs
        for word in ffmpeg.reading(folder / f"{rung.name}.mp4", "mov,mp4", max_pixels)
    )
    outputs = (word for at, rung in enumerate(rungs) for word in _stream(at, rung, folder))
    return (*inputs, *outputs)


def _stream(at: int, rung: Rung, folder: Path) -> Iterator[str]:
    yield from ("-map", str(at), "-c", "copy", "-f", "hls")
    yield from ("-hls_time", str(_SECONDS_OF_SEGMENT), "-hls_playlist_type", "vod")
    yield from ("-hls_segment_type", "fmp4", "-hls_flags", "single_file+independent_segments")
    yield from ("-hls_segment_filename", str(folder / f"{rung.name}.m4s"))
    yield str(folder / f"{rung.name}.m3u8")


def still(
    source: Path,
    probe: Probe,
    picture: Picture,
    size: tuple[int, int],
    target: Path,
    *,
    at: float,
    bright: bool,
    max_pixels: int,
    maps_tones: bool,
) -> tuple[str, ...]:
    """Make one picture of those from `at` seconds on; a `bright` one is a key frame."""
    filters = graph.still(picture, *size, maps_tones=maps_tones, bright=bright)
    seek = ("-ss", f"{at:.3f}", "-noaccurate_seek") if at else ()
    return (
        *(("-skip_frame", "nokey") if bright else ()),
        *(*seek, "-t", str(_STILL_SECONDS)),
        # Each thread would hold a picture of its own, of which a large film has no room for many.
        *("-threads", "1", "-filter_complex_threads", "1"),
        *ffmpeg.reading(source, probe.container, max_pixels),
        *("-filter_complex", filters, "-map", "[still]", "-frames:v", "1"),
        *("-c:v", "mjpeg", "-q:v", "2", *_BARE, "-f", "image2", "-update", "1", str(target)),
    )
