"""Prompts that were heard before: their KV, found again by what was heard, bounded in bytes."""

import logging
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from wyoming_csm.model.kv_cache import KvBlock

_LOGGER = logging.getLogger(__name__)


class PrefixCache:
    """Those used longest ago go first, a voice's prompt and a reply between two sentences alike.

    What is kept is known by its rows (see `prompt`) alone, so another recording under the same
    name is another prompt, and nobody has to say that something changed.
    """

    def __init__(self, limit: int, position_bytes: int) -> None:
        """`limit` in bytes of KV, 0 keeps nothing; a position has `position_bytes`."""
        self._limit = limit
        self._position_bytes = position_bytes
        self._kept: OrderedDict[bytes, KvBlock] = OrderedDict()  # by rows, the latest used last
        self.nbytes = 0

    def __contains__(self, rows: Tensor) -> bool:
        return _key(rows) in self._kept

    def has_room(self, positions: int) -> bool:
        """Whether so many more are kept without another going."""
        return self.nbytes + positions * self._position_bytes <= self._limit

    def keep(self, rows: Tensor, copy: Callable[[int], KvBlock]) -> bool:
        """Whether `rows` [n, codebooks + 1] are kept now; `copy(n)` copies what was heard of them.

        Not kept is what is too large beside its own beginnings, which are never given up for it,
        and what the device has no memory for.
        """
        key = _key(rows)
        if key in self._kept:
            self._kept.move_to_end(key)
            return True
        others = [other for other in self._kept if not key.startswith(other)]
        size = len(rows) * self._position_bytes
        if self.nbytes - sum(self._kept[other].nbytes for other in others) + size > self._limit:
            return False
        while not self.has_room(len(rows)):
            self._forget(others.pop(0))
        try:
            block = copy(len(rows))
        except torch.OutOfMemoryError:
            _LOGGER.warning("The GPU's memory is too full to keep %d positions heard", len(rows))
            return False
        self._kept[key] = block
        self.nbytes += block.nbytes
        return True

    def longest_prefix(self, rows: Tensor) -> KvBlock | None:
        """What was kept of the longest beginning of `rows`, at least one of which is left over.

        All of their beginnings count as used: a voice's prompt is never older than its replies.
        """
        wanted = _key(rows)
        found = [key for key in self._kept if len(key) < len(wanted) and wanted.startswith(key)]
        found.sort(key=len)
        for key in found:
            self._kept.move_to_end(key)
        return self._kept[found[-1]] if found else None

    def drop(self, rows: Tensor) -> None:
        """Nobody will ask for them. Safe if they are not kept."""
        key = _key(rows)
        if key in self._kept:
            self._forget(key)

    def clear(self) -> None:
        """Give all of the memory back."""
        self._kept.clear()
        self.nbytes = 0

    def _forget(self, key: bytes) -> None:
        self.nbytes -= self._kept.pop(key).nbytes


def _key(rows: Tensor) -> bytes:
    """Equal for equal rows, and a beginning of it for their beginning."""
    return rows.to(torch.int32).numpy().tobytes()
