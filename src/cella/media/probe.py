"""What a film or a sound is made of, found out in the sandbox: what the flows call."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cella.errors import DecoderCrashed
from cella.media.film import Probe
from cella.media.sandbox import Sandbox, absolute
from cella.media.wire import Limits


async def probe(sandbox: Sandbox, source: Path, limits: Limits | None = None) -> Probe:
    """What `source` is made of.

    Raises `CannotDecode` with a sentence for who sent the file where it is broken or neither film
    nor sound, `OverLimit` where what it claims or what looking takes is too much,
    `DecoderCrashed` where another try may do better.
    """
    (found,) = await probe_all(sandbox, [source], limits)
    return found


async def probe_all(
    sandbox: Sandbox, sources: Sequence[Path], limits: Limits | None = None
) -> tuple[Probe, ...]:
    """What each of `sources` is made of, in one child. Raises as `probe` does, for any of them."""
    answer = await sandbox.run(
        "probe", {"sources": [absolute(path) for path in sources]}, limits, reads=sources
    )
    try:
        found = msgspec.convert(answer, tuple[Probe, ...])
    except msgspec.ValidationError as error:
        raise DecoderCrashed("The decoder gave a wrong answer. Try again.") from error
    if len(found) != len(sources):
        raise DecoderCrashed("The decoder gave a wrong answer. Try again.")
    return found
