"""The links of a file, as flows that read and flows that keep them have them spelled alike."""

from collections.abc import Sequence
from typing import NamedTuple

from cella.flows.labels import linked, linked_variation
from cella.links.urls import Speller
from cella.links.validity import Window
from cella.model import File, Variation


class Links(NamedTuple):
    """The links of a file for one reader: `variations` in order, None where there is none."""

    original: str | None
    variations: list[str | None]


def all_links(speller: Speller, file: File, window: Window) -> Links:
    """Every link of a file with a `file_path`; those of public variations are the stable ones.

    Takes long where the speller is slow.
    """
    public = [
        speller.public(file.bucket, each.file_path) if each.is_public else ""
        for each in file.variations
    ]
    pairs = zip(file.variations, public, strict=True)
    private = [linked_variation(file, each) for each, link in pairs if not link]
    signed = iter(speller.signed(file.bucket, [linked(file), *private], window))
    return Links(next(signed), [link or next(signed) for link in public])


def public_links(speller: Speller, file: File, variations: Sequence[Variation]) -> Links:
    """The links that need no signature."""
    return Links(
        None,
        [
            (speller.public(file.bucket, each.file_path) or None) if each.is_public else None
            for each in variations
        ],
    )
