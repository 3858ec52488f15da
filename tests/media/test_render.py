"""Previews of good pictures: their sizes, their pixels, and many at a time."""

import asyncio
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import pyvips
from PIL import Image, ImageCms
from tests.media.make import SAMPLES, photograph

from cella.media.image.formats import DECODABLE, FORMATS
from cella.media.image.render import Rendered, check, render
from cella.media.plan import plan
from cella.media.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

Pixels = npt.NDArray[np.int16]

RED, BLUE = (220, 20, 20), (20, 40, 220)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "previews"
    made.mkdir()
    return made


def pixels(path: Path) -> Pixels:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int16)


def reference(size: tuple[int, int]) -> Pixels:
    with Image.open(SAMPLES / "marked.png") as picture:
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        return np.asarray(small).astype(np.int16)


def distance(one: Pixels, other: Pixels) -> float:
    """The mean difference of samples, of 255."""
    return float(np.abs(one - other).mean())


def near(colour: Pixels, expected: tuple[int, int, int], within: int) -> bool:
    return bool(np.abs(colour - np.array(expected)).max() <= within)


def assert_as_planned(rendered: Rendered, width: int, height: int) -> None:
    assert (rendered.width, rendered.height) == (width, height)
    planned = plan(width, height)
    assert [variation.size for variation in rendered.variations] == list("sbtmlh")
    for variation, wanted in zip(rendered.variations, planned, strict=True):
        assert (variation.width, variation.height) == (wanted.width, wanted.height)
        assert variation.content_type == "image/jpeg"
        assert variation.is_public == (variation.size == "t")
        assert variation.length == variation.path.stat().st_size
        with Image.open(variation.path) as preview:
            assert (preview.format, preview.mode) == ("JPEG", "RGB")
            assert preview.size == (wanted.width, wanted.height)
            assert "progressive" not in preview.info
            assert not {"exif", "icc_profile", "xmp", "comment", "photoshop"} & set(preview.info)
            preview.load()


@pytest.mark.parametrize(
    ("name", "width", "height", "tolerance"),
    [
        ("marked.png", 300, 200, 3),
        ("progressive.jpg", 300, 200, 4),
        ("rotated.jpg", 300, 200, 4),
        ("p3.jpg", 300, 200, 4),
        ("cmyk.jpg", 300, 200, 10),
        ("photo.webp", 300, 200, 6),
        ("photo.avif", 300, 200, 6),
        ("palette.png", 300, 200, 8),
        ("animated.gif", 300, 200, 8),
        ("sixteen.png", 150, 100, 4),
        ("sixteen.tif", 150, 100, 4),
    ],
)
async def test_every_kind_of_picture_looks_like_the_plain_one(
    sandbox: Sandbox, folder: Path, name: str, width: int, height: int, tolerance: float
) -> None:
    rendered = await render(sandbox, SAMPLES / name, folder)
    assert_as_planned(rendered, width, height)
    for size in "tmlh":
        preview = pixels(folder / f"{size}.jpg")
        assert distance(preview, reference(preview.shape[1::-1])) < tolerance, size
        assert near(preview[5, 5], RED, 60), size
        assert near(preview[-6, -6], BLUE, 90), size  # CMYK has no such blue
        assert not near(preview[5, -6], RED, 60)
        assert not near(preview[-6, 5], BLUE, 60)


async def test_grey_stays_grey(sandbox: Sandbox, folder: Path) -> None:
    assert_as_planned(await render(sandbox, SAMPLES / "grey.png", folder), 300, 200)
    preview = pixels(folder / "m.jpg")
    assert np.ptp(preview, axis=2).max() <= 2
    luma = reference((300, 200)) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(preview[:, :, 0] - luma).mean() < 4


async def test_what_is_transparent_lies_on_white(sandbox: Sandbox, folder: Path) -> None:
    assert_as_planned(await render(sandbox, SAMPLES / "alpha.png", folder), 300, 200)
    preview = pixels(folder / "m.jpg")
    assert preview[10:90, 160:].min() > 245
    assert preview[160:190, 160:].min() > 245
    assert distance(preview[:95, :145], reference((300, 200))[:95, :145]) < 4
    # In the band that fades, what is seen of the picture falls from left to right.
    opacity = np.linspace(1, 0, 300)[None, :, None]
    blended = reference((300, 200))[100:150] * opacity + 255 * (1 - opacity)
    assert np.abs(preview[104:146] - blended[4:46]).mean() < 5


async def test_crops_take_the_middle(sandbox: Sandbox, folder: Path) -> None:
    await render(sandbox, SAMPLES / "marked.png", folder)
    with Image.open(SAMPLES / "marked.png") as picture:
        middle = picture.convert("RGB").crop((50, 0, 250, 200))
    for size, side in (("s", 90), ("b", 160)):
        expected = middle.resize((side, side), Image.Resampling.LANCZOS)
        wanted = np.asarray(expected).astype(np.int16)
        assert distance(pixels(folder / f"{size}.jpg"), wanted) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
async def test_every_orientation(
    sandbox: Sandbox, folder: Path, tmp_path: Path, orientation: int, suffix: str
) -> None:
    """Stored as Exif's orientation says, all eight are displayed alike."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    turned = tmp_path / f"turned.{suffix}"
    with Image.open(SAMPLES / "marked.png") as picture:
        stored = picture.convert("RGB")
        stored = stored if undo is None else stored.transpose(undo)
        stored.save(turned, exif=exif, quality=92)
    assert_as_planned(await render(sandbox, turned, folder), 300, 200)
    preview = pixels(folder / "t.jpg")
    assert distance(preview, reference((160, 106))) < 5


async def test_cmyk_with_a_profile(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "cmyk.jpg"
    plain = pyvips.Image.new_from_file(str(SAMPLES / "marked.png"))
    plain.icc_transform("cmyk", input_profile="srgb").write_to_file(str(source), Q=92)
    assert_as_planned(await render(sandbox, source, folder), 300, 200)
    assert distance(pixels(folder / "m.jpg"), reference((300, 200))) < 10


async def test_a_broken_profile_is_passed_over(
    sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "profile.png"
    broken = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()[:200]
    with Image.open(SAMPLES / "marked.png") as picture:
        picture.save(source, icc_profile=broken)
    assert_as_planned(await render(sandbox, source, folder), 300, 200)
    assert distance(pixels(folder / "m.jpg"), reference((300, 200))) < 4


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        ("rgb float", 4),
        ("rgb 32 bit", 4),
        ("lab", 4),
        ("cmyk", 10),
        ("rgba 16 bit", 4),
        ("five bands", 4),
    ],
)
async def test_what_tiff_can_hold(
    sandbox: Sandbox, folder: Path, tmp_path: Path, kind: str, tolerance: float
) -> None:
    plain = pyvips.Image.new_from_file(str(SAMPLES / "marked.png"))
    deep = (plain.cast("uint") * 16843009).cast("uint").copy(interpretation="srgb")
    variant = {
        "rgb float": lambda: plain.colourspace("scrgb"),
        "rgb 32 bit": lambda: deep,
        "lab": lambda: plain.colourspace("lab"),
        "cmyk": lambda: plain.icc_transform("cmyk", input_profile="srgb"),
        "rgba 16 bit": lambda: plain.colourspace("rgb16").bandjoin(65535),
        "five bands": lambda: plain.bandjoin([255, 0]),
    }[kind]()
    source = tmp_path / "variant.tif"
    variant.write_to_file(str(source), compression="deflate")
    assert_as_planned(await render(sandbox, source, folder), 300, 200)
    assert distance(pixels(folder / "m.jpg"), reference((300, 200))) < tolerance


@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 1), (3, 2), (1, 65535), (65535, 1), (20000, 300), (300, 512), (5000, 1000), (2049, 2047)],
)
async def test_every_shape(
    sandbox: Sandbox, folder: Path, tmp_path: Path, width: int, height: int
) -> None:
    """A diagonal gradient, so that each preview can be compared with what it should show."""
    across = np.linspace(0, 255, width)[None, :]
    down = np.linspace(0, 255, height)[:, None]
    shape = (height, width)
    channels = [np.broadcast_to(across, shape), np.broadcast_to(down, shape), np.zeros(shape)]
    source = tmp_path / "gradient.png"
    Image.fromarray(np.dstack(channels).astype(np.uint8)).save(source, compress_level=1)
    assert_as_planned(await render(sandbox, source, folder), width, height)
    for wanted in plan(width, height):
        preview = pixels(folder / f"{wanted.size}.jpg")
        if wanted.fit == "fit" and min(wanted.width, wanted.height) > 16:
            assert near(preview[2, 2], (0, 0, 0), 25)
            assert near(preview[-3, -3], (255, 255, 0), 25)
            assert near(preview[wanted.height // 2, wanted.width // 2], (128, 128, 0), 12)
        if wanted.fit == "crop" and min(width, height) > 16:
            middle = preview[wanted.height // 2, wanted.width // 2]
            assert near(middle, (128, 128, 0), 12)


async def test_a_photograph_of_24_megapixels(
    sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    source = photograph(tmp_path / "large.jpg", 6000, 4000)
    assert_as_planned(await render(sandbox, source, folder), 6000, 4000)
    with Image.open(source) as picture:
        for size in "tmlh":
            preview = pixels(folder / f"{size}.jpg")
            scaled = picture.resize(preview.shape[1::-1], Image.Resampling.LANCZOS)
            assert distance(preview, np.asarray(scaled).astype(np.int16)) < 5, size


async def test_every_format_passes_its_check(sandbox: Sandbox, folder: Path) -> None:
    assert await check(sandbox, folder) == dict.fromkeys(FORMATS, True)
    assert FORMATS.keys() <= DECODABLE


async def test_three_hundred_forks_and_all_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    """Forking from a process that has loaded libvips is safe: not one hangs or differs."""
    source = tmp_path / "small.png"
    with Image.open(SAMPLES / "marked.png") as picture:
        picture.resize((30, 20)).save(source)

    async def once(number: int) -> bytes:
        folder = tmp_path / str(number)
        await asyncio.to_thread(folder.mkdir)
        rendered = await render(sandbox, source, folder)
        return b"".join([variation.path.read_bytes() for variation in rendered.variations])

    results = await asyncio.gather(*map(once, range(300)))
    assert len(set(results)) == 1
