"""Frames of codes for several sentences at once, each in a slot of its own: prefill, then step."""

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

    After `prefill` and after every frame, `hidden` holds what the slot's next frame is made
    from. `decode_frame` makes that frame's codes, `backbone_step` reads them, so a slot's KV
    always is its prompt and every frame made, the final one too, as zeros: a segment as a prompt
    has it. Both compute the first slots, a bucket of them, at addresses that never change.
    """

    def __init__(self, model: CsmModel, slots: int, positions: int, sampling: Sampling) -> None:
        """Give each slot `positions`, at most those of the model's configuration."""
        sizes, device = model.sizes, model.device
        if not 1 <= positions <= sizes.backbone.positions:
            raise ValueError(f"the model has {sizes.backbone.positions} positions")
        self.model = model
        self.slots = slots
        self.positions = positions
        self.codes = torch.zeros(slots, sizes.codebooks, dtype=torch.long, device=device)
        self.active = torch.zeros(slots, dtype=torch.bool, device=device)
        self._longest = longest_bucket(positions)
        self.kv = KvCache.allocate(sizes.backbone, slots, self._longest, model.dtype, device)
        self._depth_kv = KvCache.allocate(sizes.depth, slots, sizes.codebooks, model.dtype, device)
        self.hidden = torch.zeros(slots, sizes.backbone.width, dtype=model.dtype, device=device)
        # 0, or NaN where the last frame was made from a NaN or an infinity.
        self.doubts = torch.zeros(slots, dtype=torch.float32, device=device)
        self._position = torch.zeros(slots, dtype=torch.long, device=device)
        self._seed = torch.zeros(slots, dtype=torch.long, device=device)
        self._usual = sampling.temperature
        self._temperature = torch.full((slots,), self._usual, device=device)
        self._temperatures = [self._usual] * slots  # the same for the host
        self._parts = FrameParts(model, sampling)
        # The same counters for the host, so that no step has to ask the device.
        self._used = [0] * slots

    def compile(self, folder: Path) -> bool:
        """Let a compiler fuse the frame, before the first sentence; False: it stays as it is. The
        result is cached in `folder`, for the next process."""

        def trial() -> None:
            for rows in range(1, min(self.slots, 2) + 1):
                self.decode_frame(rows)
                self.backbone_step(rows, self._readable(1))

        return self._parts.compile(trial, folder)

    @torch.inference_mode()
    def prefill(self, slot: int, prompt: Tensor, seed: int, start: int = 0) -> None:
        """Compute the KV of a prompt [n, codebooks + 1] (see `prompt`); then the slot can `step`.

        With `start` the slot's positions before that stay, and the prompt follows: so a long one
        can come in chunks. Raises PromptTooLong if not even one frame would fit after it,
        ValueError if it is empty or `start` is beyond the positions in use.
        """
        if not 0 <= start <= self._used[slot] or not len(prompt):
            raise ValueError("nothing to prefill, or a start beyond the slot's positions in use")
        end = start + len(prompt)
        if end >= self.positions:
            raise PromptTooLong(f"a prompt of {end} positions: a slot has {self.positions}")
        cache = self.kv.slot(slot)
        if not 0 < start == self._used[slot]:  # else it is clear behind it
            cache.clear(start)
        prompt = upload(prompt, self.model.text_embedding.weight.device)
        for chunk in torch.split(prompt, PREFILL_POSITIONS):
            x = self.model.embed_prompt(chunk)[None]  # [1, n, width]
            hidden = self.model.backbone.prefill(x, start, cache)
            start += len(chunk)
        self.hidden[slot] = hidden[0, -1]
        self._position[slot].fill_(end)
        self._seed[slot].fill_(seed)
        self._used[slot] = end

    @torch.inference_mode()
    def set_temperature(self, slot: int, temperature: float | None) -> bool:
        """Draw the first code of the slot's frames with this temperature, None: as all others.

        False: that cannot be, since the likeliest codes are always taken.
        """
        wanted = self._usual if temperature is None else temperature
        if self._usual and wanted != self._temperatures[slot]:
            self._temperature[slot].fill_(wanted)
            self._temperatures[slot] = wanted
        return bool(self._usual) or temperature is None

    @torch.inference_mode()
    def save(self, slot: int, n: int) -> KvBlock:
        """Return a copy of the slot's first `n` positions. Raises ValueError if it has fewer."""
        if not 0 < n <= self._used[slot]:
            raise ValueError(f"slot {slot} has {self._used[slot]} positions, not {n}")
        return self.kv.save(slot, n)

    @torch.inference_mode()
    def restore(self, slot: int, block: KvBlock) -> None:
        """Make what was saved the slot's whole content; a prefill must follow from there."""
        positions = block.shape[3]
        self.kv.restore(slot, block)
        self.kv.slot(slot).clear(positions)
        self._position[slot].fill_(positions)
        self._used[slot] = positions

    @torch.inference_mode()
    def swap(self, one: int, other: int) -> None:
        """Exchange two slots' content. Raises torch.OutOfMemoryError, and nothing has changed."""
        if self._used[one] > self._used[other]:
            one, other = other, one  # the shorter is copied aside, often nothing
        shorter, longer = self._used[one], self._used[other]
        states = (self.hidden, self._position, self._seed, self._temperature)
        aside, saved = self.kv.save(one, shorter), [state[one].clone() for state in states]
        self.kv.move(other, one, longer)
        self.kv.restore(other, aside)
        self.kv.slot(other).clear(shorter)
        for state, mine in zip(states, saved, strict=True):
            state[one].copy_(state[other])
            state[other].copy_(mine)
        self._used[one], self._used[other] = longer, shorter
        both = self._temperatures
        both[one], both[other] = both[other], both[one]

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Free the slot. Safe to call twice."""
        self.hidden[slot].zero_()
        self._position[slot].zero_()
        self._used[slot] = 0

    @torch.inference_mode()
    def step(self, active: Sequence[int]) -> Tensor:
        """Return one frame of each active slot: codes [len(active), codebooks], on the device."""
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
        """Return what `backbone_step` has to read for the next frame of these slots. Raises
        ValueError if one of them has no prompt, or is full."""
        for slot in active:
            if not 0 < self._used[slot] < self.positions:
                raise ValueError(f"slot {slot} has no prompt, or is full")
        return self._readable(max(self._used[slot] for slot in active) + 1)

    def lengths(self) -> list[int]:
        """Return all that `length_of` can say, ascending."""
        return length_buckets(self.positions)

    def count(self, active: Sequence[int]) -> None:
        """Count a frame of these slots; to be called once for each `backbone_step`."""
        for slot in active:
            self._used[slot] += 1

    @torch.inference_mode()
    def decode_frame(self, rows: int) -> None:
        """Make the next codes of the first `rows` slots, active or not, in `codes`, and say in
        `doubts` of what. On the device alone, and nothing is allocated that outlives it: a graph
        can hold it."""
        cache = self._depth_kv.first(rows)
        hidden, seeds, positions = self.hidden[:rows], self._seed[:rows], self._position[:rows]
        made = self._parts.decode_frame(hidden, seeds, positions, self._temperature[:rows], cache)
        self.codes[:rows].copy_(made)
        torch.mul(hidden.sum(dim=-1, dtype=torch.float32), 0, out=self.doubts[:rows])

    @torch.inference_mode()
    def backbone_step(self, rows: int, length: int) -> None:
        """Read the `codes` of those of the first `rows` slots that are active; these move on.
        `length` is what `length_of` says, or more. On the device alone, as `decode_frame`."""
        codes, hidden, active = self.codes[:rows], self.hidden[:rows], self.active[:rows]
        cache = self.kv.first(rows)
        self._parts.backbone_step(codes, hidden, active, self._position[:rows], cache, length)

    def _readable(self, n: int) -> int:
        return min(length_bucket(n), self._longest)
