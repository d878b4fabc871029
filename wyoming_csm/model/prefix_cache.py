"""The KV of prompts that were computed before, found again by their tokens, bounded in bytes.

A prompt is cached under the bytes of its tokens, so a cached prefix is a key that the wanted
prompt's bytes begin with. Say `V` is a voice's prompt, `a` and `b` two sentences spoken in it:

    store(V)    store(Va)    longest_prefix(Vab) → Va: only b is left to prefill
                             longest_prefix(Vc)  → V
                             longest_prefix(Va)  → V: what is found is always shorter

Another recording under the same name has other tokens, so no entry ever needs to be invalidated.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from wyoming_csm.model.kv_cache import KvBlock

_LOGGER = logging.getLogger(__name__)


class PrefixCache:
    """Prompts [positions, codebooks + 1] with their KV; those used longest ago go first."""

    def __init__(self, limit: int, position_bytes: int) -> None:
        """Cache at most `limit` bytes of KV; a position takes `position_bytes`."""
        self._limit = limit
        self._position_bytes = position_bytes
        self._blocks: OrderedDict[bytes, KvBlock] = OrderedDict()  # the latest used last
        self.nbytes = 0

    def __contains__(self, prompt: Tensor) -> bool:
        return _key(prompt) in self._blocks

    def has_room(self, positions: int) -> bool:
        """Return whether so many more positions fit without another prompt going."""
        return self.nbytes + positions * self._position_bytes <= self._limit

    def store(self, prompt: Tensor, copy: Callable[[int], KvBlock]) -> bool:
        """Cache `prompt`, of which `copy(n)` copies the KV of the first n positions.

        False: it is not cached, since it is too large beside its own prefixes, which are never
        given up for it, or since the device has no memory for the copy.
        """
        key = _key(prompt)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return True
        others = [other for other in self._blocks if not key.startswith(other)]
        size = len(prompt) * self._position_bytes
        if self.nbytes - sum(self._blocks[other].nbytes for other in others) + size > self._limit:
            return False
        while not self.has_room(len(prompt)):
            self._remove(others.pop(0))
        try:
            block = copy(len(prompt))
        except torch.OutOfMemoryError:
            _LOGGER.warning("The GPU's memory is too full to cache %d positions", len(prompt))
            return False
        self._blocks[key] = block
        self.nbytes += block.nbytes
        return True

    def longest_prefix(self, prompt: Tensor) -> KvBlock | None:
        """Return the KV of the longest cached prefix that leaves at least one position over.

        All cached prefixes count as used: a voice's prompt is never older than its replies.
        """
        wanted = _key(prompt)
        found = [key for key in self._blocks if len(key) < len(wanted) and wanted.startswith(key)]
        found.sort(key=len)
        for key in found:
            self._blocks.move_to_end(key)
        return self._blocks[found[-1]] if found else None

    def drop(self, prompt: Tensor) -> None:
        """Give up a prompt that will not be asked for again. Safe if it is not cached."""
        key = _key(prompt)
        if key in self._blocks:
            self._remove(key)

    def clear(self) -> None:
        """Give all of the memory back."""
        self._blocks.clear()
        self.nbytes = 0

    def _remove(self, key: bytes) -> None:
        self.nbytes -= self._blocks.pop(key).nbytes


def _key(prompt: Tensor) -> bytes:
    """Return bytes that are equal for equal prompts, and a prefix's are a prefix of the whole's."""
    return prompt.to(torch.int32).numpy().tobytes()
