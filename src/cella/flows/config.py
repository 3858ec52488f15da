"""Settings of what the service does."""

import msgspec

from cella.settings import Count, Seconds, SomeSeconds


class FlowsConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Times are in seconds.

    `upload_wait`: how long an upload's answer waits for its previews. `upload_stall`: an upload
    that brings less than `upload_stall_bytes` in this time is given up. `discard_grace`: how
    long a deleted file's bytes are kept.
    """

    upload_wait: Seconds = 10.0
    upload_stall: SomeSeconds = 60.0
    upload_stall_bytes: Count = 16 << 10
    discard_grace: Seconds = 7 * 24 * 3600.0
