"""Frames of codes for several sentences at once, each in a slot of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wyoming_csm.errors import PromptTooLong
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.sampling import Sampling, draw_noise, sample


def is_end(codes: Tensor) -> Tensor:
    """codes [..., codebooks] to bool [...]: the frame of zeros, which is never sound."""
    return (codes == 0).all(dim=-1)


class FrameGenerator:
    """Slots that speak independently: what one does never changes another's codes.

    After `prefill` and after every `step`, `hidden` holds what the slot's next frame is made
    from. A step spells that frame out and lets the backbone hear it, so a slot's KV always is
    its prompt and every frame made, the final one of zeros too: a segment as a prompt has it.
    Every step computes all slots, in shapes and at addresses that never change.
    """

    def __init__(self, model: CsmModel, slots: int, positions: int, sampling: Sampling) -> None:
        """`positions`: of one slot, at most those of the model's configuration."""
        sizes, device = model.sizes, model.device
        if not 1 <= positions <= sizes.backbone.positions:
            raise ValueError(f"the model has {sizes.backbone.positions} positions")
        self.model = model
        self.slots = slots
        self.positions = positions
        self.sampling = sampling
        self.codes = torch.zeros(slots, sizes.codebooks, dtype=torch.long, device=device)
        self._kv = KvCache.allocate(sizes.backbone, slots, positions, model.dtype, device)
        self._depth_kv = KvCache.allocate(sizes.depth, slots, sizes.codebooks, model.dtype, device)
        self._hidden = torch.zeros(slots, sizes.backbone.width, dtype=model.dtype, device=device)
        self._position = torch.zeros(slots, dtype=torch.long, device=device)
        self._active = torch.zeros(slots, dtype=torch.bool, device=device)
        k = min(max(sampling.top_k, sampling.depth_top_k), sizes.codebook_size)
        self._noise = torch.zeros(slots, sizes.codebooks, k, device=device)
        # The same counters for the host, so that no step has to ask the device.
        self._used = [0] * slots
        self._random = [torch.Generator() for _ in range(slots)]

    def positions_left(self, slot: int) -> int:
        """How many more frames fit into the slot."""
        return self.positions - self._used[slot]

    @torch.inference_mode()
    def prefill(self, slot: int, rows: Tensor, seed: int, start: int = 0) -> None:
        """Let the slot hear a prompt, rows [n, codebooks + 1] (see `prompt`); then it can `step`.

        With `start` the slot keeps what it heard in positions before that, and the rows follow.
        Raises PromptTooLong if not even one frame would fit after them.
        """
        if not 0 <= start <= self._used[slot] or not len(rows):
            raise ValueError("nothing to prefill, or a start beyond what the slot heard")
        end = start + len(rows)
        if end >= self.positions:
            raise PromptTooLong(f"a prompt of {end} positions: a slot has {self.positions}")
        cache = self._kv.slot(slot)
        cache.clear(start)
        x = self.model.embed_rows(rows.to(self.model.device))[None]  # [1, n, width]
        self._hidden[slot] = self.model.backbone.prefill(x, start, cache)[0, -1]
        self._position[slot] = end
        self._used[slot] = end
        self._random[slot].manual_seed(seed)

    @torch.inference_mode()
    def step(self, active: Sequence[int]) -> Tensor:
        """One frame of each active slot: codes [len(active), codebooks], on the device."""
        for slot in active:
            if not 0 < self._used[slot] < self.positions:
                raise ValueError(f"slot {slot} heard no prompt, or is full")
            self._used[slot] += 1
        # Before the work is launched: a copy from the host would wait for the device's work.
        chosen = torch.tensor(active, dtype=torch.long, device=self.codes.device)
        self._fill_inputs(active)
        self._advance()
        return self.codes[chosen]

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Forget the slot's sentence. Safe to call twice."""
        self._hidden[slot] = 0
        self._position[slot] = 0
        self._used[slot] = 0

    def _fill_inputs(self, active: Sequence[int]) -> None:
        """What a step needs from the host: who takes part, and their noise."""
        mask = torch.zeros(self.slots, dtype=torch.bool)
        mask[list(active)] = True
        self._active.copy_(mask)
        if self.sampling.is_greedy:
            return
        noise = torch.zeros(self._noise.shape)
        for slot in active:
            noise[slot] = draw_noise(self._random[slot], *self._noise.shape[1:])
        self._noise.copy_(noise)

    def _advance(self) -> None:
        """The frame itself: device to device, nothing allocated that outlives it but in place."""
        model, depth, sampling = self.model, self.model.depth, self.sampling
        codes = self.codes
        codes[:, 0] = sample(
            model.first_logits(self._hidden),
            sampling.temperature,
            sampling.top_k,
            self._noise[:, 0],
        )
        logits = depth.start(self._hidden, codes[:, 0], self._depth_kv)
        for codebook in range(1, codes.shape[1]):
            if codebook > 1:
                logits = depth.step(codes[:, codebook - 1], codebook - 1, self._depth_kv)
            codes[:, codebook] = sample(
                logits, sampling.depth_temperature, sampling.depth_top_k, self._noise[:, codebook]
            )
        x = model.embed_frames(codes)
        hidden = model.backbone.step(x, self._position, self._kv)
        self._hidden.copy_(torch.where(self._active[:, None], hidden, self._hidden))
        self._position.add_(self._active)
