"""A function over fixed memory, captured for each size as a CUDA graph; elsewhere a plain call."""

import logging
import math
from collections.abc import Callable

import torch

_LOGGER = logging.getLogger(__name__)

Size = tuple[int, ...]
# Runs the function, records what it launches, and returns what launches that again.
Capture = Callable[[Callable[[], None]], Callable[[], None]]


class CudaCapture:
    """Captures on one stream with one pool of memory for all: no two at the same time."""

    def __init__(self, device: torch.device, stream: torch.cuda.Stream | None = None) -> None:
        self._device = device
        self._stream = stream or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        """What `run` changes it changes once here, for the warm-up: see that this hurts nobody."""
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


class Graphs:
    """`run(*size)`, where a size that was not captured is served by a larger one that was.

    A larger size must do all that a smaller one does, and no harm beyond it.
    """

    def __init__(self, run: Callable[..., None], capture: Capture | None) -> None:
        """Without `capture` every call is a plain one, of its own size."""
        self._run = run
        self._capture = capture
        self._replays: dict[Size, Callable[[], None]] = {}
        self._picked: dict[Size, Size] = {}

    def capture(self, *size: int) -> None:
        """Largest first: a smaller one that memory has no room for is then left out."""
        if self._capture is None:
            return
        try:
            self._replays[size] = self._capture(lambda: self._run(*size))
        except RuntimeError as error:  # torch's own when it allocates, CUDA's for the graph itself
            if "out of memory" not in str(error) or not self._larger(size):
                raise
            _LOGGER.warning("No memory for the CUDA graph of %s: a larger one serves", size)
        self._picked.clear()

    def pick(self, *size: int) -> Size:
        """The size that a call of `size` computes."""
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
        """Those captured that can serve it."""
        return [
            captured
            for captured in self._replays
            if all(a >= b for a, b in zip(captured, size, strict=True))
        ]
