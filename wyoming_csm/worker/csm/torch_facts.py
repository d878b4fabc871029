"""What is found by importing PyTorch, in a form that another process can be told. Needs none."""

from typing import Literal

import msgspec

from wyoming_csm.worker.csm.gpu_faults import Surroundings


class Card(msgspec.Struct, frozen=True):
    """A GPU; memory in bytes."""

    name: str
    capability: tuple[int, int]
    total: int
    free: int


class Weights(msgspec.Struct, frozen=True):
    """The state of CSM's weights: where they are, or why they are not here and what helps."""

    state: Literal["here", "fetchable", "unreachable", "refused"]
    found: str
    cure: str = ""


class TorchFacts(msgspec.Struct, frozen=True):
    """What PyTorch shows of itself and of the GPUs; `cards` are those that it can use."""

    version: str
    here: Surroundings = Surroundings()
    architectures: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    compiler_cure: str = ""  # what helps where nothing can be compiled
    flash_attn: str = ""  # its version
    flash_fault: str = ""  # why it cannot be imported
    weights: Weights | None = None  # None: CSM was not asked for
