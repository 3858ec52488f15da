"""Pictures that are too big to commit, made from a committed photograph.

Also used by the benchmarks, so that tests and figures speak of the same pictures.
"""

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
