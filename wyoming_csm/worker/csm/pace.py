"""How long a prefill takes, learned from those that were made."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_MEMORY = 0.9  # a prefill counts so much less with each that follows
_SPREAD = 16.0  # positions by which lengths must differ to tell what one of them costs


class PrefillPace:
    """A constant, and so much a position. Nothing waits for a GPU to learn it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._weight = 0.0
        # Weighted means of positions, seconds, and their products.
        self._n = self._s = self._nn = self._ns = 0.0
        self._each = 0.0  # seconds
        self._running: list[tuple[int, torch.cuda.Event, torch.cuda.Event]] = []

    def seconds(self, positions: int) -> float:
        """Expected; 0 until one was made."""
        for run in [run for run in self._running if run[2].query()]:  # type: ignore[no-untyped-call]
            self._running.remove(run)
            self.observe(run[0], run[1].elapsed_time(run[2]) / 1000)
        return max(0.0, self._s + self._each * (positions - self._n))

    @contextmanager
    def measured(self, positions: int) -> Iterator[None]:
        """Around a prefill, or around its launch."""
        if self._device.type != "cuda":
            start = time.perf_counter()
            yield
            self.observe(positions, time.perf_counter() - start)
            return
        begin, end = _event(), _event()
        stream = torch.cuda.current_stream(self._device)
        begin.record(stream)
        yield
        end.record(stream)
        self._running.append((positions, begin, end))

    def observe(self, positions: int, seconds: float) -> None:
        """One that was made: least squares over the latest."""
        self._weight = self._weight * _MEMORY + 1
        new = 1 / self._weight
        self._n += new * (positions - self._n)
        self._s += new * (seconds - self._s)
        self._nn += new * (positions * positions - self._nn)
        self._ns += new * (positions * seconds - self._ns)
        spread = self._nn - self._n * self._n
        if spread > _SPREAD * _SPREAD:
            self._each = max(0.0, (self._ns - self._n * self._s) / spread)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
