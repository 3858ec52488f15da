"""The media type that the first bytes of a file show.

A table of our own: no library knows .blend, .exr, .usdc, .abc or .vdb, and a table can be read.
Most formats have a signature at a fixed place; the few containers that do not are functions
below the table. Text has no signature and is never recognised here.

Sources: the formats' own specifications, and the WHATWG MIME Sniffing Standard
(https://mimesniff.spec.whatwg.org/) for those that browsers know.
"""

import re
import struct
from collections.abc import Callable

HEAD = 64 * 1024
"""Bytes of a file that `sniff` looks at, at most."""

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    # pictures
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"8BPS\x00\x01", "image/vnd.adobe.photoshop"),
    (0, b"8BPS\x00\x02", "image/vnd.adobe.photoshop"),
    (0, b"v/1\x01", "application/x-exr"),
    (0, b"#?RADIANCE", "application/x-radiance-hdr"),
    (0, b"#?RGBE", "application/x-radiance-hdr"),
    (0, b"SDPX", "image/x-dpx"),
    (0, b"XPDS", "image/x-dpx"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\xff\x4f\xff\x51", "image/jp2"),
    (0, b"\xabKTX 11\xbb\r\n\x1a\n", "image/ktx"),
    (0, b"\xabKTX 20\xbb\r\n\x1a\n", "image/ktx2"),
    (0, b"DDS \x7c\x00\x00\x00", "image/vnd-ms.dds"),
    # sound and film
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01", "application/mxf"),
    # scenes
    (0, b"BLENDER", "application/x-blender"),
    (0, b"glTF\x01\x00\x00\x00", "model/gltf-binary"),
    (0, b"glTF\x02\x00\x00\x00", "model/gltf-binary"),
    (0, b"PXR-USDC", "model/vnd.usdc"),
    (0, b"Ogawa", "application/x-alembic"),
    (0, b" BDV\x00\x00\x00\x00", "application/x-openvdb"),
    (0, b"Kaydara FBX Binary  \x00", "application/x-fbx"),
    # documents and archives
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"PK\x07\x08", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
)

_FTYP_BRANDS: dict[bytes, str] = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
    b"crx ": "image/x-canon-cr3",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4P ": "audio/mp4",
    b"M4V ": "video/x-m4v",
    b"M4VH": "video/x-m4v",
    b"M4VP": "video/x-m4v",
}
"""Brands of ISO/IEC 14496-12, section 4.3, from the registry https://mp4ra.org; others are MP4."""

_ANY_CODEC = frozenset({b"mif1", b"msf1"})

_RIFF_FORMS: dict[bytes, str] = {
    b"WEBP": "image/webp",
    b"WAVE": "audio/wav",
    b"AVI ": "video/x-msvideo",
}

_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_KIND_OF_PICTURE = 254  # NewSubfileType of TIFF 6.0
_REDUCED = 1
_CAMERA_MAKER = 271
_DNG_VERSION = 50706
_TS_PACKETS = ((0, 188), (4, 192))


def sniff(head: bytes) -> str | None:
    """The media type of a file that begins with `head`, or None where it is not recognised.

    `head` is the first `HEAD` bytes of the file, or all of a shorter one; what is beyond is not
    looked at.
    """
    head = head[:HEAD]
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    for container in _CONTAINERS:
        found = container(head)
        if found is not None:
            return found
    return None


def _iso_bmff(head: bytes) -> str | None:
    if head[4:8] != b"ftyp":
        return None
    length = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(length, 256), 4))]
    if brands[0] in _ANY_CODEC:
        # Which codec such a picture uses is said by a compatible brand only.
        codecs = (brand for brand in brands if brand in _FTYP_BRANDS and brand not in _ANY_CODEC)
        return _FTYP_BRANDS[next(codecs, brands[0])]
    if brands[0][:2] == b"3g":
        return "video/3gpp"
    return _FTYP_BRANDS.get(brands[0], "video/mp4")


def _old_quicktime(head: bytes) -> str | None:
    """QuickTime files from before `ftyp` begin with one of their atoms."""
    return "video/quicktime" if head[4:8] in {b"moov", b"mdat", b"wide", b"pnot"} else None


def _riff(head: bytes) -> str | None:
    if head[:4] not in {b"RIFF", b"RF64", b"BW64"}:
        return None
    return _RIFF_FORMS.get(head[8:12])


def _iff(head: bytes) -> str | None:
    return "audio/aiff" if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"} else None


def _ebml(head: bytes) -> str | None:
    """Matroska and WebM: the DocType element (0x4282) of the EBML header, RFC 8794."""
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return "video/webm" if b"\x42\x82\x84webm" in head[:256] else "video/x-matroska"


def _ogg(head: bytes) -> str | None:
    """Ogg, RFC 3533: the first pages begin one stream each, and name its codec."""
    if not head.startswith(b"OggS\x00"):
        return None
    start = head[:4096]
    if b"\x80theora" in start:
        return "video/ogg"
    audio = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
    return "audio/ogg" if any(codec in start for codec in audio) else "application/ogg"


def _tiff(head: bytes) -> str | None:
    """TIFF 6.0 and BigTIFF; raw formats of cameras are told apart from it.

    Those of Nikon, Sony and others begin with a small preview of the picture they hold.
    """
    if not head.startswith(_TIFF_MAGICS):
        return None
    if head[8:10] == b"CR" and head[10:11] == b"\x02":
        return "image/x-canon-cr2"
    tags = _first_directory(head)
    if _DNG_VERSION in tags:
        return "image/x-adobe-dng"
    if _CAMERA_MAKER in tags and tags.get(_KIND_OF_PICTURE, 0) & _REDUCED:
        return "image/x-dcraw"
    return "image/tiff"


def _first_directory(head: bytes) -> dict[int, int]:
    """The first directory of a classic TIFF as far as it lies in `head`: tags and raw values."""
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8 or struct.unpack(f"{order}H", head[2:4]) != (42,):
        return {}
    (at,) = struct.unpack(f"{order}I", head[4:8])
    if len(head) < at + 2:
        return {}
    (count,) = struct.unpack(f"{order}H", head[at : at + 2])
    entries = head[at + 2 : at + 2 + 12 * count]
    whole = len(entries) // 12 * 12
    return dict(struct.iter_unpack(f"{order}H6xI", entries[:whole]))


def _bmp(head: bytes) -> str | None:
    """Two letters prove little, so the length of the second header must be a known one too."""
    known = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return "image/bmp" if known else None


def _bzip2(head: bytes) -> str | None:
    return "application/x-bzip2" if re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", head) else None


def _mpeg_ts(head: bytes) -> str | None:
    """MPEG-2 transport stream: the sync byte comes back with every packet."""
    for first, packet in _TS_PACKETS:
        at = range(first, min(len(head), first + 5 * packet), packet)
        if len(at) >= 3 and all(head[offset] == 0x47 for offset in at):
            return "video/mp2t"
    return None


def _mp3(head: bytes) -> str | None:
    """MPEG audio without a tag: two frames that follow one another (ISO/IEC 11172-3, 2.4.1.3)."""
    length = _mp3_frame(head)
    if length is None or _mp3_frame(head[length:]) is None:
        return None
    return "audio/mpeg"


def _mp3_frame(frame: bytes) -> int | None:
    """The length in bytes of a layer III frame, or None where there is none."""
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return None
    version, rate, sampling = (frame[1] >> 3) & 3, frame[2] >> 4, (frame[2] >> 2) & 3
    if version == 1 or rate in {0, 15} or sampling == 3:
        return None
    first = version == 3
    kbit = (_MP3_KBIT if first else _MP3_KBIT_LOW)[rate]
    hertz = (44100, 48000, 32000)[sampling] >> {3: 0, 2: 1, 0: 2}[version]
    return (144 if first else 72) * kbit * 1000 // hertz + ((frame[2] >> 1) & 1)


_MP3_KBIT = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBIT_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)

_CONTAINERS: tuple[Callable[[bytes], str | None], ...] = (
    _iso_bmff,
    _old_quicktime,
    _riff,
    _iff,
    _ebml,
    _ogg,
    _tiff,
    _bmp,
    _bzip2,
    _mpeg_ts,
    _mp3,
)

RECOGNISED: frozenset[str] = frozenset(
    [media_type for _, _, media_type in _SIGNATURES]
    + [*_FTYP_BRANDS.values(), *_RIFF_FORMS.values()]
    + ["video/mp4", "video/3gpp", "audio/aiff", "video/webm", "video/x-matroska"]
    + ["video/ogg", "audio/ogg", "application/ogg", "image/tiff", "image/x-canon-cr2"]
    + ["image/x-adobe-dng", "image/x-dcraw", "image/bmp", "application/x-bzip2", "video/mp2t"]
)
"""Every type that `sniff` may give."""
