"""How large the parts are in which a blob of unknown length is sent: pure arithmetic.

A cloud takes so many parts and no more, and nobody knows how long a body gets. So parts begin
small and double with each thousand: up to 8 GiB a part is 8 MiB of memory, at 100 GiB it is 64 MiB,
at 1 TiB 1 GiB, and 5 TiB fit into the 10 000 parts that S3 allows.
"""

FIRST = 8 << 20
"""Bytes of the first thousand parts; S3 takes no smaller ones than 5 MiB."""

MEMORY = 3 * FIRST
"""Bytes of parts that are on their way at once, unless one part alone is larger."""

_STEP = 1000
_LARGEST = 4 << 30


def size(number: int) -> int:
    """Bytes of the part `number`, the first of which is 1, unless the body ends in it."""
    return min(FIRST << ((number - 1) // _STEP), _LARGEST)


def at_once(number: int) -> int:
    """How many parts as large as the part `number` may be on their way at the same time."""
    return max(1, MEMORY // size(number))
