"""The loudest and quietest moments of a sound, in as few numbers as a page needs. Pure.

The numbers are in the format of BBC's audiowaveform, version 2
(https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md), which peaks.js and
wavesurfer.js read.
"""

from array import array
from collections.abc import Callable, Iterator

import msgspec

PEAKS = "peaks.json"
MOST = 2000
_FIRST_STEP = 256
_LOOKED_AT = 1 << 16
"""Samples that are looked at for each pair; of more, every so manieth."""


class Peaks(msgspec.Struct, kw_only=True, frozen=True):
    """The lowest and the highest sample of each `samples_per_pixel` samples, in turn.

    `bits` is 8: samples go from -128 to 127. `length` counts pairs.
    """

    sample_rate: int
    samples_per_pixel: int
    length: int
    data: list[int]
    version: int = 2
    channels: int = 1
    bits: int = 8

    @property
    def pairs(self) -> Iterator[tuple[int, int]]:
        """The lowest and the highest samples, pair by pair."""
        return zip(self.data[::2], self.data[1::2], strict=True)


class Meter:
    """Takes in samples of 16 bits, however many, and keeps `MOST` pairs at most.

    Where there are more, neighbours become one, and from then on each pair stands for twice as
    many samples.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._step = _FIRST_STEP
        self._waiting = array("h")
        self._low = array("h")
        self._high = array("h")

    def take(self, samples: memoryview) -> None:
        """Take in the next samples, in the machine's order of bytes."""
        self._waiting.frombytes(samples)
        if len(self._waiting) < self._step:
            return
        at = 0
        while len(self._waiting) - at >= self._step:
            self._add(self._waiting[at : at + self._step])
            at += self._step
            if len(self._low) > MOST:
                self._halve()
        del self._waiting[:at]

    def peaks(self) -> Peaks:
        """What came in; fewer samples than a pair stands for are the last pair."""
        if self._waiting:
            self._add(self._waiting)
            self._waiting = array("h")
        if len(self._low) > MOST:
            self._halve()
        pairs = zip(self._low, self._high, strict=True)
        data = [sample >> 8 for pair in pairs for sample in pair]
        return Peaks(
            sample_rate=self._sample_rate,
            samples_per_pixel=self._step,
            length=len(self._low),
            data=data,
        )

    def _add(self, samples: "array[int]") -> None:
        some = samples[:: max(1, len(samples) // _LOOKED_AT)]
        self._low.append(min(some))
        self._high.append(max(some))

    def _halve(self) -> None:
        self._step *= 2
        self._low = _joined(self._low, min)
        self._high = _joined(self._high, max)


def _joined(values: "array[int]", pick: Callable[[int, int], int]) -> "array[int]":
    """Neighbours made one; the last of an odd number is left as it is."""
    odd = values[-1:] if len(values) % 2 else values[:0]
    return array("h", map(pick, values[::2], values[1::2] + odd))
