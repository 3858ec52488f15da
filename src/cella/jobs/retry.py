"""How background work is run, and how long to pause before trying again. Pure."""

from typing import Annotated

import msgspec

from cella.settings import Count, Seconds, SomeSeconds

MAX_ATTEMPTS = 8
_MOST_DOUBLINGS = 62


class JobsConfig(msgspec.Struct, kw_only=True, frozen=True):
    """How background work is run; times are seconds.

    `lease_seconds` is how long a dead worker keeps its jobs from the others; it must be well
    above the difference between the machines' clocks. `slots` is how many jobs one worker does
    at once, 0 for one per core. Kinds in `limits` have so many places of their own instead, in
    each worker; 0 leaves them to other workers. `stop_seconds` is how long a stopping worker waits
    for its jobs before it hands them back.
    """

    lease_seconds: SomeSeconds = 30.0
    poll_seconds: SomeSeconds = 1.0
    slots: Annotated[int, msgspec.Meta(ge=0)] = 0
    limits: dict[str, Annotated[int, msgspec.Meta(ge=0)]] = msgspec.field(
        default_factory=lambda: {
            "encode": 1,
            "encoded": 2,
            "zencoder_cancel": 1,
            "digest": 1,
            "sweep": 1,
            "verify": 1,
        }
    )
    max_attempts: Count = MAX_ATTEMPTS
    retry_base_seconds: Seconds = 5.0
    retry_cap_seconds: Seconds = 300.0
    stop_seconds: Seconds = 10.0


def pause(config: JobsConfig, attempts: int, chance: float) -> float:
    """Seconds to wait after attempt number `attempts` (from 1) failed.

    Exponential with full jitter: any part of a span that doubles with each attempt up to the
    cap, so jobs that failed together do not come back together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). `chance` is a
    random number from 0 to 1 and picks the part.
    """
    doublings = min(max(attempts - 1, 0), _MOST_DOUBLINGS)
    return chance * min(config.retry_cap_seconds, config.retry_base_seconds * 2.0**doublings)
