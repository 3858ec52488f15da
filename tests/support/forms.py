"""Forms as browsers spell them, byte by byte, for what no client library lets one send."""

from typing import NamedTuple

BOUNDARY = "----CellaTestBoundary7MA4YWxk"


class Form(NamedTuple):
    """A body of `multipart/form-data` and the headers that announce it."""

    headers: dict[str, str]
    body: bytes


def part(
    content: bytes,
    filename: str | None = "some.bin",
    content_type: str | None = "application/octet-stream",
    field: str = "file",
) -> bytes:
    """One part with its delimiter; the name is escaped as the WHATWG's HTML standard says."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"'
    if filename is not None:
        escaped = filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head += f'; filename="{escaped}"'
    if content_type is not None:
        head += f"\r\nContent-Type: {content_type}"
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes, is_closed: bool = True) -> Form:
    """The parts as a form; one that is not closed lacks its last delimiter."""
    body = b"".join(parts) + (f"--{BOUNDARY}--\r\n".encode() if is_closed else b"")
    return Form({"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, body)
