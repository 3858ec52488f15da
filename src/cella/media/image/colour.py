"""From whatever a file's samples mean to 8 bits of sRGB."""

import pyvips

from cella.errors import CannotDecode
from cella.media.image.vips import Picture

_INTEGERS = {"uchar": 1.0, "ushort": 1.0 / 257, "uint": 1.0 / 16843009}
_MEASURED = {"lab", "labs", "xyz", "scrgb"}
_WHITE = 255


def flattened(picture: Picture) -> Picture:
    """The picture in 8 bits a sample and without alpha: what was transparent lies on white.

    Grey, RGB and CMYK stay what they are; an embedded profile stays with them.
    """
    picture = _eight_bits(picture)
    if not picture.hasalpha():
        return picture
    background = 0 if picture.interpretation == "cmyk" else _WHITE
    return picture.flatten(background=background)


def to_srgb(picture: Picture) -> Picture:
    """The picture in sRGB, by its embedded profile where that is of use.

    CMYK without a profile is taken for what libvips takes it for, a common offset print.
    """
    cmyk = picture.interpretation == "cmyk"
    if picture.get_typeof("icc-profile-data"):
        try:
            return picture.icc_transform("srgb", embedded=True, depth=8)
        except pyvips.Error:
            # A broken profile does not make a broken picture.
            picture = picture.copy()
            picture.remove("icc-profile-data")
    if cmyk:
        return picture.icc_transform("srgb", input_profile="cmyk", depth=8)
    return picture.colourspace("srgb")


def _eight_bits(picture: Picture) -> Picture:
    """Samples of 0 to 255, whatever they were before."""
    if picture.interpretation in _MEASURED and picture.bands >= 3:
        return picture.colourspace("srgb")
    if picture.format in {"float", "double"}:
        return _from_linear_light(picture)
    if picture.format not in _INTEGERS:
        raise CannotDecode(
            f"The samples of this picture are of a kind that we cannot show: {picture.format}."
        )
    if picture.format != "uchar":
        scaled = picture * _INTEGERS[picture.format]
        picture = scaled.round("rint").cast("uchar")
    return _named(picture)


def _named(picture: Picture) -> Picture:
    """With an interpretation that fits 8 bits, and without bands that it has no use for."""
    cmyk = picture.interpretation == "cmyk"
    colours = 4 if cmyk else 3 if picture.bands >= 3 else 1
    bands = min(picture.bands, colours + 1)
    if picture.bands > bands:
        picture = picture.extract_band(0, n=bands)
    return picture.copy(interpretation="cmyk" if cmyk else "srgb" if colours == 3 else "b-w")


def _from_linear_light(picture: Picture) -> Picture:
    """Floating point samples are linear light, 1.0 being white; grey ones too."""
    colours = picture.extract_band(0, n=3) if picture.bands >= 3 else _thrice(picture)
    return colours.copy(interpretation="scrgb").colourspace("srgb")


def _thrice(picture: Picture) -> Picture:
    grey = picture.extract_band(0)
    return grey.bandjoin([grey, grey])
