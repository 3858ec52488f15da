"""Scenes, papers, archives and programs that are stored as they are, whatever they do."""

import gzip
import struct
import zlib

_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCK = 128 << 10


def blend(*blocks: tuple[bytes, int]) -> bytes:
    """A .blend of blocks that claim these lengths and hold next to nothing."""
    head = b"BLENDER-v300"
    return head + b"".join(
        struct.pack("<4siQII", kind, length, 0, 0, 1) + bytes(64) for kind, length in blocks
    )


def new_blend() -> bytes:
    """A .blend of Blender 5 whose thumbnail is 2⁶² bytes long, and of no size."""
    block = struct.pack("<4sIQqq", b"TEST", 0, 0, 1 << 62, -1)
    return b"BLENDER17-01v0500" + block + struct.pack("<ii", -1, 0x7FFFFFFF)


def gzip_bomb() -> bytes:
    """1 GiB of zeros, in members of 16 MiB."""
    return gzip.compress(bytes(16 << 20), 6, mtime=0) * 64


def zstd_blend() -> bytes:
    """A .blend in Zstandard (RFC 8878) that unpacks to 1 GiB: each block is one byte repeated."""
    first = b"BLENDER-v300"
    raw = (len(first) << 3).to_bytes(3, "little") + first
    block = (_ZSTD_BLOCK << 3 | 0b010).to_bytes(3, "little") + b"\0"
    last = (_ZSTD_BLOCK << 3 | 0b011).to_bytes(3, "little") + b"\0"
    return _ZSTD + b"\x00\x58" + raw + block * 8_191 + last


def zip_bomb() -> bytes:
    """A zip whose 1 000 entries are all the same 16 MiB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(16 << 20)) + packer.flush()
    check = zlib.crc32(bytes(16 << 20))
    sizes = struct.pack("<IIIHH", check, len(packed), 16 << 20, 1, 0)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + b"0" + packed
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
    entry += struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"0"
    listing = entry * 1_000
    end = struct.pack("<HHHHIIH", 0, 0, 1_000, 1_000, len(listing), len(local), 0)
    return local + listing + b"PK\x05\x06" + end


def pdf() -> bytes:
    """A paper that runs a program when it is opened, and calls home."""
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction 3 0 R"
        b"/Names<</JavaScript 4 0 R>>>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 1000000000>>endobj\n"
        b"3 0 obj<</S/Launch/F(/bin/sh)>>endobj\n"
        b"4 0 obj<</S/JavaScript/JS(app.alert(1))>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )


def program() -> bytes:
    """The beginning of a program for Windows."""
    return b"MZ\x90\x00" + bytes(56) + struct.pack("<I", 64) + b"PE\0\0" + bytes(200)
