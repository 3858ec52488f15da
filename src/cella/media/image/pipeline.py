"""A foreign picture into the six previews. Runs in a child of the sandbox, never elsewhere."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from cella.media.image.formats import recognise
from cella.media.image.load import decode, read_header, refuse_too_large
from cella.media.image.scale import base_size, chain
from cella.media.image.vips import Picture, plain_words, prepare
from cella.media.plan import Wanted, plan

_QUALITY = 90


def make_previews(source: Path, folder: Path, max_pixels: int) -> tuple[int, int]:
    """Write `<size>.jpg` into `folder` for each size of the plan.

    Returns the width and height of `source` in pixels, as it is displayed. Raises `CannotDecode`
    where it is broken or no picture of ours, `OverLimit` where it has more than `max_pixels`;
    then nothing is written.
    """
    format = recognise(source)
    prepare()
    with plain_words(source, format):
        header = read_header(source, format)
        refuse_too_large(header, max_pixels)
        wanted = plan(header.width, header.height)
        size = base_size(header.width, header.height, wanted)
        base = decode(source, format, header, *size)
    for name, jpeg in _encoded(chain(base, wanted)).items():
        (folder / f"{name}.jpg").write_bytes(jpeg)
    return header.width, header.height


def _encoded(previews: Iterable[tuple[Wanted, Picture]]) -> dict[str, bytes]:
    """The bytes of each preview by its size. One is encoded while the next is made.

    Two sizes of a small picture may be the very same picture, which is encoded once.
    """
    with ThreadPoolExecutor(max_workers=1) as encoder:
        begun: list[tuple[Wanted, Picture, Future[bytes]]] = []
        for wanted, picture in previews:
            same = (jpeg for _, other, jpeg in begun if other is picture)
            jpeg = next(same, None) or encoder.submit(_jpeg, picture)
            begun.append((wanted, picture, jpeg))
        return {wanted.size: jpeg.result() for wanted, _, jpeg in begun}


def _jpeg(picture: Picture) -> bytes:
    """Baseline JPEG without metadata. Halved colour saves a fifth of the bytes at this quality."""
    encoded: bytes = picture.jpegsave_buffer(Q=_QUALITY, keep="none", subsample_mode="on")
    return encoded
