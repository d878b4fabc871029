"""What goes between host and device without anybody waiting: pinned memory, streams, marks."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def pinned(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros on the host, in memory that the device reads and writes by itself."""
    return torch.zeros(shape, dtype=dtype, pin_memory=device.type == "cuda")


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """The host's tensor on the device, without waiting for what is queued there."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    # What is not dense would go through memory that is not pinned, and the host would wait.
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)


class DeviceEvent:
    """A point in a stream's work. Without streams all before it is done already."""

    def __init__(self, event: torch.cuda.Event | None, device: torch.device) -> None:
        self._event, self._device = event, device

    def hold(self) -> None:
        """What is launched on the main stream from now on waits for it, the host does not."""
        if self._event is not None:
            torch.cuda.current_stream(self._device).wait_event(self._event)

    def wait(self) -> None:
        """The host waits, asleep: another thread can have its core."""
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
        """What is launched inside runs on it."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def follow(self) -> None:
        """Its next work waits for all that was launched on the main stream."""
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(self._device))

    def mark(self) -> DeviceEvent:
        """Behind all that was launched on it."""
        if self.stream is None:
            return DeviceEvent(None, self._device)
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(self.stream)
        return DeviceEvent(event, self._device)
