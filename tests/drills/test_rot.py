"""Rot: bits flip, files are cut, go missing and come from nowhere. All of it is found.

And nothing else is accused. The same in a hundredth of the size is one of the tests.
"""

import asyncio
import os
import random
import time

import pytest
from tests.support.stock import Stock, furnished, stock

from cella.ids import new_blob_root
from cella.store.contract import HasPath

__all__ = ["furnished", "stock"]

FLIPPED, CUT, MISSING, STRANGE = 50, 20, 20, 20


async def rot(stock: Stock, chance: random.Random, share: float) -> dict[str, set[str]]:
    """Spoil so many blobs; which of them, by what is to be found."""
    known = sorted(key for file in stock.files() for key in stock.keys_of(file))
    counts = [max(1, round(count * share)) for count in (FLIPPED, CUT, MISSING, STRANGE)]
    picked = iter(chance.sample(known, sum(counts[:3])))
    flipped, cut, missing = ({next(picked) for _ in range(count)} for count in counts[:3])
    for key in flipped | cut:
        was = bytearray(b"".join([block async for block in stock.store.get(key)]))
        if key in flipped:
            at = chance.randrange(len(was) * 8)
            was[at // 8] ^= 1 << at % 8
        await stock.put(key, bytes(was[: chance.randrange(len(was))] if key in cut else was))
    for key in missing:
        assert await stock.store.delete(key)
    names = [f"{new_blob_root()}{chance.choice(['.exr', '-t.jpg', ''])}" for _ in range(counts[3])]
    strange = {await stock.put(stock.key(name), b"from nowhere") for name in names}
    return {"changed": flipped, "cut": cut, "missing": missing, "stray": strange}


async def check(stock: Stock, files: int, share: float, seed: int) -> None:
    """One store, spoilt, looked through by both."""
    chance = random.Random(seed)
    await stock.add(files, variations=1, size=300, apart=60.0)
    spoilt = await rot(stock, chance, share)
    stock.clock.advance(2 * 86400)
    before = await stock.keys()

    verify = stock.verify()
    report = await verify.run("local", share=30, restart=True)
    verified = {(each.what, each.key) for each in report.findings}
    while not report.wrapped:
        report = await verify.run("local", share=30)
        verified |= {(each.what, each.key) for each in report.findings}
    assert verified == {
        (what, key) for what, keys in spoilt.items() if what != "stray" for key in keys
    }
    async with stock.sweep().survey("local") as survey:
        swept = {(each.what, each.key) for each in survey.report.findings}
    assert swept == (
        {("stray", key) for key in spoilt["stray"]}
        | {("missing", key) for key in spoilt["missing"]}
        | {("differs", key) for key in spoilt["cut"]}
    )
    assert await stock.keys() == before


async def test_all_rot_is_found_and_nobody_is_accused_wrongly(stock: Stock) -> None:
    await check(stock, files=50, share=0.05, seed=1)


@pytest.mark.drill
@pytest.mark.timeout(900)
async def test_ten_thousand_blobs(stock: Stock) -> None:
    """As often as there is time for, with other blobs each time."""
    ends = time.monotonic() + float(os.environ.get("CELLA_DRILL_SECONDS", "20")) / 2
    seed = 0
    while seed == 0 or time.monotonic() < ends:
        seed += 1
        await check(stock, files=5000 - len(stock.files()), share=1.0, seed=seed)
        files = stock.files()
        for key in await stock.keys():
            await stock.store.delete(key)
        stock.lose(files)
        await asyncio.sleep(0)


def test_a_disk_is_among_the_stores(stock: Stock, furnished: tuple[str, object]) -> None:
    """Else the drill would say nothing of files."""
    assert isinstance(stock.store, HasPath) == (furnished[0] == "disk")
