"""A checkpoint in a local folder: transformers layout, safetensors only, read in one pass."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.adapter import Adapter
from wyoming_csm.model.checkpoint.digest import digest
from wyoming_csm.model.checkpoint.files import (
    check_shapes,
    chunks,
    read_json,
    read_tensor,
    some,
    stored_bytes,
    tensor_files,
)
from wyoming_csm.model.checkpoint.foreign import of_tensors
from wyoming_csm.model.checkpoint.quantized_cache import WeightsCache
from wyoming_csm.model.checkpoint.weight_map import (
    BACKBONE_TABLE,
    DEPTH_TABLE,
    FOLDED,
    PROJECTION,
    Source,
    sources,
)
from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.quantization.linear import QuantizedLinear, QuantKind

CODEC = "codec_model."
_DERIVED = (".rotary_emb.inv_freq", ".audio_tokens_offsets")  # old files hold what we compute
FOLD_ENTRIES = 4096  # of a table at a time, which is in float32 while it is projected
_SPARED = 1.5  # so many times as large as what would be stored the files must be
# That a disk must have left with the copy. int4's, the smallest, spares a CPU two minutes, too: its
# scales are searched for; int8 and fp8 are made in a quarter of one.
FREE_BYTES, FREE_BYTES_INT4 = 10**10, 10**9


class Checkpoint:
    """What the folder holds, seen through its headers; weights are read when asked for."""

    def __init__(self, folder: Path, adapter: Path | None = None) -> None:
        """Read the headers; an `adapter`'s folder is merged into the weights while they are loaded.

        Raises CheckpointError if something is missing, malformed or not served.
        """
        self.folder = folder
        self.adapter = Adapter(adapter) if adapter is not None else None
        self.config = read_json(folder / "config.json")
        self.sizes = CsmSizes.from_config(self.config)
        self.generation = read_json(folder / "generation_config.json", default={})
        self.tokenizer_config = read_json(folder / "tokenizer_config.json", default={})
        self.files = tensor_files(folder, self.config)

    @property
    def codec_config(self) -> Mapping[str, Any]:
        """The codec's part of `config.json`."""
        config: Mapping[str, Any] = self.config["codec_config"]
        return config

    @cached_property
    def digest(self) -> str:
        """Tell it, with its adapter, from other checkpoints, wherever it lies. Raises OSError."""
        adapter = self.adapter.files if self.adapter is not None else []
        return digest({*self.files.values(), self.folder / "config.json", *adapter})

    def names(self, prefix: str = "") -> list[str]:
        """List the tensors in the files whose names begin with `prefix`."""
        return [name for name in self.files if name.startswith(prefix)]

    def tensor(self, name: str) -> Tensor:
        """Read a tensor as stored, without the adapter, on the CPU. Raises CheckpointError."""
        return read_tensor(self.files[name], name)

    def cache(
        self, folder: Path, dtype: torch.dtype, backbone: QuantKind | None, depth: QuantKind | None
    ) -> WeightsCache | None:
        """Return where `load` stores what it makes; None: reading the files takes no longer."""
        if not (backbone or depth):
            with torch.device("meta"):
                made = sum(p.numel() for p in CsmModel(self.sizes).parameters()) * dtype.itemsize
            if stored_bytes(self._wanted(), self.files) < _SPARED * made:
                return None
        made_from = {*self.files.values(), self.folder / "config.json"}
        if self.adapter is not None:
            made_from |= set(self.adapter.files)
        least_free = FREE_BYTES_INT4 if "int4" in (backbone, depth) else FREE_BYTES
        return WeightsCache(folder, made_from, f"{dtype} {backbone} {depth}", least_free)

    @torch.no_grad()
    def load(
        self,
        dtype: torch.dtype,
        device: torch.device,
        *,
        backbone: QuantKind | None = None,
        depth: QuantKind | None = None,
        text_on_host: bool = False,
        cache: WeightsCache | None = None,
    ) -> CsmModel:
        """Return the network with its weights, read straight into `dtype` on `device`.

        `backbone`, `depth`: the part's linear layers are quantised so. `text_on_host`: the text
        embedding table stays on the CPU. `cache`: what `cache` returned. Needs no memory beside
        the weights but a chunk or two. Raises CheckpointError naming the tensors that are
        missing, unknown or of another shape.
        """
        wanted = self._wanted()
        text_device = torch.device("cpu") if text_on_host else device
        model = self._empty(dtype, device, backbone, depth, text_device)
        if cache is None or not cache.load(model):
            self._fill(model, wanted)
            if cache is not None and device.type == "cpu":
                cache.save(model)  # now: a CPU puts its weights in another order next
        for module in model.modules():
            if isinstance(module, QuantizedLinear):
                module.finalize(dtype)
        return model.eval()

    def _empty(
        self,
        dtype: torch.dtype,
        device: torch.device,
        backbone: QuantKind | None,
        depth: QuantKind | None,
        text_device: torch.device,
    ) -> CsmModel:
        with torch.device("meta"):
            model = CsmModel(self.sizes)
        for name, buffer in list(model.named_buffers()):
            to = dtype if buffer.is_floating_point() else buffer.dtype
            _set(model, name, buffer.to(device, to))
        for name, module in list(model.named_modules()):
            kind = depth if name.startswith("depth.") else backbone
            if kind is not None and isinstance(module, nn.Linear):
                layer = QuantizedLinear(kind, module.out_features, module.in_features, device)
                _set(model, name, layer)
        for name, like in list(model.named_parameters()):
            its_device = text_device if name == "text_embedding.weight" else device
            empty = torch.empty(like.shape, dtype=dtype, device=its_device)
            _set(model, name, nn.Parameter(empty, requires_grad=False))
        return model

    def _fill(self, model: CsmModel, wanted: Mapping[str, Source]) -> None:
        """Fill an empty model in one pass over the files."""
        device = model.device
        projection = self.merged(PROJECTION, 0, self.tensor(PROJECTION))
        projection = projection.to(device, torch.float32)  # [depth's width, width]
        for name, start, stored in chunks(wanted, self.files):
            chunk = self.merged(name, start, stored)
            for target, offset, part in wanted[name].parts(start, chunk):
                if target != FOLDED:
                    _put(model, target, offset, part)
                    continue
                for at in range(0, len(part), FOLD_ENTRIES):
                    entries = part[at : at + FOLD_ENTRIES].to(device).float()
                    _put(model, target, offset + at, entries @ projection.T)

    def merged(self, name: str, start: int, chunk: Tensor) -> Tensor:
        """Return a chunk of a tensor that begins at `start`, with the adapter if there is one."""
        return self.adapter.merge(name, start, chunk) if self.adapter is not None else chunk

    def _wanted(self) -> dict[str, Source]:
        """List what to read, in the order of the files, each tensor of ours once."""
        known = sources(self.sizes)
        if self.sizes.tied:  # stored under either name, or under both
            del known[BACKBONE_TABLE if DEPTH_TABLE in self.files else DEPTH_TABLE]
        names = [
            name
            for name in self.files
            if not name.startswith(CODEC)
            and not name.endswith(_DERIVED)
            and not (self.sizes.tied and name == BACKBONE_TABLE and name not in known)
        ]
        missing, unknown = known.keys() - set(names), set(names) - known.keys()
        if missing and (foreign := of_tensors(names)):
            raise CheckpointError(f"{self.folder} holds {foreign.what}: {foreign.cure}")
        for wrong, what in ((missing, "missing"), (unknown, "not known")):
            if wrong:
                raise CheckpointError(
                    f"{self.folder}: {len(wrong)} tensors are {what}: {some(wrong)}"
                )
        shapes = {name: known[name].shape for name in names}
        check_shapes(shapes, self.files)
        if self.adapter is not None:
            tied = {BACKBONE_TABLE, DEPTH_TABLE} if self.sizes.tied else ()
            self.adapter.check(shapes, CODEC, tied)
        return {name: known[name] for name in names}


def _put(model: CsmModel, name: str, start: int, part: Tensor) -> None:
    owner, _, attribute = name.rpartition(".")
    module = model.get_submodule(owner)
    if isinstance(module, QuantizedLinear):
        module.fill(start, part)
    else:
        getattr(module, attribute)[start : start + len(part)].copy_(part)


def _set(model: nn.Module, name: str, value: Tensor | nn.Module) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, value)
