"""What the size of a film is called (contract.md, section 4.6). Pure."""

_BY_WIDTH: dict[int, str] = {
    640: "480p",
    720: "576p",
    1280: "720p",
    1920: "1080p",
    2048: "2k",
    3840: "UHD",
    4096: "4k",
}


def size_descriptor(width: int, height: int) -> str:
    """The name of a film of `width` × `height` pixels: by the width where that has one."""
    return _BY_WIDTH.get(width, f"{height}p")
