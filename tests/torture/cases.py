"""The torture set: every file, and how it must end in the finished product.

The uploader is an admin, so films are encoded. Types that no previews are made of are stored and
are complete at once, whatever their bytes; a case of such a type guards against the day when that
changes.
"""

import math
import zlib
from collections.abc import Iterator

from tests.media.make import black, chunk, png
from tests.torture import films, others, pictures
from tests.torture.case import (
    COMPLETE,
    EITHER,
    FAILED,
    TYPES,
    Case,
    Kind,
    holding,
    lazily,
)
from tests.torture.films import made_for
from tests.torture.pictures import EMPTY_ZIP, HTML, SVG, sample

from cella.media.kinds import kind_of

TOO_LARGE = "too large"
CUT_OFF = "cut off"

_SMALL = (
    "mp4 mov m4v 3gp mkv webm avi mxf ts flv ogv mp3 wav flac aiff ogg m4a aac"
    " jpg png gif webp avif tif exr psd blend pdf svg"
)


def _kind(extension: str) -> Kind:
    """What is tried on files of a type."""
    return kind_of(TYPES[extension]) or "other"


def _small() -> Iterator[Case]:
    """A file of nothing and one of a single byte, of each type."""
    for extension in _SMALL.split():
        kind = _kind(extension)
        expected, says = (COMPLETE, None) if kind == "other" else (FAILED, "empty")
        yield Case(f"{extension}: 0 bytes", f"e.{extension}", kind, holding(b""), expected, says)
        one = holding(b"\0")
        yield Case(f"{extension}: 1 byte", f"o.{extension}", kind, one, expected)


_PNG: tuple[Case, ...] = (
    Case(
        "PNG of 60 000 × 60 000",
        "large.png",
        "picture",
        lazily(lambda: pictures.png_header(60_000, 60_000, 8, 6)),
        FAILED,
        TOO_LARGE,
    ),
    Case(
        "PNG of 2³¹ − 1 a side",
        "larger.png",
        "picture",
        lazily(lambda: pictures.png_header(0x7FFFFFFF, 0x7FFFFFFF, 8, 6)),
        FAILED,
    ),
    Case(
        "PNG of no pixels",
        "nothing.png",
        "picture",
        lazily(lambda: pictures.png_header(0, 0, 8, 0)),
        FAILED,
    ),
    Case(
        "PNG of 65 535 × 1",
        "wide.png",
        "picture",
        lazily(lambda: pictures.black_rows(65_535, 1)),
        COMPLETE,
    ),
    Case(
        "PNG of 1 × 65 535",
        "high.png",
        "picture",
        lazily(lambda: pictures.black_rows(1, 65_535)),
        COMPLETE,
    ),
    Case(
        "PNG bomb beyond the pixels (30 000²)",
        "bomb.png",
        "picture",
        lazily(lambda: black(30_000, 30_000)),
        FAILED,
        TOO_LARGE,
        slow=True,
    ),
    Case(
        "PNG bomb within the pixels (20 000²)",
        "bomb.png",
        "picture",
        lazily(lambda: black(20_000, 20_000)),
        COMPLETE,
        slow=True,
    ),
    Case(
        "PNG, interlaced, 16 bits, 17 000²",
        "interlaced.png",
        "picture",
        lazily(pictures.interlaced_bomb),
        FAILED,
    ),
    Case(
        "PNG whose data unpack to 1 GiB more",
        "more.png",
        "picture",
        lazily(lambda: png(8, 8, [pictures.deflated(1 << 30)])),
        EITHER,
        slow=True,
    ),
    Case(
        "PNG whose profile unpacks to 1 GiB",
        "profile.png",
        "picture",
        lazily(lambda: pictures.png_with(chunk(b"iCCP", b"x\0\0" + pictures.deflated(1 << 30)))),
        EITHER,
        slow=True,
    ),
    Case(
        "PNG whose text unpacks to 1 GiB",
        "text.png",
        "picture",
        lazily(lambda: pictures.png_with(chunk(b"zTXt", b"x\0\0" + pictures.deflated(1 << 30)))),
        EITHER,
        slow=True,
    ),
    Case(
        "PNG of 100 000 texts",
        "texts.png",
        "picture",
        lazily(lambda: pictures.png_with(chunk(b"tEXt", b"x\0y") * 100_000)),
        EITHER,
    ),
    Case(
        "PNG with a profile of garbage",
        "garbage.png",
        "picture",
        lazily(
            lambda: pictures.png_with(chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\xff" * 1_000)))
        ),
        COMPLETE,
    ),
    Case(
        "PNG with a chunk longer than the file",
        "chunk.png",
        "picture",
        lazily(lambda: pictures.png_with(b"\x7f\xff\xff\xfftEXtx\0y")),
        FAILED,
    ),
    Case(
        "APNG of 100 000 frames",
        "frames.png",
        "picture",
        lazily(lambda: pictures.apng(100_000)),
        EITHER,
    ),
    Case(
        "PNG with a page of HTML in it and behind it",
        "page.png",
        "picture",
        lazily(lambda: pictures.png_with(chunk(b"tEXt", b"Comment\0" + HTML)) + HTML),
        COMPLETE,
    ),
    Case(
        "PNG with a zip behind it",
        "tail.png",
        "picture",
        lazily(lambda: sample("marked.png") + EMPTY_ZIP),
        COMPLETE,
    ),
    Case(
        "PNG cut in the middle",
        "cut.png",
        "picture",
        lazily(lambda: films.cut(sample("marked.png"), 0.5)),
        FAILED,
        CUT_OFF,
    ),
)

_JPEG: tuple[Case, ...] = (
    Case(
        "JPEG of 65 500 × 65 500, progressive",
        "large.jpg",
        "picture",
        lazily(lambda: pictures.jpeg_header(65_500, 65_500, 0xC2)),
        FAILED,
        TOO_LARGE,
    ),
    Case(
        "JPEG of 23 000 × 23 000, progressive, without data",
        "progressive.jpg",
        "picture",
        lazily(lambda: pictures.jpeg_header(23_000, 23_000, 0xC2)),
        FAILED,
    ),
    Case(
        "JPEG of no pixels",
        "nothing.jpg",
        "picture",
        lazily(lambda: pictures.jpeg_header(0, 0, 0xC0)),
        FAILED,
    ),
    Case(
        "JPEG cut off, then 96 MiB of nothing",
        "sparse.jpg",
        "picture",
        pictures.sparse_jpeg,
        FAILED,
        CUT_OFF,
    ),
    Case(
        "JPEG of 96 MiB of comments, then cut off",
        "comments.jpg",
        "picture",
        pictures.commented_jpeg,
        FAILED,
        CUT_OFF,
    ),
    Case(
        "JPEG of 5 000 scans",
        "scans.jpg",
        "picture",
        lazily(lambda: pictures.scans(5_000)),
        EITHER,
    ),
    Case(
        "JPEG with a profile of garbage",
        "garbage.jpg",
        "picture",
        lazily(
            lambda: pictures.jpeg_with(
                pictures.segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"\xff" * 3_000)
            )
        ),
        COMPLETE,
    ),
    Case(
        "JPEG with a profile in 255 parts, of which one is there",
        "parts.jpg",
        "picture",
        lazily(
            lambda: pictures.jpeg_with(
                pictures.segment(0xE2, b"ICC_PROFILE\0\xff\xff" + b"\xff" * 3_000)
            )
        ),
        COMPLETE,
    ),
    Case(
        "JPEG turned by 65 535",
        "turned.jpg",
        "picture",
        lazily(lambda: pictures.jpeg_with(pictures.exif([(274, 3, 1, 65_535)]))),
        COMPLETE,
    ),
    Case(
        "JPEG whose Exif runs in circles",
        "circle.jpg",
        "picture",
        lazily(
            lambda: pictures.jpeg_with(
                pictures.exif([(34_665, 4, 1, 8), (34_853, 4, 1, 8)], following=8)
            )
        ),
        COMPLETE,
    ),
    Case(
        "JPEG whose Exif points beyond it, 4 000 times",
        "beyond.jpg",
        "picture",
        lazily(
            lambda: pictures.jpeg_with(pictures.exif([(270, 2, 0xFFFFFFFF, 0xFFFFFF00)] * 4_000))
        ),
        COMPLETE,
    ),
    Case(
        "JPEG whose comment is a page of HTML",
        "page.jpg",
        "picture",
        lazily(lambda: pictures.jpeg_with(pictures.segment(0xFE, HTML))),
        COMPLETE,
    ),
)

_ANIMATED: tuple[Case, ...] = (
    Case(
        "GIF of 10 000 frames",
        "frames.gif",
        "picture",
        lazily(lambda: pictures.gif(10_000)),
        EITHER,
    ),
    Case(
        "GIF of 100 000 frames",
        "frames.gif",
        "picture",
        lazily(lambda: pictures.gif(100_000)),
        EITHER,
        slow=True,
    ),
    Case(
        "GIF with a screen of 65 535 × 65 535",
        "screen.gif",
        "picture",
        lazily(lambda: pictures.gif_screen(65_535, 65_535)),
        EITHER,
    ),
    Case(
        "GIF with a screen of 20 000 × 20 000",
        "screen.gif",
        "picture",
        lazily(lambda: pictures.gif_screen(20_000, 20_000)),
        EITHER,
        slow=True,
    ),
    Case(
        "GIF without a frame",
        "none.gif",
        "picture",
        lazily(lambda: pictures.gif(0)),
        FAILED,
    ),
    Case(
        "GIF with a zip behind it",
        "tail.gif",
        "picture",
        lazily(lambda: sample("animated.gif") + EMPTY_ZIP),
        COMPLETE,
    ),
    Case(
        "WebP of 10 000 frames",
        "frames.webp",
        "picture",
        lazily(lambda: pictures.animated_webp(10_000)),
        EITHER,
    ),
    Case(
        "WebP of 100 000 frames",
        "frames.webp",
        "picture",
        lazily(lambda: pictures.animated_webp(100_000)),
        EITHER,
        slow=True,
    ),
    Case(
        "WebP that claims 4 GiB",
        "claims.webp",
        "picture",
        lazily(
            lambda: pictures.riff(
                b"WEBP", (b"VP8L", pictures.lossless_webp(9, 9)), length=0xFFFFFFFE
            )
        ),
        FAILED,
        CUT_OFF,
    ),
    Case(
        "WebP of 9 × 9 that claims 16 384 × 16 384",
        "claims.webp",
        "picture",
        lazily(
            lambda: pictures.riff(
                b"WEBP",
                pictures.canvas(16_384, 16_384, 0),
                (b"VP8L", pictures.lossless_webp(9, 9)),
            )
        ),
        FAILED,
    ),
)

_TIFF: tuple[Case, ...] = (
    Case(
        "TIFF of 10 000 pages",
        "pages.tif",
        "picture",
        lazily(lambda: pictures.tiff_pages(10_000)),
        COMPLETE,
    ),
    Case(
        "TIFF whose pages run in a circle",
        "circle.tif",
        "picture",
        lazily(lambda: pictures.tiff({}, following=8)),
        EITHER,
    ),
    Case(
        "TIFF whose directory is inside itself",
        "inside.tif",
        "picture",
        lazily(lambda: pictures.tiff({330: (4, 1, 8), 34_665: (4, 1, 8)})),
        EITHER,
    ),
    Case(
        "TIFF of 2³² − 1 a side",
        "large.tif",
        "picture",
        lazily(lambda: pictures.tiff({256: (4, 1, 0xFFFFFFFF), 257: (4, 1, 0xFFFFFFFF)})),
        FAILED,
    ),
    Case(
        "TIFF of 60 000 × 60 000",
        "large.tif",
        "picture",
        lazily(lambda: pictures.tiff({256: (4, 1, 60_000), 257: (4, 1, 60_000)})),
        FAILED,
    ),
    Case(
        "TIFF whose strip is said to be 4 GiB",
        "strip.tif",
        "picture",
        lazily(lambda: pictures.tiff({279: (4, 1, 0xFFFFFFFF)})),
        EITHER,
    ),
    Case(
        "TIFF of 65 535 samples a pixel",
        "samples.tif",
        "picture",
        lazily(lambda: pictures.tiff({277: (3, 1, 65_535)})),
        FAILED,
    ),
    Case(
        "TIFF of tiles of 2³⁰ a side",
        "tiles.tif",
        "picture",
        lazily(
            lambda: pictures.tiff(
                {322: (4, 1, 1 << 30), 323: (4, 1, 1 << 30), 324: (4, 1, 8), 325: (4, 1, 64)}
            )
        ),
        FAILED,
    ),
    Case(
        "TIFF whose one strip unpacks to 400 MB",
        "bomb.tif",
        "picture",
        lazily(pictures.tiff_bomb),
        EITHER,
        slow=True,
    ),
    Case(
        "BigTIFF whose directory is at 2⁶²",
        "beyond.tif",
        "picture",
        lazily(pictures.big_tiff),
        FAILED,
    ),
)

_AVIF: tuple[Case, ...] = (
    Case(
        "AVIF that claims 2³² − 1 a side",
        "claims.avif",
        "picture",
        lazily(lambda: pictures.avif_sides(0xFFFFFFFF, 0xFFFFFFFF)),
        FAILED,
    ),
    Case(
        "AVIF that claims 60 000 × 60 000",
        "claims.avif",
        "picture",
        lazily(lambda: pictures.avif_sides(60_000, 60_000)),
        FAILED,
    ),
    Case(
        "AVIF that claims 20 000 × 20 000",
        "claims.avif",
        "picture",
        lazily(lambda: pictures.avif_sides(20_000, 20_000)),
        FAILED,
    ),
    Case(
        "AVIF of 65 535 items, of which a few are there",
        "items.avif",
        "picture",
        lazily(lambda: pictures.avif_items(65_535)),
        EITHER,
    ),
    Case(
        "AVIF cut in the middle",
        "cut.avif",
        "picture",
        lazily(lambda: films.cut(sample("photo.avif"), 0.5)),
        FAILED,
        CUT_OFF,
    ),
)

_DISGUISED: tuple[Case, ...] = (
    Case("page of HTML as .jpg", "page.jpg", "picture", holding(HTML), FAILED, "html"),
    Case("drawing as .png", "drawing.png", "picture", holding(SVG), FAILED, "svg"),
    Case("program as .png", "program.png", "picture", lazily(others.program), FAILED),
    Case("paper as .jpg", "paper.jpg", "other", lazily(others.pdf), COMPLETE),
    Case("empty zip as .png", "zip.png", "other", holding(EMPTY_ZIP), COMPLETE),
    Case("playlist as .jpg", "list.jpg", "picture", made_for(films.hls), FAILED, "playlist"),
    Case("film as .jpg", "film.jpg", "film", lazily(films.silent), COMPLETE),
    Case("picture as .mp4", "photo.mp4", "picture", lazily(lambda: sample("plain.jpg")), COMPLETE),
    Case("EXR as .png", "e.png", "other", lazily(lambda: pictures.exr(0, (0, 0, 7, 7))), COMPLETE),
)

_STORED: tuple[Case, ...] = (
    Case(
        "BMP of 2³¹ − 1 a side",
        "large.bmp",
        "other",
        lazily(lambda: pictures.bmp(0x7FFFFFFF, -0x7FFFFFFF)),
        COMPLETE,
    ),
    Case(
        "SVG with a billion laughs", "laughs.svg", "other", lazily(pictures.svg_entities), COMPLETE
    ),
    Case(
        "SVG with a script",
        "script.svg",
        "other",
        lazily(lambda: pictures.svg("<script>alert(1)</script>", "onload='alert(1)'")),
        COMPLETE,
    ),
    Case("SVG that wants other files", "wants.svg", "other", pictures.svg_references, COMPLETE),
    Case(
        "SVG of 10⁹ × 10⁹",
        "giant.svg",
        "other",
        lazily(lambda: pictures.svg("", "width='1e9' height='1e9' viewBox='0 0 1e38 1e38'")),
        COMPLETE,
    ),
    Case(
        "EXR with a window of 2³² a side",
        "window.exr",
        "other",
        lazily(lambda: pictures.exr(0, (-0x7FFFFFFF, -0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF))),
        COMPLETE,
    ),
    Case(
        "EXR that says it is deep",
        "deep.exr",
        "other",
        lazily(lambda: pictures.exr(0x800, (0, 0, 9_999, 9_999))),
        COMPLETE,
    ),
    Case("PSD of 300 000 a side", "large.psd", "other", lazily(pictures.psd), COMPLETE),
    Case(
        "DPX of 2³² − 1 a side", "large.dpx", "other", holding(b"SDPX" + b"\xff" * 2_044), COMPLETE
    ),
    Case(
        "HDR of 10⁹ a side",
        "large.hdr",
        "other",
        holding(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1000000000 +X 1000000000\n"),
        COMPLETE,
    ),
    Case(
        "TGA of 65 535 a side",
        "large.tga",
        "other",
        holding(b"\0\0\x0a" + bytes(9) + b"\xff\xff\xff\xff\x20\0"),
        COMPLETE,
    ),
    Case("JPEG 2000 in 2⁶⁴ tiles", "tiles.jp2", "other", lazily(pictures.jp2), COMPLETE),
    Case(
        "JPEG XL of garbage", "garbage.jxl", "other", holding(b"\xff\x0a" + b"\xff" * 100), COMPLETE
    ),
    Case(
        "KTX of 2³² − 1 a side",
        "large.ktx",
        "other",
        holding(b"\xabKTX 11\xbb\r\n\x1a\n" + b"\x01\x02\x03\x04" + b"\xff" * 48),
        COMPLETE,
    ),
    Case("DDS of 2³² − 1 a side", "large.dds", "other", lazily(pictures.dds), COMPLETE),
    Case(
        "blend with blocks of 2 GiB",
        "blocks.blend",
        "other",
        lazily(lambda: others.blend((b"REND", -1), (b"TEST", 0x7FFFFFFF))),
        COMPLETE,
    ),
    Case(
        "blend of Blender 5 with a block of 2⁶²",
        "new.blend",
        "other",
        lazily(others.new_blend),
        COMPLETE,
    ),
    Case(
        "blend in Zstandard that unpacks to 1 GiB",
        "bomb.blend",
        "other",
        lazily(others.zstd_blend),
        COMPLETE,
    ),
    Case("gzip that unpacks to 1 GiB", "bomb.gz", "other", lazily(others.gzip_bomb), COMPLETE),
    Case("zip that unpacks to 16 GiB", "bomb.zip", "other", lazily(others.zip_bomb), COMPLETE),
    Case("zip of nothing", "empty.zip", "other", holding(EMPTY_ZIP), COMPLETE),
    Case("PDF that runs a program", "runs.pdf", "other", lazily(others.pdf), COMPLETE),
    Case(
        "PDF with a zip behind it",
        "tail.pdf",
        "other",
        lazily(lambda: others.pdf() + others.zip_bomb()),
        COMPLETE,
    ),
)


def _playlists() -> Iterator[Case]:
    """Files that lead somewhere else, called films and sounds."""
    for name, content in (
        ("playlist of HLS", films.hls),
        ("manifest of DASH", films.dash),
        ("ffconcat list", films.concat),
        ("bare list to join", films.bare_concat),
        ("m3u", films.m3u),
        ("pls", films.pls),
        ("sdp", films.sdp),
        ("xspf", films.xspf),
    ):
        for extension in ("mp4", "avi", "mov", "mp3"):
            file = f"list.{extension}"
            kind = _kind(extension)
            yield Case(f"{name} as .{extension}", file, kind, made_for(content), FAILED)


_LEADING: tuple[Case, ...] = (
    Case(
        "QuickTime film whose data lie in another file",
        "alias.mov",
        "film",
        made_for(lambda traps: films.elsewhere(str(traps.film), b"alis")),
        EITHER,
    ),
    Case(
        "QuickTime film whose data lie at a URL of a file",
        "file.mov",
        "film",
        made_for(lambda traps: films.elsewhere(traps.film.as_uri(), b"url ")),
        EITHER,
    ),
    Case(
        "QuickTime film whose data lie on another machine",
        "http.mov",
        "film",
        made_for(lambda traps: films.elsewhere(traps.url, b"url ")),
        EITHER,
    ),
    Case(
        "QuickTime film that is the place of another",
        "refers.mov",
        "film",
        made_for(lambda traps: films.referring(traps.url)),
        FAILED,
    ),
)

_FILMS: tuple[Case, ...] = (
    Case(
        "MP4 without its index",
        "no.mp4",
        "film",
        lazily(lambda: films.without(b"moov")),
        FAILED,
        CUT_OFF,
    ),
    Case(
        "MP4 of its index alone", "only.mp4", "film", lazily(lambda: films.without(b"mdat")), FAILED
    ),
    Case(
        "MP4 cut in its data",
        "cut.mp4",
        "film",
        lazily(lambda: films.cut(films.film("mp4", "-movflags", "+faststart"), 0.6)),
        EITHER,
    ),
    Case(
        "MP4 cut in its index",
        "cut.mp4",
        "film",
        lazily(lambda: films.cut(films.film("mp4", "-movflags", "+faststart"), 0.03)),
        FAILED,
    ),
    Case("MP4 of 10⁹ seconds", "long.mp4", "film", lazily(films.long_film), EITHER, slow=True),
    Case(
        "MP4 of 10⁵ frames a second", "fast.mp4", "film", lazily(films.fast_film), EITHER, slow=True
    ),
    Case(
        "MP4 that says it has 10⁹ frames", "frames.mp4", "film", lazily(films.many_frames), EITHER
    ),
    Case(
        "MP4 of 2³² − 1 frames of one byte",
        "samples.mp4",
        "film",
        lazily(films.many_samples),
        EITHER,
        slow=True,
    ),
    Case(
        "QuickTime film of 65 535 × 65 535",
        "large.mov",
        "film",
        lazily(lambda: films.huge_sides(with_data=True)),
        FAILED,
    ),
    Case(
        "QuickTime film of 65 535 × 65 535 without data",
        "large.mov",
        "film",
        lazily(lambda: films.huge_sides(with_data=False)),
        FAILED,
    ),
    Case(
        "MP4 turned by a matrix of zeros",
        "zeros.mp4",
        "film",
        lazily(lambda: films.wild_matrix(*[0] * 9)),
        COMPLETE,
        slow=True,
    ),
    Case(
        "MP4 turned by a matrix of the largest numbers",
        "largest.mp4",
        "film",
        lazily(lambda: films.wild_matrix(*[0x7FFFFFFF] * 9)),
        COMPLETE,
        slow=True,
    ),
    Case(
        "QuickTime film whose pixels are 0 wide and 0 high",
        "zero.mov",
        "film",
        lazily(lambda: films.wild_aspect(0, 0)),
        COMPLETE,
        slow=True,
    ),
    Case(
        "QuickTime film whose pixels are 1 000 times as wide as high",
        "wide.mov",
        "film",
        lazily(lambda: films.wild_aspect(1_000, 1)),
        EITHER,
        slow=True,
    ),
    Case(
        "QuickTime film whose pixels are 1 000 times as high as wide",
        "high.mov",
        "film",
        lazily(lambda: films.wild_aspect(1, 1_000)),
        EITHER,
        slow=True,
    ),
    Case(
        "QuickTime film whose pixels are 2³¹ − 1 times as wide as high",
        "wide.mov",
        "film",
        lazily(lambda: films.wild_aspect(0x7FFFFFFF, 1)),
        EITHER,
        slow=True,
    ),
    Case(
        "QuickTime film whose pixels are 2³¹ − 1 times as high as wide",
        "high.mov",
        "film",
        lazily(lambda: films.wild_aspect(1, 0x7FFFFFFF)),
        EITHER,
        slow=True,
    ),
    Case(
        "MP4 of 10 000 boxes in one another",
        "nested.mp4",
        "film",
        lazily(lambda: films.nested(b"udta", 10_000)),
        FAILED,
    ),
    Case(
        "MP4 of 10 000 indexes in one another",
        "nested.mp4",
        "film",
        lazily(lambda: films.nested(b"moov", 10_000)),
        FAILED,
    ),
    Case(
        "MP4 of 10 000 tracks",
        "tracks.mp4",
        "film",
        lazily(lambda: films.many_tracks(10_000)),
        EITHER,
        slow=True,
    ),
    Case("film without sound", "silent.mp4", "film", lazily(films.silent), COMPLETE, slow=True),
    Case(
        "film of 33 × 17",
        "odd.mp4",
        "film",
        lazily(lambda: films.sized(33, 17)),
        COMPLETE,
        slow=True,
    ),
    Case(
        "film of one pixel", "one.mp4", "film", lazily(lambda: films.sized(1, 1)), EITHER, slow=True
    ),
    Case(
        "film of 4 096 × 2",
        "wide.mp4",
        "film",
        lazily(lambda: films.sized(4_096, 2)),
        EITHER,
        slow=True,
    ),
    Case("film of one frame", "frame.mp4", "film", lazily(films.one_frame), COMPLETE, slow=True),
    Case(
        "film whose picture changes its sides",
        "switching.ts",
        "film",
        lazily(films.switching),
        COMPLETE,
        slow=True,
    ),
    Case(
        "film whose clock begins anew",
        "restarting.ts",
        "film",
        lazily(films.restarting),
        EITHER,
        slow=True,
    ),
    Case(
        "film whose clock begins anew with other sides",
        "changing.ts",
        "film",
        lazily(films.changing),
        EITHER,
        slow=True,
    ),
    Case(
        "Matroska film that does not tell its lengths",
        "live.mkv",
        "film",
        lazily(films.unknown_clusters),
        COMPLETE,
        slow=True,
    ),
    Case(
        "Matroska film that begins after 31 years",
        "late.mkv",
        "film",
        lazily(films.wild_times),
        EITHER,
        slow=True,
    ),
    Case(
        "Matroska film as long as no number",
        "nan.mkv",
        "film",
        lazily(lambda: films.float_duration(math.nan)),
        EITHER,
        slow=True,
    ),
    Case(
        "Matroska film of 10³⁰⁰ milliseconds",
        "long.mkv",
        "film",
        lazily(lambda: films.float_duration(1e300)),
        EITHER,
        slow=True,
    ),
    Case("Matroska file of subtitles", "words.mkv", "film", lazily(films.subtitles_only), FAILED),
    Case(
        "Matroska file of attachments",
        "attached.mkv",
        "film",
        lazily(films.attachments_only),
        FAILED,
    ),
    Case(
        "Matroska file cut in the middle",
        "cut.mkv",
        "film",
        lazily(lambda: films.cut(films.film("mkv"), 0.5)),
        EITHER,
        slow=True,
    ),
    Case(
        "AVI whose index names 10⁶ frames",
        "index.avi",
        "film",
        lazily(lambda: films.indexed_avi(1_000_000)),
        EITHER,
        slow=True,
    ),
    Case(
        "film without pictures",
        "sound.mp4",
        "film",
        lazily(lambda: films.sound("mp4", "-c:a", "aac")),
        EITHER,
    ),
    Case(
        "FLV of its first bytes",
        "begun.flv",
        "film",
        holding(b"FLV\x01\x05\0\0\0\x09\0\0\0\0"),
        FAILED,
    ),
    Case(
        "MPEG transport stream of empty packets",
        "empty.ts",
        "film",
        holding((b"\x47\x1f\xff\x10" + b"\xff" * 184) * 10_000),
        FAILED,
    ),
)

_SOUNDS: tuple[Case, ...] = (
    Case(
        "WAV that claims 4 GiB",
        "claims.wav",
        "sound",
        lazily(lambda: films.wav(1, 44_100, 0xFFFFFFFF)),
        EITHER,
    ),
    Case(
        "WAV of 10⁹ samples a second",
        "fast.wav",
        "sound",
        lazily(lambda: films.wav(1, films.LONG, 88_200)),
        FAILED,
        "neither a picture nor a sound",
    ),
    Case(
        "WAV of one sample a second",
        "slow.wav",
        "sound",
        lazily(lambda: films.wav(1, 1, 88_200)),
        EITHER,
    ),
    Case(
        "WAV of 65 535 channels",
        "channels.wav",
        "sound",
        lazily(lambda: films.wav(65_535, 44_100, 88_200)),
        FAILED,
    ),
    Case(
        "WAV of no channel",
        "none.wav",
        "sound",
        lazily(lambda: films.wav(0, 44_100, 88_200)),
        FAILED,
    ),
    Case(
        "WAV without a sample",
        "silent.wav",
        "sound",
        lazily(lambda: films.wav(1, 44_100, 0, b"")),
        EITHER,
    ),
    Case("MP3 of nothing but a tag", "tag.mp3", "sound", lazily(films.padded_mp3), FAILED),
    Case(
        "MP3 with a cover of 60 000 × 60 000",
        "cover.mp3",
        "sound",
        lazily(films.covered_mp3),
        COMPLETE,
    ),
    Case(
        "FLAC of 2³⁶ samples that are not there",
        "samples.flac",
        "sound",
        lazily(films.flac),
        FAILED,
    ),
    Case("Ogg of one page", "page.ogg", "sound", lazily(films.ogg_head), FAILED),
    Case("Ogg without sound", "skeleton.ogg", "sound", lazily(films.ogg_without_sound), FAILED),
    Case(
        "M4A cut in the middle",
        "cut.m4a",
        "sound",
        lazily(lambda: films.cut(films.sound("m4a", "-c:a", "aac"), 0.5)),
        FAILED,
        CUT_OFF,
    ),
)

CASES: tuple[Case, ...] = (
    *_small(),
    *_PNG,
    *_JPEG,
    *_ANIMATED,
    *_TIFF,
    *_AVIF,
    *_DISGUISED,
    *_STORED,
    *_playlists(),
    *_LEADING,
    *_FILMS,
    *_SOUNDS,
)
