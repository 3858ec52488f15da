"""Pictures made to harm, and pictures that came to harm."""

import io
import itertools
import os
import struct
import zlib
from pathlib import Path

from PIL import Image
from tests.media.make import SAMPLES, chunk, png
from tests.torture.case import Traps

HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>"
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)

_SPARSE = 96 << 20


def sample(name: str) -> bytes:
    """One of the committed pictures."""
    return (SAMPLES / name).read_bytes()


# PNG


def deflated(length: int) -> bytes:
    """A zlib stream of so many zeros."""
    packer = zlib.compressobj(1)
    block = bytes(1 << 24)
    packed = [packer.compress(block) for _ in range(length >> 24)]
    return b"".join([*packed, packer.flush()])


def png_with(*extra: bytes, last: bool = False) -> bytes:
    """A good PNG with these chunks behind its header, or before its end."""
    whole = sample("marked.png")
    at = len(whole) - 12 if last else 33
    return whole[:at] + b"".join(extra) + whole[at:]


def png_header(width: int, height: int, depth: int, colour: int, interlaced: int = 0) -> bytes:
    """A PNG of a header and a row's worth of data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = zlib.compress(bytes(1000))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", data),
            chunk(b"IEND", b""),
        ]
    )


def interlaced_bomb() -> bytes:
    """2.1 GiB of pixels, which an interlaced picture's decoder must hold all at once."""
    return png_header(17_000, 17_000, 16, 6, interlaced=1)


def apng(frames: int) -> bytes:
    """An animated PNG of single pixels."""
    row = zlib.compress(b"\0\0")
    control = itertools.count()

    def fctl() -> bytes:
        return chunk(b"fcTL", struct.pack(">IIIIIHHBB", next(control), 1, 1, 0, 0, 1, 100, 0, 0))

    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))]
    parts += [chunk(b"acTL", struct.pack(">II", frames, 0)), fctl(), chunk(b"IDAT", row)]
    for _ in range(frames - 1):
        parts += [fctl(), chunk(b"fdAT", struct.pack(">I", next(control)) + row)]
    return b"".join([*parts, chunk(b"IEND", b"")])


def black_rows(width: int, height: int) -> bytes:
    """A grey PNG of any sides, all zeros."""
    return png(width, height, [zlib.compress(bytes((width + 1) * height), 1)])


# JPEG


def jpeg_header(width: int, height: int, marker: int) -> bytes:
    """A JPEG that begins a scan of three colours and has no data for it."""
    parts = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = struct.pack(">BHHB", 8, height, width, 3) + parts
    scan = bytes([3, 1, 0, 2, 0, 3, 0, 0, 0 if marker == 0xC2 else 63, 0])
    table = bytes([0]) + bytes([1] * 64)
    codes = bytes([0, 0, 1, *[0] * 14, 0])
    segments = [(0xDB, table), (marker, frame), (0xC4, codes), (0xC4, b"\x10" + codes[1:])]
    segments.append((0xDA, scan))
    return b"\xff\xd8" + b"".join(segment(kind, body) for kind, body in segments)


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    """A good JPEG with these segments before all others."""
    whole = sample("plain.jpg")
    return whole[:2] + b"".join(segments) + whole[2:]


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    whole = sample("progressive.jpg")
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def sparse_jpeg(path: Path, _: Traps) -> None:
    """96 MiB of which all but the beginning is a hole."""
    path.write_bytes(sample("cut.jpg"))
    os.truncate(path, _SPARSE)


def commented_jpeg(path: Path, _: Traps) -> None:
    """96 MiB of comments, and then a picture that is cut off."""
    comment = segment(0xFE, bytes(65_533))
    with path.open("wb") as file:
        file.write(b"\xff\xd8")
        file.writelines(itertools.repeat(comment, _SPARSE // len(comment)))
        file.write(sample("cut.jpg")[2:])


def exif(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """An Exif segment of one directory at offset 8; entries are tag, type, count, value."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + rows + struct.pack("<I", following)
    return segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + directory)


# GIF and WebP


def gif(frames: int) -> bytes:
    """An animated GIF of single pixels."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    control = b"\x21\xf9\x04\x04\x01\0\0\0"
    pixel = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return head + (control + pixel) * frames + b"\x3b"


def gif_screen(width: int, height: int) -> bytes:
    """A GIF of a single pixel on a screen of these sides."""
    whole = bytearray(gif(1))
    struct.pack_into("<HH", whole, 6, width, height)
    return bytes(whole)


def riff(form: bytes, *chunks: tuple[bytes, bytes], length: int | None = None) -> bytes:
    """A RIFF file; `length` is what its header claims."""
    body = form
    for kind, content in chunks:
        body += kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body) if length is None else length) + body


def lossless_webp(width: int, height: int) -> bytes:
    """The VP8L chunk's content of a small picture."""
    made = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(made, "WEBP", lossless=True)
    whole = made.getvalue()
    at = whole.index(b"VP8L")
    (length,) = struct.unpack_from("<I", whole, at + 4)
    return whole[at + 8 : at + 8 + length]


def canvas(width: int, height: int, flags: int) -> tuple[bytes, bytes]:
    """The VP8X chunk of a WebP."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def animated_webp(frames: int) -> bytes:
    """An animated WebP of single pixels."""
    content = lossless_webp(1, 1)
    picture = b"VP8L" + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    frame = (b"ANMF", bytes(12) + (10).to_bytes(3, "little") + b"\0" + picture)
    packed = riff(b"", frame)[8:] * frames
    head = riff(b"WEBP", canvas(1, 1, 0x02), (b"ANIM", bytes(6)))
    return head[:4] + struct.pack("<I", len(head) - 8 + len(packed)) + head[8:] + packed


# TIFF


def tiff(tags: dict[int, tuple[int, int, int]], following: int = 0, tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory; tags are type, count and value. `tail` is behind."""
    wanted = {256: (3, 1, 8), 257: (3, 1, 8), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    wanted |= {277: (3, 1, 1), 278: (3, 1, 8), 273: (4, 1, 0), 279: (4, 1, 64)} | tags
    if wanted[273][2] == 0:
        wanted[273] = (4, 1, 8 + 2 + 12 * len(wanted) + 4)
    rows = b"".join(struct.pack("<HHII", tag, *wanted[tag]) for tag in sorted(wanted))
    directory = struct.pack("<H", len(wanted)) + rows + struct.pack("<I", following)
    return b"II*\0\x08\0\0\0" + directory + bytes(64) + tail


def tiff_pages(count: int) -> bytes:
    """A TIFF of as many pages, all with the same data."""
    first = tiff({})
    length = 2 + 12 * 9 + 4
    data = 8 + length
    page = first[8 : 8 + length - 4]
    starts = [data + 64 + number * length for number in range(count - 1)]
    nexts = [*starts, 0]
    pages = [page + struct.pack("<I", following) for following in nexts]
    return first[:8] + pages[0] + bytes(64) + b"".join(pages[1:])


def tiff_bomb() -> bytes:
    """One strip of 20 000 × 20 000 zeros in a few kilobytes."""
    packed = deflated(400 << 20)
    tags = {256: (4, 1, 20_000), 257: (4, 1, 20_000), 259: (3, 1, 8), 278: (4, 1, 20_000)}
    return tiff(tags | {273: (4, 1, 8 + 2 + 12 * 9 + 4 + 64), 279: (4, 1, len(packed))}) + packed


def big_tiff() -> bytes:
    """A BigTIFF whose directory lies beyond all disks."""
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", 1 << 62) + bytes(100)


# AVIF


def avif_sides(width: int, height: int) -> bytes:
    """An AVIF that claims other sides than its picture has."""
    whole = bytearray(sample("photo.avif"))
    struct.pack_into(">II", whole, whole.index(b"ispe") + 8, width, height)
    return bytes(whole)


def avif_items(count: int) -> bytes:
    """An AVIF that claims to have many items."""
    whole = bytearray(sample("photo.avif"))
    struct.pack_into(">H", whole, whole.index(b"iinf") + 8, count)
    return bytes(whole)


# Pictures that are stored as they are


def svg(body: str, attributes: str = "width='9' height='9'", before: str = "") -> bytes:
    """A drawing."""
    space = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'"
    return f"<?xml version='1.0'?>{before}<svg {space} {attributes}>{body}</svg>".encode()


def svg_entities() -> bytes:
    """A billion laughs."""
    names = [chr(ord("a") + number) for number in range(10)]
    first = "<!ENTITY a 'ha'>"
    rest = "".join(
        f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in itertools.pairwise(names)
    )
    return svg("<text>&j;</text>", before=f"<!DOCTYPE svg [{first}{rest}]>")


def svg_references(path: Path, traps: Traps) -> None:
    """A drawing that wants other files, here and elsewhere."""
    links = (traps.film.as_uri(), traps.url, "/etc/passwd")
    body = "".join(f"<image xlink:href='{link}' width='9' height='9'/>" for link in links)
    entity = f"<!DOCTYPE svg [<!ENTITY x SYSTEM '{traps.film.as_uri()}'>]>"
    path.write_bytes(svg(f"{body}<text>&x;</text>", before=entity))


def exr(flags: int, window: tuple[int, int, int, int]) -> bytes:
    """The header of an OpenEXR picture."""

    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    channel = b"R\0" + struct.pack("<IIII", 2, 0, 1, 1) + b"\0"
    box = struct.pack("<4i", *window)
    attributes = [
        attribute(b"channels", b"chlist", channel),
        attribute(b"compression", b"compression", b"\0"),
        attribute(b"dataWindow", b"box2i", box),
        attribute(b"displayWindow", b"box2i", box),
        attribute(b"lineOrder", b"lineOrder", b"\0"),
        attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        attribute(b"screenWindowCenter", b"v2f", bytes(8)),
        attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    ]
    return b"v/1\x01" + struct.pack("<I", 2 | flags) + b"".join(attributes) + b"\0" + bytes(100)


def bmp(width: int, height: int) -> bytes:
    """The header of a Windows bitmap."""
    second = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 0xFFFFFFFF, 0, 0, 54) + second


def psd() -> bytes:
    """The header of a Photoshop picture of the largest sides, with lengths beyond its end."""
    return (
        b"8BPS\x00\x02"
        + bytes(6)
        + struct.pack(">HIIHH", 56, 300_000, 300_000, 32, 3)
        + (b"\xff" * 40)
    )


def dds() -> bytes:
    """The header of a texture of 2³² − 1 pixels a side."""
    return b"DDS \x7c\x00\x00\x00" + b"\xff" * 120


def jp2() -> bytes:
    """A JPEG 2000 codestream of 2³² − 1 pixels a side, in tiles of one pixel."""
    size = struct.pack(">HIIIIIIIIH", 0, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 1, 1, 0, 0, 16_384)
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(size) + 2) + size
