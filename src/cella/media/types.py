"""Which media type a file has: what its sender says, what its name says, what its bytes say.

Sender and name are weighed as the original did, and as its clients rely on (contract.md, section
4.3). The bytes have the last word where they contradict, because a type decides what is done
with a file. Within one *family* of types they do not contradict: a .docx is a zip, and
`audio/mp3` is but another name of `audio/mpeg`.
"""

import mimetypes
import re

from cella.errors import BadRequest
from cella.media.sniff import RECOGNISED

_NAMES: dict[str, str] = {
    # pictures
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".dds": "image/vnd-ms.dds",
    ".dng": "image/x-adobe-dng",
    ".dpx": "image/x-dpx",
    ".exr": "application/x-exr",
    ".hdr": "application/x-radiance-hdr",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jfif": "image/jpeg",
    ".jp2": "image/jp2",
    ".jxl": "image/jxl",
    ".ktx": "image/ktx",
    ".ktx2": "image/ktx2",
    ".psd": "image/vnd.adobe.photoshop",
    ".tga": "image/x-tga",
    ".webp": "image/webp",
    ".arw": "image/x-sony-arw",
    ".cr2": "image/x-canon-cr2",
    ".cr3": "image/x-canon-cr3",
    ".nef": "image/x-nikon-nef",
    ".orf": "image/x-olympus-orf",
    ".rw2": "image/x-panasonic-rw2",
    # sound and film
    ".3gp": "video/3gpp",
    ".aac": "audio/aac",
    ".aif": "audio/aiff",
    ".aiff": "audio/aiff",
    ".avi": "video/x-msvideo",
    ".flac": "audio/flac",
    ".flv": "video/x-flv",
    ".m2ts": "video/mp2t",
    ".m4a": "audio/mp4",
    ".m4v": "video/x-m4v",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".mts": "video/mp2t",
    ".mxf": "application/mxf",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/x-wav",
    ".webm": "video/webm",
    # scenes
    ".abc": "application/x-alembic",
    ".blend": "application/x-blender",
    ".dae": "model/vnd.collada+xml",
    ".fbx": "application/x-fbx",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".kra": "application/x-krita",
    ".mtl": "model/mtl",
    ".obj": "model/obj",
    ".ora": "image/openraster",
    ".ply": "model/ply",
    ".stl": "model/stl",
    ".usd": "model/vnd.usd",
    ".usda": "model/vnd.usda",
    ".usdc": "model/vnd.usdc",
    ".usdz": "model/vnd.usdz+zip",
    ".vdb": "application/x-openvdb",
    # documents and archives
    ".7z": "application/x-7z-compressed",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".js": "text/javascript",
    ".md": "text/markdown",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".rar": "application/vnd.rar",
    ".svg": "image/svg+xml",
    ".xhtml": "application/xhtml+xml",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}

_DECLARED_AS: dict[str, str] = {"image/x-exr": "application/x-exr"}
"""Types that clients send for what has another name here."""

_SAYS_NOTHING = frozenset({"application/octet-stream", "binary/octet-stream"})

_FAMILIES: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "image/jpeg image/jpg image/pjpeg image/x-jpeg",
        "image/png image/x-png image/apng image/vnd.mozilla.apng",
        "image/bmp image/x-bmp image/x-ms-bmp",
        "image/avif image/avif-sequence",
        "image/heic image/heif image/heic-sequence image/heif-sequence",
        "image/tiff image/tif image/x-tiff image/x-tif image/x-adobe-dng image/x-canon-cr2"
        " image/x-nikon-nef image/x-sony-arw image/x-sony-sr2 image/x-pentax-pef"
        " image/x-samsung-srw image/x-hasselblad-3fr image/x-kodak-dcr image/x-dcraw image/geotiff",
        "image/vnd.adobe.photoshop image/x-photoshop image/x-psd image/psd"
        " application/photoshop application/psd application/x-photoshop",
        "application/x-exr image/x-exr image/exr image/aces",
        "application/x-radiance-hdr image/vnd.radiance image/x-hdr image/x-rgbe",
        "image/x-dpx image/dpx application/x-dpx",
        "image/jp2 image/jpx image/jpm image/j2k image/j2c image/x-jp2",
        "image/ktx image/ktx2",
        "image/vnd-ms.dds image/vnd.ms-dds image/x-dds image/dds",
        "audio/mpeg audio/mp3 audio/x-mp3 audio/mpeg3 audio/x-mpeg audio/x-mpeg-3 audio/mpg",
        "audio/wav audio/x-wav audio/wave audio/vnd.wave audio/x-pn-wav",
        "audio/flac audio/x-flac",
        "audio/aiff audio/x-aiff",
        "video/mp4 video/quicktime video/x-m4v video/3gpp video/3gpp2 video/x-quicktime"
        " application/mp4 audio/mp4 audio/m4a audio/x-m4a audio/m4b audio/x-m4b audio/3gpp"
        " audio/mp4a-latm audio/aac",
        "video/x-matroska video/matroska video/webm video/x-matroska-3d"
        " audio/x-matroska audio/matroska audio/webm",
        "video/x-msvideo video/avi video/msvideo video/vnd.avi",
        "video/mp2t video/mpeg video/x-mpeg video/mpg",
        "video/ogg audio/ogg application/ogg audio/opus audio/vorbis audio/x-ogg video/x-ogg"
        " audio/x-vorbis+ogg video/x-theora+ogg audio/x-opus+ogg",
        "video/x-flv video/flv",
        "application/mxf video/mxf video/x-mxf application/x-mxf",
        "model/gltf-binary model/gltf.binary",
        "model/vnd.usdc model/vnd.usd application/x-usd application/x-usdc",
        "application/x-alembic model/x-alembic",
        "application/x-openvdb model/vnd.openvdb",
        "application/x-fbx model/fbx application/vnd.autodesk.fbx application/fbx",
        "application/x-blender application/vnd.blender",
        "application/pdf application/x-pdf",
        "application/zip application/x-zip application/x-zip-compressed",
        "application/gzip application/x-gzip",
        "application/zstd application/x-zstd",
        "application/vnd.rar application/x-rar application/x-rar-compressed",
        "application/x-xz application/xz",
        "application/x-bzip2 application/x-bzip application/bzip2",
        "application/x-7z-compressed application/x-7z",
    )
)

_WRAPPED: dict[str, re.Pattern[str]] = {
    "application/zip": re.compile(r"application/.+|model/.+|image/openraster|.+\+zip"),
    "application/gzip": re.compile(r"application/.+"),
    "application/zstd": re.compile(r"application/.+"),
    "application/x-bzip2": re.compile(r"application/.+"),
    "application/x-xz": re.compile(r"application/.+"),
}
"""Types that others are built on: a .docx is a zip, a .tar.gz a gzip stream.

What has a signature of its own cannot be inside one, except what `_COMPRESSIBLE` names.
"""

_COMPRESSIBLE = frozenset({"application/x-blender"})

_TOKEN = r"[a-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110 section 5.6.2 calls it so
_MEDIA_TYPE = re.compile(f"{_TOKEN}/{_TOKEN}")


def decide_type(filename: str, declared: str | None, sniffed: str | None) -> str:
    """The media type to keep for a file, lower-case and without parameters.

    `declared` is the Content-Type that came with the bytes, `sniffed` what `sniff` made of them.
    Raises `BadRequest` where none of the three tells a type.
    """
    wanted = _by_name_and_sender(filename, _parse(declared))
    if sniffed is None:
        if wanted is None:
            raise BadRequest(
                "Missing content type. Send one like image/png, "
                "or a file name with an extension that tells it."
            )
        return wanted
    return wanted if wanted is not None and _agree(wanted, sniffed) else sniffed


def format_of(content_type: str) -> str:
    """What comes after the first slash: `png` of `image/png`."""
    return content_type.partition("/")[2]


def _parse(declared: str | None) -> str | None:
    """The bare type of a Content-Type (RFC 9110 section 8.3), None where it is none."""
    bare = (declared or "").partition(";")[0].strip().lower()
    return _DECLARED_AS.get(bare, bare) if _MEDIA_TYPE.fullmatch(bare) else None


def _by_name_and_sender(filename: str, declared: str | None) -> str | None:
    """The contract's rule: video, audio and image are believed, else the name goes first."""
    if declared is not None and declared.startswith(("video/", "audio/", "image/")):
        return declared
    return _by_name(filename) or declared


def _by_name(filename: str) -> str | None:
    # `guess_type` takes a URL: a colon would make the beginning of the name a scheme.
    return _KNOWN_NAMES.guess_type(filename.replace(":", "_"))[0]


def _agree(wanted: str, sniffed: str) -> bool:
    if wanted == sniffed:
        return True
    if wanted in _SAYS_NOTHING:
        return False
    if any(wanted in family and sniffed in family for family in _FAMILIES):
        return True
    if sniffed not in _WRAPPED or (wanted in _WITH_SIGNATURE and wanted not in _COMPRESSIBLE):
        return False
    return _WRAPPED[sniffed].fullmatch(wanted) is not None


_WITH_SIGNATURE: frozenset[str] = RECOGNISED.union(
    *(family for family in _FAMILIES if family & RECOGNISED)
)


def _known_names() -> mimetypes.MimeTypes:
    """Python's own table and ours, not the machine's: the same answers everywhere."""
    names = mimetypes.MimeTypes(filenames=())
    for suffix, media_type in _NAMES.items():
        names.add_type(media_type, suffix)
    return names


_KNOWN_NAMES = _known_names()
