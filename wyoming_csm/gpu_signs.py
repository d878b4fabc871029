"""What shows that a GPU may be here, before anything is installed or PyTorch loaded."""

from pathlib import Path

from wyoming_csm.errors import Unsuited

_NODES = ("nvidia*", "nvhost*", "nvmap", "kfd", "dxg")  # of NVIDIA, Jetson, AMD, Windows' WSL
_NVIDIA_VENDOR = "0x10de"  # as PCI numbers them
_CONTAINERS = ("/.dockerenv", "/run/.containerenv")


def signs() -> frozenset[str]:
    """Name its nodes in /dev, `card` for NVIDIA's on the bus, `driver`, and `container`, in which
    PyTorch is asked in any case: what it lacks has a cure."""
    vendors = Path("/sys/bus/pci/devices").glob("*/vendor")
    found = {path.name for node in _NODES for path in Path("/dev").glob(node)}
    found |= {"card" for path in vendors if path.read_text().strip() == _NVIDIA_VENDOR}
    found |= {"driver" for _ in Path("/proc/driver/nvidia").glob("version")}
    found |= {"container" for name in _CONTAINERS if Path(name).exists()}
    return frozenset(found)


def no_gpu() -> Unsuited:
    cure = "another engine speaks; `csm: {device: cpu}` makes CSM speak without one, far too slowly"
    return Unsuited("no GPU is here", cure)
