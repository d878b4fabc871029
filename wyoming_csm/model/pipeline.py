"""Frames of many slots, codes and sound: launched without waiting, looked at one frame later."""

import logging
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wyoming_csm.model.csm import is_end
from wyoming_csm.model.cuda import CudaCapture, DeviceEvent, GraphRoom, Graphs, SideStream, pinned
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvBlock
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.rows import RowTable, by_use, row_bucket, row_buckets

_LOGGER = logging.getLogger(__name__)
_MEASURED_FRAMES = 2
_MEASURED_POSITIONS = 512  # a voice of 20 s and a sentence: what a frame costs, it costs there


class _HostBuffers:
    """The host's side of one frame: who takes part goes in, codes and sound come out."""

    def __init__(self, codes: Tensor, samples: Tensor) -> None:
        device = codes.device
        self.active = pinned((len(codes),), torch.bool, device)
        self.codes = pinned(tuple(codes.shape), codes.dtype, device)
        self.samples = pinned(tuple(samples.shape), samples.dtype, device)
        self.done = DeviceEvent(None, device)
        self.in_flight = False


class FrameHandle:
    """A frame that is being made. It must be waited for once, before its turn comes round again."""

    def __init__(self, exchange: _HostBuffers, rows: list[int]) -> None:
        self._exchange = exchange
        self._rows = rows

    def wait(self) -> tuple[Tensor, Tensor]:
        """Codes [n, codebooks] and samples [n, samples of a frame], the caller's own, on the host.

        In the order of the launch's slots. The samples of a frame of zeros mean nothing.
        """
        exchange = self._exchange
        exchange.done.synchronize()
        exchange.in_flight = False
        return exchange.codes[self._rows], exchange.samples[self._rows]


class FramePipeline:
    """A generator and a codec, driven frame by frame.

    A frame is spelled on the main stream; then the backbone hears it there while beside it the
    codec makes its sound, from copies of its own, so that the next frame can be spelled over it.
    Everything that is done to a slot joins the queue behind the frames already launched.
    """

    def __init__(
        self,
        generator: FrameGenerator,
        decoder: MimiDecoder,
        ahead: int | None = None,
        graph_bytes: int | None = None,
    ) -> None:
        """`ahead`: frames to launch before the first is waited for; by default 1 on a GPU only.

        `graph_bytes`: what CUDA graphs may take of the device's memory; by default all of it.
        """
        self._generator, self._decoder = generator, decoder
        self.slots = generator.slots
        self._codes = torch.zeros_like(generator.codes)
        self._speaks = torch.zeros_like(generator.active)
        self.device = device = self._codes.device
        width = decoder.config.samples_per_frame
        self._samples = torch.zeros(self.slots, width, device=device)
        self._state = decoder.new_state(self.slots + 1, device)  # the last one to swap over
        self._side = SideStream(device)
        self._table = RowTable(self.slots)
        on_gpu = device.type == "cuda"
        self.ahead = int(on_gpu) if ahead is None else ahead
        main = CudaCapture(device) if on_gpu else None
        beside = CudaCapture(device, self._side.stream) if on_gpu else None
        self._room: GraphRoom | None = None
        if on_gpu and graph_bytes is not None:
            self._room = GraphRoom(graph_bytes, lambda: torch.cuda.mem_get_info(device)[0])
        self._decode_graphs = Graphs(generator.decode_frame, main, self._room)
        self._backbone_graphs = Graphs(generator.backbone_step, main, self._room)
        self._codec_graphs = Graphs(self._decode, beside, self._room)
        self._ring = [_HostBuffers(self._codes, self._samples) for _ in range(self.ahead + 1)]
        self._copied = DeviceEvent(
            None, device
        )  # where the codec had its own copy of the last frame
        self._seconds: dict[int, float] = {}  # of a frame, by its bucket of rows

    def prefill(self, slot: int, rows: Tensor, seed: int, start: int = 0) -> None:
        """As the generator's."""
        self._generator.prefill(self._table.take(slot), rows, seed, start)

    def save(self, slot: int, n: int) -> KvBlock:
        """As the generator's."""
        return self._generator.save(self._table.take(slot), n)

    def restore(self, slot: int, block: KvBlock) -> None:
        """As the generator's."""
        self._generator.restore(self._table.take(slot), block)

    def used(self, slot: int) -> int:
        """Positions that the slot heard, with the frames launched."""
        row = self._table.of(slot)
        return 0 if row is None else self._generator.used(row)

    def positions_left(self, slot: int) -> int:
        """How many more frames can be launched for the slot."""
        return self._generator.positions - self.used(slot)

    def release(self, slot: int) -> None:
        """Forget the slot's sentence. Safe to call twice."""
        row = self._table.free(slot)
        if row is not None:
            self._generator.release(row)

    @torch.inference_mode()
    def start_sound(self, slot: int) -> None:
        """The slot's next frame is the first of a sound."""
        row = self._table.take(slot)
        with self._side.use():
            self._decoder.reset(self._state, row)

    @torch.inference_mode()
    def launch(self, active: Sequence[int]) -> FrameHandle:
        """Start a frame of these slots, each prefilled and not full. Returns at once on a GPU.

        ValueError: a slot cannot, or too many frames were launched and not waited for.
        """
        exchange = self._ring[0]
        if exchange.in_flight:
            raise ValueError("the frame launched before must be waited for")
        rows = [self._table.take(slot) for slot in active]
        self._gather(active)
        rows = [self._table.take(slot) for slot in active]
        length = self._generator.length_of(rows)
        exchange.active.zero_()
        exchange.active[rows] = True
        self._frame(exchange, max(rows) + 1, length)
        self._generator.count(rows)
        exchange.in_flight = True
        self._ring.append(self._ring.pop(0))
        return FrameHandle(exchange, rows)

    def step_seconds(self, n: int) -> float:
        """What a frame of `n` slots takes, as measured by `capture`; until then infinity."""
        return self._seconds.get(row_bucket(n, self.slots), float("inf"))

    @torch.inference_mode()
    def capture(self, progress: Callable[[str], None]) -> None:
        """To be called before anybody speaks: graphs of all sizes on a GPU, and measured times.

        Raises torch.OutOfMemoryError if there is no room for the largest.
        """
        if self.device.type == "cuda":
            self._capture_graphs(progress)
        for rows in row_buckets(self.slots):
            self._seconds[rows] = self._measure(rows)

    def _capture_graphs(self, progress: Callable[[str], None]) -> None:
        """Those that serve for all others, those of one voice alone, then the finer lengths."""
        most, *fewer = reversed(row_buckets(self.slots))
        buckets = [most, *reversed(fewer)]
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

    def _frame(self, exchange: _HostBuffers, rows: int, length: int) -> None:
        """All work of one frame, queued; those in `exchange.active` take part."""
        generator = self._generator
        self._copied.wait_on_device()
        generator.active.copy_(exchange.active, non_blocking=True)
        self._decode_graphs(rows)
        self._side.follow()
        with self._side.use():
            self._codes.copy_(generator.codes)
            self._speaks.copy_(generator.active)
            self._copied = self._side.mark()
            self._codec_graphs(rows)
            exchange.codes[:rows].copy_(self._codes[:rows], non_blocking=True)
            exchange.samples[:rows].copy_(self._samples[:rows], non_blocking=True)
            exchange.done = self._side.mark()
        self._backbone_graphs(rows, length)

    def _decode(self, rows: int) -> None:
        """Sound of the first rows. The frame of zeros, and who is not active, stay unheard."""
        codes = self._codes[:rows]
        speaks = self._speaks[:rows] & ~is_end(codes)
        self._samples[:rows].copy_(self._decoder.step(codes, self._state, speaks))

    def _gather(self, active: Sequence[int]) -> None:
        """Let the active slots share the smallest bucket that has room for them."""
        (room,) = self._decode_graphs.pick(row_bucket(len(active), self.slots))
        for source, target, swap in self._table.gather(active, room):
            if swap:
                self._generator.swap(source, target)
            else:
                self._generator.move(source, target)
            with self._side.use():
                if swap:
                    self._decoder.swap(self._state, source, target, self.slots)
                else:
                    self._decoder.move(self._state, source, target)

    def _measure(self, rows: int) -> float:
        """Seconds of a frame in which nobody takes part: it computes the same."""
        exchange = self._ring[0]
        exchange.active.zero_()
        lengths = self._generator.lengths()
        length = next((n for n in lengths if n >= _MEASURED_POSITIONS), lengths[-1])
        self._frame(exchange, rows, length)  # the first use of a device loads what every use needs
        self._synchronize()
        before = time.perf_counter()
        for _ in range(_MEASURED_FRAMES):
            self._frame(exchange, rows, length)
        self._synchronize()
        return (time.perf_counter() - before) / _MEASURED_FRAMES

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
