"""Pictures that are too big to commit, made from a committed photograph.

Also used by the benchmarks, so that tests and figures speak of the same pictures.
"""

import itertools
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).parent / "samples"
PHOTOGRAPH = SAMPLES / "plain.jpg"


def photograph(path: Path, width: int, height: int, quality: int = 92) -> Path:
    """Write a picture of `width` × `height` pixels with the detail and grain of a camera's.

    The format follows the suffix. The same arguments give the same picture.
    """
    with Image.open(PHOTOGRAPH) as small:
        large = small.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(7).normal(0, 6, (1024, 1024, 1)).astype(np.int16)
    pixels = np.asarray(large)
    result = np.empty_like(pixels)
    for top in range(0, height, 1024):
        rows = pixels[top : top + 1024].astype(np.int16)
        tile = np.tile(grain[: rows.shape[0]], (1, -(-width // 1024), 1))[:, :width]
        result[top : top + 1024] = np.clip(rows + tile, 0, 255)
    Image.fromarray(result).save(path, quality=quality)
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, bodies: Iterable[bytes], colour: int = 0) -> bytes:
    """A PNG of 8 bits a sample whose data comes in these bodies, whatever they hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = b"".join(chunk(b"IDAT", body) for body in bodies if body)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def black(width: int, height: int) -> bytes:
    """A grey PNG of zeros, which packs a thousandfold."""
    packer = zlib.compressobj(1)
    rows = bytes((width + 1) * 100)
    packed = (packer.compress(rows) for _ in range(height // 100))
    return png(width, height, itertools.chain(packed, (packer.flush() for _ in range(1))))
