"""What Zencoder is told to do: the body of a new job (contract, section 4.6). Pure."""

from typing import Any

_WIDTH, _HEIGHT = 1920, 1080
_STEP_OF_WIDTH, _STEP_OF_HEIGHT = 16, 8


def mp4_order(
    source: str,
    *,
    target: str | None,
    width: int | None,
    height: int | None,
    notifications: str,
) -> dict[str, Any]:
    """A job that makes one MP4 of `source`, never enlarged.

    `target` is where Zencoder puts it, None where it shall keep it until it is fetched. The
    sides are those of the source in pixels, None where they are not known.
    """
    output: dict[str, Any] = {"format": "mp4"}
    if target is not None:
        output["url"] = target
    output["upscale"] = False
    if width and height:
        output["size"] = "{}x{}".format(*capped(width, height))
    order: dict[str, Any] = {"input": source, "test": False, "outputs": [output]}
    if notifications:
        order["notifications"] = notifications
    return order


def capped(width: int, height: int) -> tuple[int, int]:
    """The sides of a film that is not larger than 1080p, as the original worked them out.

    A side that has to follow is a multiple of 16 (the width) or of 8 (the height), downwards.
    """
    if width > _WIDTH:
        height = _floor(height * _WIDTH / width, _STEP_OF_HEIGHT)
        width = _WIDTH
    if height > _HEIGHT:
        width = _floor(width * _HEIGHT / height, _STEP_OF_WIDTH)
        height = _HEIGHT
    return width, height


def _floor(side: float, step: int) -> int:
    return max(step, int(side) // step * step)
