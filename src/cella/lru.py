"""A bounded memory of things that never change under their key."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Keeps what was used last, up to a total weight. May be used from several threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._weight = 0
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """What was kept under `key`, if it still is."""
        with self._lock:
            item = self._items.get(key)
            if item is None:
                return None
            self._items.move_to_end(key)
            return item[0]

    def keep(self, key: K, value: V, weight: int = 1) -> None:
        """Keep `value`, dropping what was not used for longest.

        What is heavier than all there is room for is not kept.
        """
        with self._lock:
            if key in self._items or weight > self._capacity:
                return
            self._items[key] = (value, weight)
            self._weight += weight
            while self._weight > self._capacity:
                _, (_, dropped) = self._items.popitem(last=False)
                self._weight -= dropped
