"""A store that fails on demand, for drills.

`Faults` is a plan and the record of what happened. Every verb and every block that passes is a
*step*, and the plan tells which of them goes wrong, and how. One plan may be shared by several
stores and by other things that can fail (`async with faults.step("commit")`), so a drill fails
each step of a flow in turn, until a run gets through without meeting its fault:

    for faults in each_step():
        with suppress(StoreUnavailable):
            await flow(FailingStore(store, faults))
        await check_invariants()
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Literal

import msgspec

from cella.digest import Digests
from cella.errors import StoreUnavailable
from cella.store.abilities import hand_on
from cella.store.contract import PLAIN, CanBrowse, Entry, Label, Stat, Store

Mode = Literal["before", "after", "lie", "stall"]
"""How a step goes wrong.

`before`: the error is raised and the step has no effect. `after`: the step takes effect and
then the error is raised, as when an answer is lost. `lie`: `put`, `copy` and `head` tell a
length that is one byte too many, and a block that is read lacks its last byte. `stall`: the
step waits for `Faults.release`, and then does what it should.
"""


def unavailable() -> Exception:
    """The error that is raised where a plan names no other."""
    return StoreUnavailable("The store did not answer: a drill is going on.")


class Faults:
    """Which step fails, and what happened.

    Counted are all steps, or with `only` those of that name: `put`, `put.block`, `get`,
    `get.block`, `head`, `list`, `list.blob`, `delete`, `copy`, `browse`, `find`, or a name of
    your own. The step number `fail_at` (the first is 1, None for no fault) goes wrong as `mode`
    says; with `lasting` all after it do as well. `error` makes what is raised: a class such as
    `OSError`, or a function without arguments.
    """

    def __init__(
        self,
        fail_at: int | None = None,
        *,
        only: str | None = None,
        mode: Mode = "before",
        error: Callable[[], BaseException] = unavailable,
        lasting: bool = False,
    ) -> None:
        self.steps: list[str] = []
        self.fired = False
        self.stalled = asyncio.Event()
        self._released = asyncio.Event()
        self._fail_at = fail_at
        self._only = only
        self._mode = mode
        self._error = error
        self._lasting = lasting
        self._count = 0

    @property
    def calls(self) -> int:
        """How many steps have begun, whatever their names; `steps` tells which."""
        return len(self.steps)

    def release(self) -> None:
        """Let the step go on that is stalled, or will be. `stalled` is set when one is."""
        self._released.set()

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[bool]:
        """Surround what counts as one step; gives true where it is to lie."""
        goes_wrong = self._goes_wrong(name)
        if goes_wrong and self._mode == "stall":
            self.stalled.set()
            await self._released.wait()
        if goes_wrong and self._mode == "before":
            raise self._error()
        yield goes_wrong and self._mode == "lie"
        if goes_wrong and self._mode == "after":
            raise self._error()

    def _goes_wrong(self, name: str) -> bool:
        self.steps.append(name)
        if self._fail_at is None or self._only not in (None, name):
            return False
        self._count += 1
        hit = self._count >= self._fail_at if self._lasting else self._count == self._fail_at
        self.fired = self.fired or hit
        return hit


def each_step(
    *,
    only: str | None = None,
    mode: Mode = "before",
    error: Callable[[], BaseException] = unavailable,
) -> Iterator[Faults]:
    """Plans that fail step 1, 2, … until one is not met: the last run has no fault."""
    for number in itertools.count(1):
        faults = Faults(number, only=only, mode=mode, error=error)
        yield faults
        if not faults.fired:
            return


class FailingStore:
    """`inner`, going wrong after the plan `faults`. Can what `inner` can; signing has no steps."""

    def __init__(self, inner: Store, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        if isinstance(inner, CanBrowse):
            browsing = _FailingBrowser(inner, faults)
            hand_on(inner, self, browse=browsing.browse, find=browsing.find)
        else:
            hand_on(inner, self)

    async def open(self) -> None:
        """Open the inner store; no step."""
        await self._inner.open()

    async def close(self) -> None:
        """Close the inner store; no step."""
        await self._inner.close()

    async def put(
        self,
        key: str,
        body: AsyncIterable[bytes],
        *,
        label: Label = PLAIN,
        replace: bool = False,
    ) -> Digests:
        """The step `put`, with a step `put.block` for each block of `body`.

        An error at a block goes through the inner store, which sees its body break off.
        """
        async with self._faults.step("put") as lies:
            async with aclosing(self._passed(body)) as passed:
                stored = await self._inner.put(key, passed, label=label, replace=replace)
            return stored._replace(length=stored.length + 1) if lies else stored

    async def get(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The step `get`, with a step `get.block` for each block."""
        async with (
            self._faults.step("get"),
            aclosing(self._inner.get(key, start, stop)) as blocks,
        ):
            async for block in blocks:
                async with self._faults.step("get.block") as lies:
                    yield block[:-1] if lies else block

    async def head(self, key: str) -> Stat:
        """The step `head`."""
        async with self._faults.step("head") as lies:
            return _told(await self._inner.head(key), lies)

    async def list(self, prefix: str = "", after: str = "") -> AsyncGenerator[Stat, None]:
        """The step `list`, with a step `list.blob` for each blob."""
        async with (
            self._faults.step("list"),
            aclosing(self._inner.list(prefix, after)) as blobs,
        ):
            async for blob in blobs:
                async with self._faults.step("list.blob") as lies:
                    yield _told(blob, lies)

    async def delete(self, key: str) -> bool:
        """The step `delete`."""
        async with self._faults.step("delete"):
            return await self._inner.delete(key)

    async def copy(self, source: str, target: str, *, replace: bool = False) -> Stat:
        """The step `copy`."""
        async with self._faults.step("copy") as lies:
            return _told(await self._inner.copy(source, target, replace=replace), lies)

    async def _passed(self, body: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        async for block in body:
            async with self._faults.step("put.block"):
                yield block


class _FailingBrowser:
    def __init__(self, inner: CanBrowse, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    async def browse(self, bucket: str, path: str, after: str, most: int) -> list[Entry]:
        """The step `browse`."""
        async with self._faults.step("browse"):
            return await self._inner.browse(bucket, path, after, most)

    async def find(self, bucket: str, path: str) -> Entry:
        """The step `find`."""
        async with self._faults.step("find"):
            return await self._inner.find(bucket, path)


def _told(blob: Stat, lies: bool) -> Stat:
    return msgspec.structs.replace(blob, length=blob.length + 1) if lies else blob
