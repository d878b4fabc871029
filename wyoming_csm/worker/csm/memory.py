"""Memory that fits: what weights, slots and cached prompts take, and what a GPU has room for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import msgspec
import torch
from torch import nn

from wyoming_csm.config import CsmConfig, WeightType
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.attention import length_buckets, longest_bucket
from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.generator import PREFILL_POSITIONS
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.quantization.linear import linear_bytes
from wyoming_csm.model.rows import row_buckets
from wyoming_csm.worker.csm.device import Precision
from wyoming_csm.worker.csm.gpu_faults import driver_cuda
from wyoming_csm.worker.protocol import GpuMemory

_GPU_SLOTS = 4
_CPU_SLOTS = 1  # a step computes every slot, which only a GPU does for nothing
_LEAST_POSITIONS = 512  # a voice's clip of 20 s and a sentence of 10 s, with their texts
# Stated, not measured: libraries' code and workspaces, and what lies between allocations. What the
# driver takes for the process itself is gone before the free memory is asked for.
WORKING_BYTES = 300_000_000
_LEAST_CACHE = 64 * 2**20  # five voices' prompts: before they are given up, graphs are
_META = torch.device("meta")
_FREE_SOME = "free some (nvidia-smi shows what takes it)"
# Kernels of a frame, rounded up from what was counted in generated code: compiled 11.2 a block of
# the depth decoder, 10 of the backbone; as they are about 20. Of the codec: 290.
_BLOCK, _PLAIN_BLOCK, _CODEC = 12, 20, 300
_OLD_DRIVER = (12, 4)  # the last CUDA with which a node takes 64 KB
_OLD_NODE, _NODE = 65_536, 16_384  # the second stated, not measured


@dataclass(frozen=True)
class Plan:
    """What to allocate: `prompt_cache` bytes for prompts prefilled before, `needed` for the rest.

    CUDA graphs may take `graphs` bytes; only the least of them are among those needed.
    """

    slots: int
    positions: int
    prompt_cache: int
    needed: int
    graphs: int = 0


@dataclass(frozen=True)
class Needs:
    """What CSM takes on the device, known before any of it is loaded."""

    sizes: CsmSizes
    codec: MimiConfig
    precision: Precision
    text_on_host: bool
    compiled: bool = True
    node_bytes: int = 0  # what a node of a CUDA graph takes; 0: there are none

    @cached_property
    def weights(self) -> int:
        """Bytes of the network and of the codec's decoder."""
        with _META:
            network, decoder = CsmModel(self.sizes), MimiDecoder(self.codec)
        total = sum(tensor.nbytes for tensor in (*decoder.parameters(), *decoder.buffers()))
        precision = self.precision
        for name, module in network.named_modules():
            if name == "text_embedding" and self.text_on_host:
                continue
            own = dict(module.named_parameters(recurse=False))
            if isinstance(module, nn.Linear):
                kind = precision.depth if name.startswith("depth.") else precision.backbone
                total += linear_bytes(kind, *own.pop("weight").shape)
            for tensor in (*own.values(), *module.buffers(recurse=False)):
                dtype = precision.compute if tensor.is_floating_point() else tensor.dtype
                total += tensor.numel() * dtype.itemsize
        return total

    def slot(self, positions: int) -> int:
        """Bytes of a slot: keys and values of both transformers, and the codec's state."""
        longest = longest_bucket(positions)  # as the generator has it
        parts = ((self.sizes.backbone, longest), (self.sizes.depth, self.sizes.codebooks))
        caches = [KvCache.allocate(part, 1, n, self.precision.compute, _META) for part, n in parts]
        with _META:
            state = MimiDecoder(self.codec).new_state(1, _META)
        tensors = [*state.tensors(), *chain.from_iterable(cache.layers for cache in caches)]
        return sum(tensor.nbytes for tensor in tensors)

    @property
    def position(self) -> int:
        """Bytes of the keys and values of one position in the backbone."""
        sizes = self.sizes.backbone
        return 2 * sizes.layers * sizes.kv_heads * sizes.head_dim * self.precision.compute.itemsize

    def prompt(self, positions: int) -> int:
        """Bytes of activations while a prompt is prefilled: feed-forward's, and the mask."""
        sizes, n = self.sizes.backbone, min(positions, PREFILL_POSITIONS)
        group = sizes.heads // sizes.kv_heads
        each = 4 * sizes.feed_forward + 2 * group * positions
        return n * each * self.precision.compute.itemsize

    def graphs(self, slots: int, positions: int) -> int:
        """Bytes of all CUDA graphs: of each batch size, the backbone's at each length."""
        step = self._blocks_bytes(self.sizes.backbone.layers)
        lengths = step * (len(length_buckets(positions)) - 1)
        return len(row_buckets(slots)) * (self.least_graphs + lengths)

    @property
    def least_graphs(self) -> int:
        """Bytes of the graphs of a single size, which serve for all."""
        depth = (self.sizes.codebooks - 1) * self.sizes.depth.layers
        blocks = self._blocks_bytes(self.sizes.backbone.layers + depth)
        return blocks + self.node_bytes * _CODEC

    def _blocks_bytes(self, blocks: int) -> int:
        return self.node_bytes * blocks * (_BLOCK if self.compiled else _PLAIN_BLOCK)

    def all(self, slots: int, positions: int) -> int:
        """Bytes of everything but cached prompts and the graphs that can be done without."""
        working = WORKING_BYTES + self.prompt(positions) + self.least_graphs
        return self.weights + working + slots * self.slot(positions)


def graph_node_bytes(device: torch.device) -> int:
    """Return what the driver takes for a node of a CUDA graph; the most where that is unknown."""
    if device.type != "cuda":
        return 0
    version = driver_cuda()
    return _OLD_NODE if version is None or version <= _OLD_DRIVER else _NODE


def free_bytes(device: torch.device) -> int | None:
    """Return how much of a GPU's memory is free; None on a CPU. Starts the GPU's context here."""
    return None if device.type == "cpu" else torch.cuda.mem_get_info(device)[0]


def taken(device: torch.device) -> str:
    """Say how much of a GPU's memory this process took, without the driver's own part."""
    return gigabytes(torch.cuda.memory_reserved(device))


def memory_gauge(device: torch.device) -> Callable[[], GpuMemory | None]:
    """Return what tells how much of a GPU's memory this process took; on a CPU that tells nothing.

    It reads PyTorch's own count, which asks neither the driver nor the device, so no frame waits.
    """
    if device.type != "cuda":
        return lambda: None
    total = torch.cuda.get_device_properties(device).total_memory
    return lambda: GpuMemory(torch.cuda.memory_reserved(device), total)


def ran_out(device: torch.device) -> EngineUnavailable:
    """Say what helps when loading or warming up met the end of the memory after all."""
    free, total = torch.cuda.mem_get_info(device)
    return EngineUnavailable(
        f"the memory of {device} ran out: {gigabytes(free)} of {gigabytes(total)} are free now,"
        f" CSM took {taken(device)}",
        f"{_FREE_SOME}, or lower csm.gpu_memory_share or csm.slots",
    )


def plan(config: CsmConfig, needs: Needs, free: int | None, device: str) -> Plan:
    """Plan slots, positions and caches for so many free bytes; None: a CPU, with room enough.

    Cached prompts shrink first, to a few, and graphs next, then slots, then positions, these two
    where the configuration leaves them open. Raises EngineUnavailable, telling what would fit.
    """
    prompt_cache = config.prompt_cache_mb * 2**20
    if free is None:
        slots, positions = config.slots or _CPU_SLOTS, _positions(config, needs)[0]
        return Plan(slots, positions, prompt_cache, needs.all(slots, positions))
    room = int(free * config.gpu_memory_share)
    if found := _best(config, needs, room):
        # What is spare is for a few cached prompts, then graphs, then more cached prompts.
        least, spare = needs.least_graphs, room - found.needed
        wanted = needs.graphs(found.slots, found.positions) - least
        graphs = max(0, min(wanted, spare - min(prompt_cache, _LEAST_CACHE)))
        cached = min(prompt_cache, spare - graphs)
        return replace(found, prompt_cache=cached, graphs=least + graphs)
    slots, positions = config.slots or 1, _positions(config, needs)[-1]
    raise EngineUnavailable(
        f"{device} has {gigabytes(free)} free and csm.gpu_memory_share lets it take"
        f" {gigabytes(room)} of them: csm.dtype {needs.precision} with csm.slots {slots} of"
        f" {positions} positions needs {gigabytes(needs.all(slots, positions))}",
        _cure(config, needs, room),
    )


def _best(config: CsmConfig, needs: Needs, room: int) -> Plan | None:
    """Find the most that the configuration allows in `room` bytes; None: nothing fits."""
    for positions in _positions(config, needs):
        for slots in [config.slots] if config.slots else range(_GPU_SLOTS, 0, -1):
            needed = needs.all(slots, positions)
            if needed <= room:
                return Plan(slots, positions, 0, needed)
    return None


def _positions(config: CsmConfig, needs: Needs) -> list[int]:
    """List the numbers of positions a slot may have, the most first. Raises EngineUnavailable."""
    most = needs.sizes.backbone.positions
    if config.context_positions is None:
        return [most, *(n for n in (most // 2, most // 4) if n >= _LEAST_POSITIONS)]
    if config.context_positions > most:
        raise EngineUnavailable(
            f"csm.context_positions is {config.context_positions}, but the model has {most}",
            "correct csm.context_positions",
        )
    return [config.context_positions]


def _cure(config: CsmConfig, needs: Needs, room: int) -> str:
    """List every single change that would do, the least painful first."""

    def fits(needs: Needs = needs, **changed: int | None) -> bool:
        return _best(msgspec.structs.replace(config, **changed), needs, room) is not None

    fewer = range((config.slots or 1) - 1, 0, -1)
    found = [f"csm.slots: {n} would fit" for n in fewer if fits(slots=n)][:1]
    if (config.context_positions or 0) > _LEAST_POSITIONS and fits(context_positions=None):
        found.append("csm.context_positions: null would fit")
    if not needs.text_on_host and fits(replace(needs, text_on_host=True)):
        found.append("csm.text_table_on_host: true would fit")
    kinds: tuple[WeightType, ...] = ("int8", "int4")
    for kind in kinds:
        precision = replace(needs.precision, backbone=kind, depth=config.depth_dtype or kind)
        smaller = replace(needs, precision=precision)
        if fits(smaller):
            bytes_needed = smaller.all(config.slots or 1, _positions(config, needs)[-1])
            found.append(f"csm.dtype: {kind} needs {gigabytes(bytes_needed)}")
    found.append(_FREE_SOME)
    return ", or ".join(found)


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
