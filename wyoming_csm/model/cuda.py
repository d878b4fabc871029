"""What a GPU does while the host goes on: copies, streams, graphs; on a CPU plain calls."""

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor

_LOGGER = logging.getLogger(__name__)

Size = tuple[int, ...]
# Runs the function, records what it launches, and returns what launches that again.
Capture = Callable[[Callable[[], None]], Callable[[], None]]


def pinned(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return zeros on the host, in memory that the device reads and writes by itself."""
    return torch.zeros(shape, dtype=dtype, pin_memory=device.type == "cuda")


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the host's tensor on the device, without waiting for what is queued there."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    # What is not dense would go through memory that is not pinned, and the host would wait.
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)


class DeviceEvent:
    """A point in a stream's work. Without streams all before it is done already."""

    def __init__(self, event: torch.cuda.Event | None, device: torch.device) -> None:
        self._event, self._device = event, device

    def wait_on_device(self) -> None:
        """Let the main stream's next work wait for it; the host does not."""
        if self._event is not None:
            torch.cuda.current_stream(self._device).wait_event(self._event)

    def synchronize(self) -> None:
        """Let the host wait, asleep: another thread can have its core."""
        if self._event is not None:
            self._event.synchronize()


class SideStream:
    """Work beside the main stream, before it where both could run; without streams in order."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]

    def use(self) -> AbstractContextManager[object]:
        """Run what is launched inside on this stream."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def follow(self) -> None:
        """Let its next work wait for all that was launched on the main stream."""
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(self._device))

    def mark(self) -> DeviceEvent:
        """Return the event behind all that was launched on it."""
        if self.stream is None:
            return DeviceEvent(None, self._device)
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(self.stream)
        return DeviceEvent(event, self._device)


class CudaCapture:
    """Captures on one stream with one pool of memory for all: no two at the same time."""

    def __init__(self, device: torch.device, stream: torch.cuda.Stream | None = None) -> None:
        self._device = device
        self._stream = stream or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        """Run once to warm up, then record: what `run` changes is changed once more."""
        main = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):  # libraries allocate and compile on first use
            run()
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Other threads may use CUDA meanwhile: only this one's calls are recorded. The outer
        # `with` brings the stream back where a capture that failed does not.
        with (
            torch.cuda.stream(main),
            torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ),
        ):
            run()
        return graph.replay


class GraphRoom:
    """Bytes that graphs may take: what each really took is measured when it is captured.

    Old drivers take 64 KB for each kernel in a graph, newer ones less; it is not known beforehand.
    """

    def __init__(self, most: int, free: Callable[[], int]) -> None:
        """Allow `most` bytes; `free` returns what the device has left, by its driver."""
        self.most = most
        self.taken = 0
        self.left_out = 0  # sizes
        self._free = free

    def measured(self, capture: Callable[[], Callable[[], None]]) -> tuple[Callable[[], None], int]:
        """Capture, and launch once, as some memory is only taken then; return it and its bytes."""
        before = self._free()
        replay = capture()
        replay()
        took = max(0, before - self._free())
        self.taken += took
        return replay, took


class Graphs:
    """`run(*size)`, where a size that was not captured is served by a larger one that was.

    A larger size must do all that a smaller one does, and no harm beyond it.
    """

    def __init__(
        self, run: Callable[..., None], capture: Capture | None, room: GraphRoom | None = None
    ) -> None:
        """Make every call a plain one of its own size without `capture`; without `room` all fit."""
        self._run = run
        self._capture = capture
        self._room = room
        self._cost = 0  # bytes: the least that one of them took, as the next one will
        self._replays: dict[Size, Callable[[], None]] = {}
        self._picked: dict[Size, Size] = {}

    def capture(self, *size: int) -> None:
        """Capture sizes largest first: a smaller one that memory has no room for is left out."""
        if self._capture is None:
            return
        room = self._room
        if room is not None and self._larger(size) and room.taken + self._cost > room.most:
            room.left_out += 1
            return
        try:
            self._replays[size] = self._captured(self._capture, size)
        except RuntimeError as error:  # torch's own when it allocates, CUDA's for the graph itself
            if "out of memory" not in str(error) or not self._larger(size):
                raise
            _LOGGER.warning("No memory for the CUDA graph of %s: a larger one serves", size)
        self._picked.clear()

    def _captured(self, capture: Capture, size: Size) -> Callable[[], None]:
        run = partial(self._run, *size)
        if self._room is None:
            return capture(run)
        replay, took = self._room.measured(lambda: capture(run))
        self._cost = min(self._cost or took, took)
        return replay

    def pick(self, *size: int) -> Size:
        """Return the size that a call of `size` computes."""
        if size not in self._picked:
            self._picked[size] = min(self._larger(size), key=math.prod, default=size)
        return self._picked[size]

    def __call__(self, *size: int) -> None:
        picked = self.pick(*size)
        replay = self._replays.get(picked)
        if replay is None:
            self._run(*picked)
        else:
            replay()

    def _larger(self, size: Size) -> list[Size]:
        return [
            captured
            for captured in self._replays
            if all(a >= b for a, b in zip(captured, size, strict=True))
        ]


def by_use(sizes: Sequence[int]) -> list[int]:
    """Return of ascending sizes the largest, which serves for all, then every eighth, fourth, …

    Where there is room for the first few only, none is far from a size that fits.
    """
    found: list[int] = []
    for stride in (8, 4, 2, 1):
        found += [size for size in sizes[::-1][::stride] if size not in found]
    return found
