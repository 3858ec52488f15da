"""Files made to harm, and files that came to harm: the right previews, or the right words."""

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from tests.media.make import SAMPLES, black, png
from tests.torture.pictures import animated_webp, avif_items, avif_sides

from cella.errors import CannotDecode, MediaError, OverLimit
from cella.media.image.render import Rendered, render
from cella.media.plan import plan
from cella.media.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = ["plain.jpg", "marked.png", "palette.png", "animated.gif", "photo.webp", "photo.avif"]
GOOD += ["sixteen.tif", "progressive.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "previews"
    made.mkdir()
    return made


async def assert_works(sandbox: Sandbox, tmp_path: Path) -> None:
    """The service goes on: the next good file has its previews."""
    after = tmp_path / "after"
    after.mkdir(exist_ok=True)
    assert (await render(sandbox, SAMPLES / "plain.jpg", after)).width == 512


async def assert_refused(
    sandbox: Sandbox, source: Path, folder: Path, error: type[MediaError], words: str
) -> None:
    with pytest.raises(error) as raised:
        await render(sandbox, source, folder)
    assert words in raised.value.message
    assert str(source.parent) not in raised.value.message
    assert not list(folder.iterdir())
    await assert_works(sandbox, source.parent)


def assert_sizes(rendered: Rendered, width: int, height: int) -> None:
    assert (rendered.width, rendered.height) == (width, height)
    for variation, wanted in zip(rendered.variations, plan(width, height), strict=True):
        with Image.open(variation.path) as preview:
            assert preview.size == (wanted.width, wanted.height)


NOT_A_PICTURE = "This file is not a picture that previews are made of"
CUT_OFF = "is cut off: it ends before the picture does."
BROKEN = "is broken, or needs something that we cannot read."
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.png", b"", "This file is empty."),
        ("one.jpg", b"\x00", "it begins like nothing known."),
        ("letter.jpg", b"a", "it begins like text."),
        ("page.png", HTML, "it begins like HTML."),
        ("page.jpg", b"\xef\xbb\xbf \n<HTML>", "it begins like HTML."),
        ("drawing.jpg", SVG, "it begins like SVG."),
        ("drawing.png", b"<?xml version='1.0'?>" + SVG, "it begins like XML."),
        ("list.jpg", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "it begins like a playlist."),
        ("concat.jpg", b"ffconcat version 1.0\nfile /etc/passwd\n", "begins like a playlist."),
        ("paper.jpg", b"%PDF-1.7\n" + bytes(100), "it is application/pdf."),
        ("archive.png", b"PK\x03\x04" + bytes(100), "it is application/zip."),
        ("layers.jpg", b"8BPS\x00\x01" + bytes(100), "it is image/vnd.adobe.photoshop."),
        ("vips.png", b"\x08\xf2\xa6\xb6" + bytes(100), "it begins like nothing known."),
    ],
)
async def test_what_is_no_picture(
    sandbox: Sandbox, folder: Path, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    if content:
        await assert_refused(sandbox, source, folder, CannotDecode, NOT_A_PICTURE)
    await assert_refused(sandbox, source, folder, CannotDecode, words)


@pytest.mark.parametrize(
    "beginning",
    [
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"II*\x00",
        b"II*\x00\x08\x00\x00\x00",
        b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00mif1",
    ],
)
async def test_a_beginning_and_no_more(
    sandbox: Sandbox, folder: Path, tmp_path: Path, beginning: bytes
) -> None:
    source = tmp_path / "begun"
    for tail in (b"", bytes(1), bytes(5000), b"<html>" * 100):
        source.write_bytes(beginning + tail)
        await assert_refused(sandbox, source, folder, CannotDecode, "This ")


async def test_a_header_that_promises_too_much(
    sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "bomb.png"
    source.write_bytes(png(60_000, 60_000, iter([zlib.compress(bytes(1000))]), colour=6))
    await assert_refused(
        sandbox,
        source,
        folder,
        OverLimit,
        "This picture is too large: 60000 × 60000 pixels, where at most 536 million can be",
    )


async def test_a_bomb_beyond_the_pixels(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "bomb.png"
    source.write_bytes(black(30_000, 30_000))
    assert source.stat().st_size < 5_000_000
    await assert_refused(sandbox, source, folder, OverLimit, "30000 × 30000 pixels")


async def test_a_bomb_within_the_pixels(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "bomb.png"
    source.write_bytes(black(20_000, 20_000))
    assert_sizes(await render(sandbox, source, folder), 20_000, 20_000)


async def test_memory_is_bounded(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    """A picture within the pixels whose decoder must hold it all is stopped, and it is said why."""
    source = tmp_path / "large.jpg"
    with Image.open(SAMPLES / "plain.jpg") as small:
        small.resize((6000, 4000)).save(source, progressive=True, subsampling=0)
    tight = msgspec.structs.replace(sandbox.config.limits, memory_bytes=240 << 20)
    with pytest.raises(OverLimit, match="needs more than 240 MiB of memory"):
        await render(sandbox, source, folder, tight)
    assert not list(folder.iterdir())
    assert_sizes(await render(sandbox, source, folder), 6000, 4000)


async def test_a_full_output_folder(sandbox: Sandbox, folder: Path) -> None:
    """Previews that may not be written whole are not there at all."""
    tight = msgspec.structs.replace(sandbox.config.limits, output_bytes=20_000)
    with pytest.raises(OverLimit, match="would write more than"):
        await render(sandbox, SAMPLES / "plain.jpg", folder, tight)
    assert not list(folder.iterdir())


async def test_ten_thousand_frames(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "frames.gif"
    first, second = (Image.new("L", (8, 8), shade) for shade in (0, 255))
    others = (second if number % 2 else first for number in range(9_999))
    second.save(source, save_all=True, append_images=others, duration=20)
    with Image.open(source) as picture:
        assert getattr(picture, "n_frames") == 10_000  # noqa: B009
    assert_sizes(await render(sandbox, source, folder), 8, 8)


async def test_a_film_of_too_many_frames(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    """libwebp takes the square of their number; what it can do in a second is made."""
    source = tmp_path / "frames.webp"
    source.write_bytes(animated_webp(20_000))
    assert_sizes(await render(sandbox, source, folder), 1, 1)
    for preview in folder.iterdir():
        preview.unlink()
    source.write_bytes(animated_webp(20_001))
    words = "This WebP file has too many frames: 20001, where at most 20000 can be decoded."
    await assert_refused(sandbox, source, folder, OverLimit, words)


async def test_a_limit_of_the_decoder_s_own(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "large.avif"
    for content in (avif_sides(20_000, 20_000), avif_items(65_535)):
        source.write_bytes(content)
        words = "This AVIF file is larger, or in more parts, than can be decoded."
        await assert_refused(sandbox, source, folder, OverLimit, words)


async def test_many_pages(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    """The first page is shown, and the others are not even looked for."""
    source = tmp_path / "pages.tif"
    pages = [Image.new("RGB", (20, 10), (number % 256, 0, 0)) for number in range(2000)]
    pages[0] = Image.new("RGB", (40, 30), (0, 200, 0))
    pages[0].save(source, save_all=True, append_images=pages[1:])
    assert_sizes(await render(sandbox, source, folder), 40, 30)
    with Image.open(folder / "h.jpg") as preview:
        assert np.abs(np.asarray(preview).astype(int) - (0, 200, 0)).max() < 6


async def test_pages_in_a_circle(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "circle.tif"
    Image.new("L", (20, 10), 90).save(source)
    circle = bytearray(source.read_bytes())
    (first,) = struct.unpack_from("<I", circle, 4)
    (entries,) = struct.unpack_from("<H", circle, first)
    struct.pack_into("<I", circle, first + 2 + 12 * entries, first)
    source.write_bytes(circle)
    try:
        assert_sizes(await render(sandbox, source, folder), 20, 10)
    except CannotDecode as error:
        assert error.message.startswith("This TIFF file ")  # noqa: PT017 - both ends are right
    await assert_works(sandbox, tmp_path)


async def test_a_raw_file_s_small_preview_is_not_taken_for_it(
    sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "camera.nef"
    Image.new("L", (16, 12), 90).save(source, "TIFF", tiffinfo={254: 1, 271: "NIKON"})
    await assert_refused(sandbox, source, folder, CannotDecode, "it is image/x-dcraw.")


async def test_heic_in_an_avif_s_clothes(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "coded.avif"
    content = (SAMPLES / "photo.avif").read_bytes()
    source.write_bytes(content.replace(b"av01", b"hvc1"))
    await assert_refused(sandbox, source, folder, CannotDecode, "This ")


@pytest.mark.parametrize("tail", [HTML, b"PK\x03\x04" + bytes(1000), bytes(70_000)])
async def test_a_tail_after_the_picture(
    sandbox: Sandbox, folder: Path, tmp_path: Path, tail: bytes
) -> None:
    """A polyglot is a picture, and none of its tail gets into a preview."""
    for name in ("marked.png", "plain.jpg"):
        source = tmp_path / name
        source.write_bytes((SAMPLES / name).read_bytes() + tail)
        rendered = await render(sandbox, source, folder)
        assert_sizes(rendered, rendered.width, rendered.height)
        for variation in rendered.variations:
            assert tail not in variation.path.read_bytes()


@pytest.mark.parametrize("name", GOOD)
async def test_cut_off_anywhere(sandbox: Sandbox, folder: Path, tmp_path: Path, name: str) -> None:
    """All of the picture or none of it, wherever the file ends."""
    whole = (SAMPLES / name).read_bytes()
    source = tmp_path / "cut"
    await render(sandbox, SAMPLES / name, folder)
    expected = [path.read_bytes() for path in sorted(folder.iterdir())]
    said: list[str] = []
    for length in [*range(20, len(whole), len(whole) // 25), len(whole) - 1]:
        for old in folder.iterdir():
            old.unlink()
        source.write_bytes(whole[:length])
        try:
            await render(sandbox, source, folder)
        except CannotDecode as error:
            said.append(error.message)
            assert not list(folder.iterdir())
        else:
            assert [path.read_bytes() for path in sorted(folder.iterdir())] == expected
    assert len(said) >= 24
    assert sum(CUT_OFF in message for message in said) > len(said) * 0.9
    await assert_works(sandbox, tmp_path)


async def test_the_sample_that_is_cut_off(sandbox: Sandbox, folder: Path) -> None:
    with pytest.raises(CannotDecode) as raised:
        await render(sandbox, SAMPLES / "cut.jpg", folder)
    assert raised.value.message == ("This JPEG file is cut off: it ends before the picture does.")


async def test_a_cut_that_was_papered_over(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    """An end marker after half the data: decoders fill the rest with grey and only warn."""
    source = tmp_path / "papered.jpg"
    source.write_bytes((SAMPLES / "cut.jpg").read_bytes() + b"\xff\xd9")
    await assert_refused(sandbox, source, folder, CannotDecode, f"This JPEG file {BROKEN}")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
async def test_a_cut_that_was_filled_with_zeros(
    sandbox: Sandbox, folder: Path, tmp_path: Path, share: float
) -> None:
    """A broken download of a length that was known: decoders take the zeros for pixels."""
    source = tmp_path / "filled.jpg"
    whole = (SAMPLES / "plain.jpg").read_bytes()
    thumbnail = (SAMPLES / "rotated.jpg").read_bytes()
    application = b"\xff\xe5" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    for before in (b"", application):
        kept = whole[:2] + before + whole[2 : int(len(whole) * share)]
        source.write_bytes(kept.ljust(3 << 20, b"\0"))
        await assert_refused(sandbox, source, folder, CannotDecode, f"This JPEG file {CUT_OFF}")
        source.write_bytes(whole[:2] + before + whole[2:] + bytes(3 << 20))
        assert_sizes(await render(sandbox, source, folder), 512, 512)
        for preview in folder.iterdir():
            preview.unlink()


async def test_an_end_between_two_blocks(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "split.jpg"
    whole = (SAMPLES / "plain.jpg").read_bytes()
    scan = whole.index(b"\xff\xda") + 4
    source.write_bytes(whole[:-2].ljust(scan + (1 << 20) - 1, b"\0") + whole[-2:])
    assert_sizes(await render(sandbox, source, folder), 512, 512)


async def test_oddities_that_harm_nothing(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    plain = (SAMPLES / "plain.jpg").read_bytes()
    revision = bytearray(plain)
    revision[11] = 9  # of JFIF, where there are 1.00 to 1.02
    scan = plain.index(b"\xff\xda")
    selection = bytearray(plain)
    selection[scan + 2 + int.from_bytes(plain[scan + 2 : scan + 4], "big") - 1] = 5
    for odd in (bytes(revision), bytes(selection), plain[:-2] + bytes(9) + plain[-2:]):
        source = tmp_path / "odd.jpg"
        source.write_bytes(odd)
        assert_sizes(await render(sandbox, source, folder), 512, 512)


async def test_a_broken_middle_is_called_broken(
    sandbox: Sandbox, folder: Path, tmp_path: Path
) -> None:
    content = bytearray((SAMPLES / "marked.png").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    source = tmp_path / "broken.png"
    source.write_bytes(content)
    await assert_refused(sandbox, source, folder, CannotDecode, f"This PNG file {BROKEN}")


def _flip(content: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 30))):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)


def _scramble_start(content: bytearray, dice: random.Random) -> None:
    for _ in range(8):
        content[dice.randrange(min(200, len(content)))] = dice.randrange(256)


@pytest.mark.parametrize("harm", [_flip, _scramble_start])
@pytest.mark.parametrize("name", GOOD)
async def test_damage_by_dice(
    sandbox: Sandbox,
    folder: Path,
    tmp_path: Path,
    name: str,
    harm: Callable[[bytearray, random.Random], None],
) -> None:
    """Whatever is damaged: six whole previews, or one of our errors and none."""
    whole = (SAMPLES / name).read_bytes()
    source = tmp_path / "damaged"
    said: list[str] = []
    for seed in range(25):
        content = bytearray(whole)
        harm(content, random.Random(seed))
        source.write_bytes(content)
        try:
            rendered = await render(sandbox, source, folder)
        except MediaError as error:
            said.append(error.message)
            assert not list(folder.iterdir())
        else:
            assert_sizes(rendered, rendered.width, rendered.height)
            for variation in rendered.variations:
                variation.path.unlink()
    assert all(message and str(tmp_path) not in message for message in said)
    await assert_works(sandbox, tmp_path)
