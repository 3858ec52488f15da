"""Settings of what the service does."""

import msgspec


class FlowsConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Times are in seconds.

    `upload_wait`: how long an upload's answer waits for its previews. `upload_stall`: an upload
    that brings less than `upload_stall_bytes` in this time is given up. `discard_grace`: how
    long a deleted file's bytes are kept.
    """

    upload_wait: float = 10.0
    upload_stall: float = 60.0
    upload_stall_bytes: int = 16 << 10
    discard_grace: float = 7 * 24 * 3600.0
