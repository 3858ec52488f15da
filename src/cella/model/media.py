"""What a film or a sound is made of, as its document tells it."""

from typing import Literal

import msgspec

Hdr = Literal["pq", "hlg"]


class Media(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """The tracks of a file that lasts.

    `frame_rate` is a fraction such as `24000/1001`, the average where frames last differently;
    `frames` is None where nobody knows without decoding all of them. `rotation` is how far the
    picture is turned clockwise to be displayed, in degrees. `hdr` names the transfer function of
    a picture that is brighter than white: SMPTE ST 2084 or ARIB STD-B67. `channels` and
    `sample_rate` (in hertz) are those of the track that is heard unless another is chosen.
    """

    container: str
    seconds: float
    video_codec: str | None = None
    audio_codec: str | None = None
    frame_rate: str | None = None
    variable_frame_rate: bool = False
    frames: int | None = None
    rotation: int = 0
    hdr: Hdr | None = None
    audio_tracks: int = 0
    channels: int | None = None
    sample_rate: int | None = None
