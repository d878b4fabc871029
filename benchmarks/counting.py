"""What one frame costs besides time: operations, kernels, launches, and reads by the host."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

_READS = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique"}
_PRODUCTS = {"mm", "addmm", "addmm_", "bmm", "baddbmm", "linear"}
_LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpy", "cudaMemset")
_WAITS = ("cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize")


class OpCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what reaches the kernels: views are free, and copies to the host are reads."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ops: Counter[str] = Counter()
        self.host_reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not func.is_view:
            self.ops[name] += 1
        if name in _READS or _leaves(name, args, out):
            self.host_reads += 1
        return out

    @property
    def products(self) -> int:
        """Matrix products."""
        return sum(self.ops[name] for name in _PRODUCTS)


def _leaves(name: str, args: Any, out: Any) -> bool:
    """A copy from a device to the host."""
    tensors = [a for a in args if isinstance(a, torch.Tensor)]
    if name == "_to_copy":
        return tensors[0].device.type != "cpu" and out.device.type == "cpu"
    if name == "copy_":
        return tensors[0].device.type == "cpu" and tensors[1].device.type != "cpu"
    return False


def count(frame: Callable[[], object]) -> dict[str, int]:
    """One eager frame: `ops` (without views), `products`, `host_reads`."""
    with OpCounter() as counter:
        frame()
    return {
        "ops": counter.ops.total(),
        "products": counter.products,
        "host_reads": counter.host_reads,
    }


def count_on_gpu(frame: Callable[[], object], frames: int = 3) -> dict[str, float]:
    """Count for a frame as the driver sees it: `kernels`, `launches` and `waits` of the host."""
    frame()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in range(frames):
            frame()
    found: Counter[str] = Counter()
    for event in profiler.events():
        if str(event.device_type) == "DeviceType.CUDA":
            found["kernels"] += 1
        elif event.name.startswith(_LAUNCHES):
            found["launches"] += 1
        elif event.name.startswith(_WAITS):
            found["waits"] += 1
    # the profiler itself waits once at its end
    found["waits"] -= 1
    return {name: round(number / frames, 1) for name, number in found.items()}
