"""The sizes of previews: the contract's examples, and what holds for every picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.media.plan import SIZES, plan

sides = st.integers(1, 100_000)


def planned(width: int, height: int) -> dict[str, tuple[int, int]]:
    return {wanted.size: (wanted.width, wanted.height) for wanted in plan(width, height)}


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (300, 512, {"t": (93, 160), "m": (187, 320), "l": (300, 512), "h": (300, 512)}),
        (5000, 1000, {"h": (2048, 409), "l": (1024, 204), "m": (320, 64), "t": (160, 32)}),
        (3, 2, {"s": (90, 90), "b": (160, 160), "t": (3, 2), "h": (3, 2)}),
        (65535, 1, {"s": (90, 90), "t": (160, 1), "h": (2048, 1)}),
        (2048, 2048, {"h": (2048, 2048), "l": (1024, 1024)}),
        (2049, 2048, {"h": (2048, 2047)}),
    ],
)
def test_examples(width: int, height: int, expected: dict[str, tuple[int, int]]) -> None:
    assert expected.items() <= planned(width, height).items()


def test_the_table_is_the_contract_s() -> None:
    assert [tuple(size) for size in SIZES] == [
        ("s", 90, "crop", False),
        ("b", 160, "crop", False),
        ("t", 160, "fit", True),
        ("m", 320, "fit", False),
        ("l", 1024, "fit", False),
        ("h", 2048, "fit", False),
    ]
    assert [wanted.size for wanted in plan(7, 5) if wanted.is_public] == ["t"]


@given(sides, sides)
def test_what_holds_for_every_picture(width: int, height: int) -> None:
    for size, wanted in zip(SIZES, plan(width, height), strict=True):
        assert (wanted.size, wanted.fit) == (size.name, size.fit)
        if size.fit == "crop":
            assert (wanted.width, wanted.height) == (size.box, size.box)
            continue
        assert 1 <= wanted.width <= min(width, size.box)
        assert 1 <= wanted.height <= min(height, size.box)
        # The longer side fills the box or stays; the shorter one is rounded down.
        assert max(wanted.width, wanted.height) == min(size.box, max(width, height))
        scale = min(1, size.box / max(width, height))
        assert wanted.width == max(1, int(width * scale + 1e-9))
        assert wanted.height == max(1, int(height * scale + 1e-9))


@given(sides, sides)
def test_turning_the_picture_turns_its_previews(width: int, height: int) -> None:
    assert planned(width, height) == {
        size: (wide, high) for size, (high, wide) in planned(height, width).items()
    }


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (-1, 5)])
def test_no_picture_without_pixels(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        plan(width, height)
