"""The headers of answers, described."""

from typing import Any

from cella.api.openapi.parts import A_DATE, A_FILE, AN_ETAG, COUNT, TEXT, Schema, ref


def _header(
    description: str, example: object, *, always: bool = False, schema: Schema = TEXT
) -> dict[str, Any]:
    required = {"required": True} if always else {}
    return {"description": description, **required, "schema": schema, "example": example}


HEADERS = {
    "X-Request-ID": _header(
        "Names the request in the log; the one that came along, where it is harmless.",
        "9e60d141ef9fff9b",
        always=True,
        schema={"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    ),
    "Vary": _header("What else the answer depends on.", "Authorization, Origin", always=True),
    "Access-Control-Allow-Origin": _header(
        "Where the request has `Origin`: the same, if it is one of `cors_origins`, else `*`.",
        "https://studio.example",
    ),
    "Access-Control-Allow-Credentials": _header(
        "Where `Origin` is one of `cors_origins`.", "true", schema={"const": "true"}
    ),
    "Access-Control-Expose-Headers": _header(
        "Where the request has `Origin`: the headers that scripts may read.",
        "Allow, ETag, Location",
    ),
    "Access-Control-Allow-Methods": _header(
        "Where the request has `Origin`: as `Allow`.", "GET, HEAD, OPTIONS"
    ),
    "Access-Control-Allow-Headers": _header(
        "Where the request has `Origin`: the headers that scripts may send.",
        "Authorization, Content-Type, If-Match",
    ),
    "Access-Control-Max-Age": _header(
        "Where the request has `Origin`: seconds for which browsers may remember this.",
        21600,
        schema=COUNT,
    ),
    "Allow": _header(
        "The methods that there are.",
        "GET, HEAD, OPTIONS",
        schema={"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"},
    ),
    "Allowed": _header(
        "What who asks may do in the project.",
        "DELETE, GET, POST, PUT",
        schema={"type": "string", "pattern": "^([A-Z]+(, [A-Z]+)*)?$"},
    ),
    "Cache-Control": _header("Who may keep the answer, and for how long.", "private, no-cache"),
    "ETag": _header(
        "Names the state; strong.",
        f'"{AN_ETAG}"',
        schema={"type": "string", "pattern": '^"[0-9a-f]{40,64}"$'},
    ),
    "Last-Modified": _header(
        "When it last changed.", A_DATE, schema={"type": "string", "pattern": " GMT$"}
    ),
    "Location": _header("Where the new document is.", f"/api/files/{A_FILE}"),
    "Tus-Resumable": _header(
        "The version of tus that is spoken.", "1.0.0", schema={"const": "1.0.0"}
    ),
    "Tus-Version": _header("All of them.", "1.0.0", schema={"const": "1.0.0"}),
    "Tus-Extension": _header(
        "What of tus there is besides its core.",
        "creation,creation-with-upload,expiration,termination",
    ),
    "Tus-Max-Size": _header("Bytes that a file has at most.", 1 << 50, schema=COUNT),
    "Upload-Offset": _header("How many bytes have come.", 40960, schema=COUNT),
    "Upload-Length": _header("How many bytes there are to come.", 61368, schema=COUNT),
    "Upload-Expires": _header(
        "When the upload is dropped.", A_DATE, schema={"type": "string", "pattern": " GMT$"}
    ),
    "Cella-State": _header(
        "What has become of the upload.",
        "complete",
        schema={"enum": ["receiving", "storing", "complete", "failed"]},
    ),
    "Cella-File": _header("The id of the file that the upload has become.", A_FILE),
    "X-Total-Count": _header("How many there are on all pages.", 4112, schema=COUNT),
    "Preference-Applied": _header(
        "Where the request has `Prefer: respond-async`.",
        "respond-async",
        schema={"const": "respond-async"},
    ),
    "Retry-After": _header("Seconds after which to try again.", 5, schema=COUNT),
    "Accept-Encoding": _header(
        "The codings that bodies may have.", "identity", schema={"const": "identity"}
    ),
    "Accept-Ranges": _header("Ranges are understood.", "bytes", schema={"const": "bytes"}),
    "Content-Range": _header(
        "Which bytes these are, of how many; with 416 only of how many.",
        "bytes 0-1023/61368",
        schema={"type": "string", "pattern": "^bytes ([0-9]+-[0-9]+|\\*)/[0-9]+$"},
    ),
    "Content-Disposition": _header(
        "Whether browsers show or save it, and its name (RFC 6266).",
        'inline; filename="plate 0041.jpg"',
    ),
    "Set-Cookie": _header(
        "The session, or its end.",
        "cella_session=…; HttpOnly; Max-Age=1209600; Path=/api; SameSite=strict",
    ),
    "Content-Security-Policy": _header(
        "What keeps it from running scripts.", "default-src 'none'; sandbox"
    ),
    "Cross-Origin-Resource-Policy": _header(
        "Pages of other origins may show it.", "cross-origin", schema={"const": "cross-origin"}
    ),
    "X-Content-Type-Options": _header(
        "Browsers do not guess the type.", "nosniff", schema={"const": "nosniff"}
    ),
}
"""Components."""

OF_ALL = (
    "X-Request-ID",
    "Vary",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Expose-Headers",
)
"""The headers that every answer may have."""


def of_all() -> dict[str, Any]:
    """The headers that every answer may have, by name."""
    return {name: ref("headers", name) for name in OF_ALL}
