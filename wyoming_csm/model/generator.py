"""Frames of codes for several sentences at once, each in a slot of its own."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from wyoming_csm.errors import PromptTooLong
from wyoming_csm.model.attention import length_bucket, length_buckets, longest_bucket
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.cuda import upload
from wyoming_csm.model.frame import FrameParts
from wyoming_csm.model.kv_cache import KvBlock, KvCache
from wyoming_csm.model.rows import row_bucket
from wyoming_csm.model.sampling import Sampling

PREFILL_POSITIONS = 512  # at a time, at most: what is in between takes memory for each


class FrameGenerator:
    """Slots that speak independently: what one does never changes another's codes.

    After `prefill` and after every frame, `_hidden` holds what the slot's next frame is made
    from. `spell` makes that frame's codes, `hear` lets the backbone hear them, so a slot's KV
    always is its prompt and every frame made, the final one too, as zeros: a segment as a prompt
    has it. Both compute the first slots, a bucket of them, at addresses that never change.
    """

    def __init__(self, model: CsmModel, slots: int, positions: int, sampling: Sampling) -> None:
        """`positions`: of one slot, at most those of the model's configuration."""
        sizes, device = model.sizes, model.device
        if not 1 <= positions <= sizes.backbone.positions:
            raise ValueError(f"the model has {sizes.backbone.positions} positions")
        self.model = model
        self.slots = slots
        self.positions = positions
        self.codes = torch.zeros(slots, sizes.codebooks, dtype=torch.long, device=device)
        self.active = torch.zeros(slots, dtype=torch.bool, device=device)  # who takes part
        self._longest = longest_bucket(positions)
        self._kv = KvCache.allocate(sizes.backbone, slots, self._longest, model.dtype, device)
        self._depth_kv = KvCache.allocate(sizes.depth, slots, sizes.codebooks, model.dtype, device)
        self._hidden = torch.zeros(slots, sizes.backbone.width, dtype=model.dtype, device=device)
        self._position = torch.zeros(slots, dtype=torch.long, device=device)
        self._seed = torch.zeros(slots, dtype=torch.long, device=device)
        self._parts = FrameParts(model, sampling)
        # The same counters for the host, so that no step has to ask the device.
        self._used = [0] * slots

    def compile(self, folder: Path) -> bool:
        """Let a compiler fuse the frame, before anybody speaks; False: it stays as it is.

        What it made is kept in `folder`, for the next process.
        """

        def trial() -> None:
            for rows in range(1, min(self.slots, 2) + 1):
                self.decode_frame(rows)
                self.backbone_step(rows, self._readable(1))

        return self._parts.compile(trial, folder)

    def used(self, slot: int) -> int:
        """Positions that the slot has heard."""
        return self._used[slot]

    def positions_left(self, slot: int) -> int:
        """How many more frames fit into the slot."""
        return self.positions - self._used[slot]

    @torch.inference_mode()
    def prefill(self, slot: int, rows: Tensor, seed: int, start: int = 0) -> None:
        """Let the slot hear a prompt, rows [n, codebooks + 1] (see `prompt`); then it can `step`.

        With `start` the slot keeps what it heard in positions before that, and the rows follow:
        so a long prompt can come in pieces. Raises PromptTooLong if not even one frame would fit
        after them.
        """
        if not 0 <= start <= self._used[slot] or not len(rows):
            raise ValueError("nothing to prefill, or a start beyond what the slot heard")
        end = start + len(rows)
        if end >= self.positions:
            raise PromptTooLong(f"a prompt of {end} positions: a slot has {self.positions}")
        cache = self._kv.slot(slot)
        if not 0 < start == self._used[slot]:  # else nobody's past is behind it
            cache.clear(start)
        rows = upload(rows, self.model.text_embedding.weight.device)
        for first in range(0, len(rows), PREFILL_POSITIONS):
            piece = rows[first : first + PREFILL_POSITIONS]
            x = self.model.embed_prompt(piece)[None]  # [1, n, width]
            hidden = self.model.backbone.prefill(x, start + first, cache)
        self._hidden[slot] = hidden[0, -1]
        self._position[slot].fill_(end)
        self._seed[slot].fill_(seed)
        self._used[slot] = end

    @torch.inference_mode()
    def save(self, slot: int, n: int) -> KvBlock:
        """A copy of what the slot heard in its first `n` positions."""
        if not 0 < n <= self._used[slot]:
            raise ValueError(f"slot {slot} heard {self._used[slot]} positions, not {n}")
        return self._kv.save(slot, n)

    @torch.inference_mode()
    def restore(self, slot: int, block: KvBlock) -> None:
        """The slot has heard what was saved, and nothing else; a prefill must follow from there."""
        self._kv.restore(slot, block)
        self._kv.slot(slot).clear(block.positions)
        self._position[slot].fill_(block.positions)
        self._used[slot] = block.positions

    @torch.inference_mode()
    def move(self, source: int, target: int) -> None:
        """All of a slot goes to another that is free."""
        self._kv.move(source, target, self._used[source])
        for state in (self._hidden, self._position, self._seed):
            state[target].copy_(state[source])
        self._used[target] = self._used[source]
        self.release(source)

    @torch.inference_mode()
    def swap(self, one: int, other: int) -> None:
        """Two slots change places; where memory is short for that, none has."""
        used, states = self._used[one], (self._hidden, self._position, self._seed)
        kept = self._kv.save(one, used)
        before = [state[one].clone() for state in states]
        self._kv.move(other, one, self._used[other])
        self._kv.restore(other, kept)
        self._kv.slot(other).clear(used)
        for state, mine in zip(states, before, strict=True):
            state[one].copy_(state[other])
            state[other].copy_(mine)
        self._used[one], self._used[other] = self._used[other], used

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Forget the slot's sentence. Safe to call twice."""
        self._hidden[slot].zero_()
        self._position[slot].zero_()
        self._used[slot] = 0

    @torch.inference_mode()
    def step(self, active: Sequence[int]) -> Tensor:
        """One frame of each active slot: codes [len(active), codebooks], on the device."""
        length = self.length_of(active)
        rows = row_bucket(max(active) + 1, self.slots)
        chosen = torch.tensor(active, dtype=torch.long)
        mask = torch.zeros(self.slots, dtype=torch.bool).index_fill_(0, chosen, True)
        self.active.copy_(upload(mask, self.active.device))
        self.decode_frame(rows)
        self.backbone_step(rows, length)
        self.count(active)
        return self.codes[upload(chosen, self.codes.device)]

    def length_of(self, active: Sequence[int]) -> int:
        """What `hear` has to read for the next frame of these slots. ValueError: one cannot."""
        for slot in active:
            if not 0 < self._used[slot] < self.positions:
                raise ValueError(f"slot {slot} heard no prompt, or is full")
        return self._readable(max(self._used[slot] for slot in active) + 1)

    def lengths(self) -> list[int]:
        """All that `length_of` can say, ascending."""
        return length_buckets(self.positions)

    def count(self, active: Sequence[int]) -> None:
        """To be called once for each frame that was heard."""
        for slot in active:
            self._used[slot] += 1

    @torch.inference_mode()
    def decode_frame(self, rows: int) -> None:
        """The next codes of the first `rows` slots, active or not, into `codes`.

        On the device alone, and nothing is allocated that outlives it: a graph can hold it.
        """
        cache = self._depth_kv.first(rows)
        hidden, seeds, positions = self._hidden[:rows], self._seed[:rows], self._position[:rows]
        self.codes[:rows].copy_(self._parts.decode_frame(hidden, seeds, positions, cache))

    @torch.inference_mode()
    def backbone_step(self, rows: int, length: int) -> None:
        """Of the first `rows` slots those that are active hear their `codes` and move on.

        `length`: as `length_of` says, or more. On the device alone, as `spell`.
        """
        codes, hidden, active = self.codes[:rows], self._hidden[:rows], self.active[:rows]
        cache = self._kv.first(rows)
        self._parts.backbone_step(codes, hidden, active, self._position[:rows], cache, length)

    def _readable(self, n: int) -> int:
        return min(length_bucket(n), self._longest)
