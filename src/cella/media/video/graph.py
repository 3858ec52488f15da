"""The filters between the decoded film and its encoders, as ffmpeg spells them. Pure.

ffmpeg turns the picture upright before the first of them.
"""

from collections.abc import Sequence

from cella.media.film import Picture
from cella.media.video.ladder import Rung
from cella.media.video.sprites import Sprites

_IN_TURN = r"setpts=if(isnan(PREV_OUTPTS)\,PTS\,max(PTS\,PREV_OUTPTS+1))"
"""Encoders lose frames that begin at the same time as others, which broken films have."""

_FROM_FILM = "in_color_matrix=bt709:in_range=tv"

_TRANSFER = {"pq": "smpte2084", "hlg": "arib-std-b67"}


def film(picture: Picture, rungs: Sequence[Rung], tiles: Sprites, *, maps_tones: bool) -> str:
    """One decoded film into one stream for each rung, `[v0]` and so on, and `[tiles]`.

    Each rung is scaled down from the one above it, the sprites from the last.
    """
    last = len(rungs) - 1
    first = _first(picture, rungs[0].width, rungs[0].height, maps_tones)
    head = f"[0:{picture.index}]{_IN_TURN},{first}"
    chains = []
    for at, rung in enumerate(rungs):
        scaled = head if at == 0 else f"[r{at}]scale={rung.width}:{rung.height}"
        onward = f"[r{at + 1}]" if at < last else "[t]"
        chains.append(f"{scaled},setsar=1,split=2[v{at}]{onward}")
    return ";".join((*chains, f"[t]{_tiles(tiles)}[tiles]"))


def still(picture: Picture, width: int, height: int, *, maps_tones: bool, bright: bool) -> str:
    """The most typical of a few pictures at `width` × `height`, of those that are not black."""
    looked_at = (
        "signalstats,metadata=mode=select:key=lavfi.signalstats.YAVG:value=32:function=greater,"
        if bright
        else ""
    )
    return (
        f"[0:{picture.index}]{_first(picture, width, height, maps_tones)},setsar=1,"
        f"{looked_at}thumbnail=n=8,"
        f"scale={_FROM_FILM}:out_color_matrix=bt601:out_range=pc,format=yuvj420p[still]"
    )


def _first(picture: Picture, width: int, height: int, maps_tones: bool) -> str:
    """Frame for frame: progressive, of the right size, in the colours of BT.709."""
    whole = "bwdif=mode=send_frame:parity=auto:deint=interlaced," if picture.interlaced else ""
    if picture.hdr and maps_tones:
        return whole + _tone_mapped(picture, width, height)
    matrix = "" if picture.matrix == "rgb" else f":in_color_matrix={picture.matrix}"
    scale = f"scale={width}:{height}{matrix}:out_color_matrix=bt709:out_range=tv"
    return f"{whole}{scale},format=yuv420p"


def _tone_mapped(picture: Picture, width: int, height: int) -> str:
    """Scaled while light is still linear, then brought into the range that screens show."""
    source_range = "full" if picture.full_range else "limited"
    transfer = _TRANSFER[picture.hdr or "pq"]
    matrix = "gbr" if picture.matrix == "rgb" else "2020_ncl"
    return (
        f"zscale=w={width}:h={height}:tin={transfer}:pin=2020:min={matrix}:rin={source_range}"
        ":t=linear:npl=203,format=gbrpf32le,zscale=p=709,tonemap=tonemap=mobius:desat=0,"
        "zscale=t=709:m=709:r=limited,format=yuv420p"
    )


def _tiles(tiles: Sprites) -> str:
    """The frame that is displayed at each interval: the last one that began before it or then.

    It ends after the planned number, since a gap that a film does not tell of would be filled.
    """
    return (
        f"fps=1/{tiles.interval}:start_time=0:round=up,trim=end_frame={tiles.most},"
        f"scale={tiles.width}:{tiles.height}:{_FROM_FILM},format=rgb24"
    )
