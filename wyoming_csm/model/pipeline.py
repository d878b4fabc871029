"""Frames of many slots, codes and sound: launched without waiting, waited for one frame later."""

import logging
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wyoming_csm.model.csm import is_end
from wyoming_csm.model.cuda import (
    Capture,
    CudaCapture,
    DeviceEvent,
    GraphRoom,
    Graphs,
    SideStream,
    by_use,
    pinned,
)
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvBlock
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.rows import RowTable, row_bucket, row_buckets

_LOGGER = logging.getLogger(__name__)
_MEASURED_FRAMES = 2
_MEASURED_POSITIONS = 512  # a voice of 20 s and a sentence: what a frame costs, it costs there


class _HostBuffers:
    """The host's side of one frame: the active rows go in, codes and sound come out."""

    def __init__(self, codes: Tensor, samples: Tensor) -> None:
        device = codes.device
        self.active = pinned((len(codes),), torch.bool, device)
        self.codes = pinned(tuple(codes.shape), codes.dtype, device)
        self.samples = pinned(tuple(samples.shape), samples.dtype, device)
        self.done = DeviceEvent(None, device)
        self.in_flight = False


# Waits for a frame in flight, once, before its buffers are used again, and returns copies on the
# host: codes [n, codebooks] and samples [n, samples of a frame], in the order of the launch's
# slots. The samples of a frame of zeros mean nothing, but for this: all those of a frame are NaN
# where it was made from what is no number.
FrameHandle = Callable[[], tuple[Tensor, Tensor]]


class FramePipeline:
    """A generator and a codec, driven frame by frame.

    A frame is decoded on the main stream; then the backbone reads it there while beside it the
    codec makes its sound, from copies of its own, so that the next frame can be decoded over it.
    Everything that is done to a slot joins the queue behind the frames already launched.
    """

    def __init__(
        self,
        generator: FrameGenerator,
        decoder: MimiDecoder,
        ahead: int | None = None,
        room: GraphRoom | None = None,
        captures: tuple[Capture, Capture] | None = None,
    ) -> None:
        """Launch `ahead` frames before the first is waited for; by default 1 on a GPU only.

        Graphs are made by `captures`, one for the main stream and one for the codec's, as far as
        they find `room`; by default by CUDA on a GPU only, as far as it has memory.
        """
        self._generator, self._decoder = generator, decoder
        self.slots = generator.slots
        self._codes = torch.zeros_like(generator.codes)
        self._speaks = torch.zeros_like(generator.active)
        self._doubts = torch.zeros_like(generator.doubts)
        self.device = device = self._codes.device
        width = decoder.config.samples_per_frame
        self._samples = torch.zeros(self.slots, width, device=device)
        self._state = decoder.new_state(self.slots + 1, device)  # the last one to swap by
        self._side = SideStream(device)
        self._table = RowTable(self.slots)
        on_gpu = device.type == "cuda"
        self.ahead = int(on_gpu) if ahead is None else ahead
        if on_gpu and captures is None:
            captures = CudaCapture(device), CudaCapture(device, self._side.stream)
        self._room, self._has_graphs = room, captures is not None
        main, beside = captures or (None, None)
        self._decode_graphs = Graphs(generator.decode_frame, main, room)
        self._backbone_graphs = Graphs(generator.backbone_step, main, room)
        self._codec_graphs = Graphs(self._decode, beside, room)
        self._ring = [_HostBuffers(self._codes, self._samples) for _ in range(self.ahead + 1)]
        # Where the codec had its own copy of the last frame.
        self._copied = DeviceEvent(None, device)
        self._seconds: dict[int, float] = {}  # of a frame, by its bucket of rows

    def prefill(self, slot: int, prompt: Tensor, seed: int, start: int = 0) -> None:
        """Prefill as the generator does."""
        self._generator.prefill(self._table.take(slot), prompt, seed, start)

    def set_temperature(self, slot: int, temperature: float | None) -> bool:
        """Set it as the generator does."""
        return self._generator.set_temperature(self._table.take(slot), temperature)

    def save(self, slot: int, n: int) -> KvBlock:
        """Save as the generator does."""
        return self._generator.save(self._table.take(slot), n)

    def restore(self, slot: int, block: KvBlock) -> None:
        """Restore as the generator does."""
        self._generator.restore(self._table.take(slot), block)

    def release(self, slot: int) -> None:
        """Free the slot. Safe to call twice."""
        row = self._table.free(slot)
        if row is not None:
            self._generator.release(row)

    @torch.inference_mode()
    def start_sound(self, slot: int) -> None:
        """Let the slot's next frame be the first of a sound."""
        row = self._table.take(slot)
        with self._side.use():
            self._decoder.reset(self._state, row)

    @torch.inference_mode()
    def launch(self, active: Sequence[int]) -> FrameHandle:
        """Start a frame of these slots, each prefilled and not full. Returns at once on a GPU.

        Raises ValueError if a slot cannot, or if too many frames were launched and not waited for,
        torch.OutOfMemoryError if slots must change rows and there is no room to.
        """
        buffers = self._ring[0]
        if buffers.in_flight:
            raise ValueError("the frame launched before must be waited for")
        rows = [self._table.take(slot) for slot in active]
        self._gather(active)
        rows = [self._table.take(slot) for slot in active]
        length = self._generator.length_of(rows)
        buffers.active.zero_()
        buffers.active[rows] = True
        self._frame(buffers, max(rows) + 1, length)
        self._generator.count(rows)
        buffers.in_flight = True
        self._ring.append(self._ring.pop(0))

        def wait() -> tuple[Tensor, Tensor]:
            buffers.done.synchronize()
            buffers.in_flight = False
            return buffers.codes[rows], buffers.samples[rows]

        return wait

    def step_seconds(self, n: int) -> float:
        """Return what a frame of `n` slots takes, as measured by `capture`; until then infinity."""
        return self._seconds.get(row_bucket(n, self.slots), float("inf"))

    @torch.inference_mode()
    def capture(self, progress: Callable[[str], None]) -> None:
        """Capture graphs of all sizes on a GPU, and measure: to be called before any sentence.

        Raises torch.OutOfMemoryError if there is no room for the largest.
        """
        if self._has_graphs:
            self._capture_graphs(progress)
        for rows in row_buckets(self.slots):
            self._seconds[rows] = self._measure(rows)

    def _capture_graphs(self, progress: Callable[[str], None]) -> None:
        """Capture what serves for all others, then for one voice alone, then the finer lengths."""
        *fewer, most = row_buckets(self.slots)
        buckets = [most, *fewer]
        longest, *shorter = by_use(self._generator.lengths())
        for n, rows in enumerate(buckets, start=1):
            progress(f"preparing frames of {rows} at once ({n} of {len(buckets)})")
            self._decode_graphs.capture(rows)
            self._backbone_graphs.capture(rows, longest)
            with self._side.use():
                self._codec_graphs.capture(rows)
        for length in shorter:
            for rows in buckets:
                self._backbone_graphs.capture(rows, length)
        if self._room is not None:
            level = logging.INFO if self._room.left_out else logging.DEBUG
            _LOGGER.log(
                level,
                "CUDA graphs took %.2f GB of %.2f GB; %d sizes are served by larger ones",
                self._room.taken / 1e9,
                self._room.most / 1e9,
                self._room.left_out,
            )

    def _frame(self, buffers: _HostBuffers, rows: int, length: int) -> None:
        """Queue all work of one frame, of the rows in `buffers.active`."""
        generator = self._generator
        self._copied.wait_on_device()
        generator.active.copy_(buffers.active, non_blocking=True)
        self._decode_graphs(rows)
        self._side.follow()
        with self._side.use():
            self._codes.copy_(generator.codes)
            self._speaks.copy_(generator.active)
            self._doubts.copy_(generator.doubts)
            self._copied = self._side.mark()
            self._codec_graphs(rows)
            buffers.codes[:rows].copy_(self._codes[:rows], non_blocking=True)
            buffers.samples[:rows].copy_(self._samples[:rows], non_blocking=True)
            buffers.done = self._side.mark()
        self._backbone_graphs(rows, length)

    def _decode(self, rows: int) -> None:
        """Make the sound of the first rows that are active, but not of the frame of zeros."""
        codes = self._codes[:rows]
        speaks = self._speaks[:rows] & ~is_end(codes)
        sound = self._decoder.step(codes, self._state, speaks)
        torch.add(sound, self._doubts[:rows, None], out=self._samples[:rows])

    def _gather(self, active: Sequence[int]) -> None:
        """Bring the active slots into the smallest bucket that has room for them."""
        (room,) = self._decode_graphs.pick(row_bucket(len(active), self.slots))
        for source, target in self._table.gather(active, room):
            self._generator.swap(source, target)
            with self._side.use():
                self._decoder.swap(self._state, source, target, spare=self.slots)

    def _measure(self, rows: int) -> float:
        """Return the seconds of a frame without active rows: it computes the same."""
        buffers = self._ring[0]
        buffers.active.zero_()
        lengths = self._generator.lengths()
        length = next((n for n in lengths if n >= _MEASURED_POSITIONS), lengths[-1])
        self._frame(buffers, rows, length)  # the first use of a device loads what every use needs
        self._synchronize()
        before = time.perf_counter()
        for _ in range(_MEASURED_FRAMES):
            self._frame(buffers, rows, length)
        self._synchronize()
        return (time.perf_counter() - before) / _MEASURED_FRAMES

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
