"""Parts grow so that the largest blob fits into as many as a cloud takes."""

import pytest

from cella.store import parts

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40


def wanted(length: int) -> tuple[int, int]:
    """How many parts a blob of so many bytes has, and the bytes of the largest."""
    number = 0
    while length > 0:
        number += 1
        length -= parts.size(number)
    return number, parts.size(number)


@pytest.mark.parametrize(
    ("length", "count", "largest"),
    [
        (1, 1, 8 * MIB),
        (8 * MIB, 1, 8 * MIB),
        (8 * MIB + 1, 2, 8 * MIB),
        (5 * GIB, 640, 8 * MIB),
        (100 * GIB, 3725, 64 * MIB),
        (1 * TIB, 7032, 1 * GIB),
        (5 * TIB, 9282, 4 * GIB),
    ],
)
def test_a_blob_has_so_many_parts(length: int, count: int, largest: int) -> None:
    assert wanted(length) == (count, largest)


def test_parts_are_such_as_s3_takes() -> None:
    sizes = [parts.size(number) for number in range(1, 10_001)]
    assert min(sizes) >= 5 * MIB
    assert max(sizes) < 5 * GIB
    assert sizes == sorted(sizes)
    assert sum(sizes) > 5 * TIB


def test_memory_is_bounded() -> None:
    for number in range(1, 10_001, 100):
        on_their_way = parts.at_once(number) * parts.size(number)
        assert on_their_way <= max(parts.MEMORY, parts.size(number))
