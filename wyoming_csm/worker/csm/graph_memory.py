"""What CUDA graphs take of a GPU's memory, before any is captured: nodes, and bytes for each."""

import ctypes
import sys
from dataclasses import dataclass

import torch

from wyoming_csm.model.attention import length_buckets
from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.rows import row_buckets

# Kernels of a frame, rounded up from what was counted in generated code: compiled 11.2 a block of
# the depth decoder, 10 of the backbone; as they are about 20. Of the codec: 290.
_BLOCK, _PLAIN_BLOCK, _CODEC = 12, 20, 300
_OLD_DRIVER = 12_040  # the CUDA version, as the driver says it, up to which a node takes 64 KB
_OLD_NODE, _NODE = 65_536, 16_384  # the second stated, not measured


@dataclass(frozen=True)
class GraphNodes:
    """How many a frame's graphs hold."""

    spell: int
    hear: int

    @classmethod
    def of(cls, sizes: CsmSizes, compiled: bool) -> "GraphNodes":
        """`compiled`: its parts are fused."""
        block = _BLOCK if compiled else _PLAIN_BLOCK
        passes = sizes.codebooks - 1
        return cls(passes * sizes.depth.layers * block, sizes.backbone.layers * block)

    @property
    def least(self) -> int:
        """Of a single size, which serves for all."""
        return self.spell + self.hear + _CODEC

    def all(self, slots: int, positions: int) -> int:
        """Of every size: as many sentences at once, as far as their slots reach."""
        lengths = len(length_buckets(positions))
        return len(row_buckets(slots)) * (self.least + (lengths - 1) * self.hear)


def graph_node_bytes(device: torch.device) -> int:
    """Of a node in a graph: what the driver is known to take, the most where it is unknown."""
    if device.type != "cuda":
        return 0
    version = driver_version()
    return _OLD_NODE if version is None or version <= _OLD_DRIVER else _NODE


def driver_version() -> int | None:
    """The newest CUDA that the NVIDIA driver serves, 12040 for 12.4; None: there is none."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    version = ctypes.c_int()
    try:
        failed = ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return None if failed else version.value
