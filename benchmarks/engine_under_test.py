"""The engine that is measured, driven as its child process drives it."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import counting
from benchmarks.timing import synchronize
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.attention import length_bucket, step_masks
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvBlock, KvCache
from wyoming_csm.model.mimi.weights import load_decoder
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.quantization.onednn import pack
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.worker.csm.device import choose_precision, chooses_compile, kind_of


@dataclass(frozen=True)
class Setting:
    """How the engine is set up, beside its checkpoint."""

    config: CsmConfig
    device: torch.device
    slots: int
    positions: int
    sampling: Sampling
    cache: Path  # for what is compiled


class EngineUnderTest:
    """A generator and a pipeline over one checkpoint, warmed up and captured."""

    name = "this engine"

    def __init__(self, folder: Path, setting: Setting, progress: Callable[[str], None]) -> None:
        torch.backends.cuda.enable_cudnn_sdp(False)  # as the child process does
        checkpoint, device = Checkpoint(folder), setting.device
        types = choose_precision(setting.config, device)
        self.model: CsmModel = checkpoint.load(
            types.compute,
            device,
            backbone=kind_of(types.backbone),
            depth=kind_of(types.depth),
            text_on_host=device.type == "cuda",
        )
        self.decoder = load_decoder(
            checkpoint.codec_config,
            (
                (name.removeprefix(CODEC), partial(checkpoint.tensor, name))
                for name in checkpoint.names(CODEC)
            ),
            device,
        )
        self._sampling = setting.sampling
        self.device, self.sizes, self.types = device, checkpoint.sizes, types
        self.generator = FrameGenerator(
            self.model, setting.slots, setting.positions, setting.sampling
        )
        began = time.perf_counter()
        self.compiled = chooses_compile(setting.config, device)
        if self.compiled:
            progress("compiling")
            self.compiled = self.generator.compile(setting.cache)
        else:
            pack(self.model)
        self.compile_seconds = time.perf_counter() - began
        self.pipeline = FramePipeline(self.generator, self.decoder)
        began = time.perf_counter()
        self.pipeline.capture(progress)
        self.capture_seconds = time.perf_counter() - began

    def cache_prompt(self, prompt: Tensor) -> KvBlock:
        """Prefill a voice's prompt [positions, codebooks + 1] and return its keys and values."""
        self.pipeline.prefill(0, prompt, 0)
        block = self.pipeline.save(0, len(prompt))
        self.pipeline.release(0)
        return block

    def begin(self, slot: int, prompt: Tensor, cached: KvBlock | None = None) -> None:
        """Prefill a sentence's prompt in a slot, behind a voice's prompt that was cached."""
        if cached is not None:
            self.pipeline.restore(slot, cached)
        self.pipeline.prefill(slot, prompt, slot, cached.shape[3] if cached is not None else 0)
        self.pipeline.start_sound(slot)

    def frames(self, slots: Sequence[int], count: int) -> list[float]:
        """Make frames; return when the sound of each was on the host, by `perf_counter`."""
        launched: deque[FrameHandle] = deque()
        ends: list[float] = []
        for _ in range(count):
            launched.append(self.pipeline.launch(slots))
            if len(launched) > self.pipeline.ahead:
                launched.popleft()()
                ends.append(time.perf_counter())
        while launched:
            launched.popleft()()
            ends.append(time.perf_counter())
        return ends

    def speak(self, prompt: Tensor, frames: int, cached: KvBlock | None = None) -> list[float]:
        """Speak a sentence; return seconds from the call until each frame's sound was here."""
        synchronize(self.device)
        began = time.perf_counter()
        self.begin(0, prompt, cached)
        ends = self.frames([0], frames)
        self.pipeline.release(0)
        return [end - began for end in ends]

    def make_codes(self, prompt: Tensor, frames: int) -> list[float]:
        """Do the same without codec and graphs: codes alone, as transformers' `generate` does."""
        began, ends = time.perf_counter(), []
        self.generator.prefill(0, prompt, 0)
        for _ in range(frames):
            self.generator.step([0])
            synchronize(self.device)
            ends.append(time.perf_counter() - began)
        self.generator.release(0)
        return ends

    def count(self, prompt: Tensor) -> dict[str, int]:
        """Count operations and host reads of one eager frame: its codes, and the backbone's step.

        The generator is one that is not compiled: counting in compiled code would undo it for good.
        """
        positions = min(self.generator.positions, len(prompt) + 2)
        plain = FrameGenerator(self.model, 1, positions, self._sampling)
        plain.prefill(0, prompt, 0)
        length = plain.length_of([0])

        def frame() -> None:
            plain.decode_frame(1)
            plain.backbone_step(1, length)

        return counting.count(frame)

    def count_on_gpu(self, prompt: Tensor) -> dict[str, float]:
        """Count kernels, launches and waits of one frame with its sound."""
        self.begin(0, prompt)
        found = counting.count_on_gpu(lambda: self.frames([0], 1))
        self.pipeline.release(0)
        return found

    def backbone_step(self, cache_positions: int, position: int) -> Callable[[], float]:
        """Return what times one backbone step, in seconds, in a cache of `cache_positions`."""
        sizes = self.sizes.backbone
        cache = KvCache.allocate(sizes, 1, cache_positions, self.model.dtype, self.device)
        x = torch.randn(1, sizes.width, device=self.device).to(self.model.dtype)
        at = torch.tensor([position], device=self.device)
        masks = step_masks(sizes, cache_positions, self.model.dtype, self.device)

        @torch.inference_mode()
        def run() -> float:
            began = time.perf_counter()
            length = length_bucket(position + 1)
            self.model.backbone.step(x, at, cache, masks(at), length)
            synchronize(self.device)
            return time.perf_counter() - began

        return run
