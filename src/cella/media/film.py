"""What was found out about a film or a sound. Pure."""

from typing import Annotated, Literal

import msgspec

from cella.model.media import Hdr, Media

LONGEST_SECONDS = 7 * 24 * 3600.0
"""A file that claims to last longer is not believed."""

FASTEST = 1000
"""Frames a second that are still believed; more are the claim of a broken file."""

LONGEST_SIDE = 1 << 16
"""Pixels that a side may have as it is displayed."""

MOST_CHANNELS = 64
MOST_HERTZ = 1 << 24

Name = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[\w.,-]*$")]
Side = Annotated[int, msgspec.Meta(ge=1, le=LONGEST_SIDE)]
Position = Annotated[int, msgspec.Meta(ge=0, le=1 << 16)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Rate = Annotated[str, msgspec.Meta(pattern=r"^[1-9]\d{0,9}/[1-9]\d{0,9}$")]

Seconds = Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SECONDS)]


class Picture(msgspec.Struct, kw_only=True, frozen=True):
    """The track of moving pictures.

    `index` is its place among all tracks. `width` and `height` are those of the picture as it is
    displayed, rotation and the shape of pixels applied. `matrix` is the colour matrix as the
    filter `scale` calls it, `full_range` whether black is 0. `codec_tag` is the codec after
    RFC 6381, for H.264 only. `seconds` is how long it lasts, which the sound may exceed.
    """

    index: Position
    codec: Name
    width: Side
    height: Side
    rotation: Literal[0, 90, 180, 270] = 0
    time_base: Rate
    frame_rate: Rate | None = None
    variable: bool = False
    frames: Amount | None = None
    interlaced: bool = False
    hdr: Hdr | None = None
    matrix: Literal["bt709", "bt601", "bt2020", "rgb"] = "bt709"
    full_range: bool = False
    codec_tag: Name | None = None
    seconds: Seconds = 0.0


class Sound(msgspec.Struct, kw_only=True, frozen=True):
    """The track that is heard unless another is chosen; `index` is its place among all tracks."""

    index: Position
    codec: Name
    channels: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHANNELS)]
    sample_rate: Annotated[int, msgspec.Meta(ge=1, le=MOST_HERTZ)]


class Probe(msgspec.Struct, kw_only=True, frozen=True):
    """A film or a sound. It has a picture or a sound, or both."""

    container: Name
    seconds: Seconds
    picture: Picture | None = None
    sound: Sound | None = None
    audio_tracks: Position = 0

    @property
    def duration(self) -> int:
        """Whole seconds, rounded down, as documents have them."""
        return int(self.seconds)

    @property
    def media(self) -> Media:
        """What of it goes into the document."""
        picture, sound = self.picture, self.sound
        return Media(
            container=self.container,
            seconds=round(self.seconds, 3),
            video_codec=picture.codec if picture else None,
            audio_codec=sound.codec if sound else None,
            frame_rate=picture.frame_rate if picture else None,
            variable_frame_rate=picture is not None and picture.variable,
            frames=picture.frames if picture else None,
            rotation=picture.rotation if picture else 0,
            hdr=picture.hdr if picture else None,
            audio_tracks=self.audio_tracks,
            channels=sound.channels if sound else None,
            sample_rate=sound.sample_rate if sound else None,
        )
