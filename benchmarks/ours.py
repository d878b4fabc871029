"""This engine, driven as its child process drives it."""

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
from wyoming_csm.model.attention import StepMasks, length_bucket
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


class Ours:
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

    def keep(self, rows: Tensor) -> KvBlock:
        """A voice's prompt, heard once."""
        self.pipeline.prefill(0, rows, 0)
        block = self.pipeline.save(0, len(rows))
        self.pipeline.release(0)
        return block

    def begin(self, slot: int, rows: Tensor, kept: KvBlock | None = None) -> None:
        """A sentence takes the slot, after a voice's prompt that was kept."""
        if kept is not None:
            self.pipeline.restore(slot, kept)
        self.pipeline.prefill(slot, rows, slot, kept.positions if kept is not None else 0)
        self.pipeline.start_sound(slot)

    def frames(self, slots: Sequence[int], count: int) -> list[float]:
        """When each frame's sound was on the host, by `perf_counter`."""
        launched: deque[FrameHandle] = deque()
        ends: list[float] = []
        for _ in range(count):
            launched.append(self.pipeline.launch(slots))
            if len(launched) > self.pipeline.ahead:
                launched.popleft().wait()
                ends.append(time.perf_counter())
        while launched:
            launched.popleft().wait()
            ends.append(time.perf_counter())
        return ends

    def speak(self, rows: Tensor, frames: int, kept: KvBlock | None = None) -> list[float]:
        """Seconds from the call until each frame's sound was on the host."""
        synchronize(self.device)
        began = time.perf_counter()
        self.begin(0, rows, kept)
        ends = self.frames([0], frames)
        self.pipeline.release(0)
        return [end - began for end in ends]

    def spell(self, rows: Tensor, frames: int) -> list[float]:
        """The same without the codec, and without graphs: codes alone, as `generate` makes them."""
        began, ends = time.perf_counter(), []
        self.generator.prefill(0, rows, 0)
        for _ in range(frames):
            self.generator.step([0])
            synchronize(self.device)
            ends.append(time.perf_counter() - began)
        self.generator.release(0)
        return ends

    def count(self, rows: Tensor) -> dict[str, int]:
        """Operations and host reads of one eager frame: codes, and the backbone's hearing of them.

        Of a generator that is not compiled: counting in compiled code would undo it for good.
        """
        positions = min(self.generator.positions, len(rows) + 2)
        plain = FrameGenerator(self.model, 1, positions, self._sampling)
        plain.prefill(0, rows, 0)
        length = plain.length_of([0])

        def frame() -> None:
            plain.decode_frame(1)
            plain.backbone_step(1, length)

        return counting.count(frame)

    def count_on_gpu(self, rows: Tensor) -> dict[str, float]:
        """Kernels, launches and waits of one frame with its sound."""
        self.begin(0, rows)
        found = counting.count_on_gpu(lambda: self.frames([0], 1))
        self.pipeline.release(0)
        return found

    def backbone_step(self, cache_positions: int, position: int) -> Callable[[], float]:
        """Seconds of one backbone step at a position of a cache with so much room."""
        sizes = self.sizes.backbone
        cache = KvCache.allocate(sizes, 1, cache_positions, self.model.dtype, self.device)
        x = torch.randn(1, sizes.width, device=self.device).to(self.model.dtype)
        at = torch.tensor([position], device=self.device)
        masks = StepMasks(sizes, cache_positions, self.model.dtype, self.device)

        @torch.inference_mode()
        def run() -> float:
            began = time.perf_counter()
            length = length_bucket(position + 1)
            self.model.backbone.step(x, at, cache, masks(at), length)
            synchronize(self.device)
            return time.perf_counter() - began

        return run
