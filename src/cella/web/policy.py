"""What the page may do in a browser: headers that hold whatever slips into it. Pure.

https://www.w3.org/TR/CSP3/
"""

from collections.abc import Collection


def headers(origins: Collection[str]) -> dict[str, str]:
    """The headers of the page; `origins` are those that links to blobs lead to.

    Scripts and styles come from files of our own and from nowhere else, and no text becomes a
    script or markup. Only documents are framed, which the browser's own viewer shows. Pictures
    that are dropped in are `blob:`, and so is what a player of HTTP Live Streaming feeds to a
    `<video>`.
    """
    own = " ".join(["'self'", *sorted(set(origins))])
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"{own} blob: data:",
        "media-src": f"{own} blob:",
        "connect-src": own,
        "frame-src": own,
        "font-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
