"""Quantised weights kept on disk, so that the next start only reads them."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.layout import FOLDED
from wyoming_csm.model.quantized import QuantizedLinear
from wyoming_csm.model.tensor_files import chunks, opened

_LOGGER = logging.getLogger(__name__)
_FORMAT = 1  # another whenever codes, scales or names come to mean something else
_FILES = 3  # that stay: of other checkpoints, or other types of weights
_TYPES = {
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float32: "F32",
}


class QuantizedCache:
    """One file in a folder, named by what it was made from; anything else is as if absent."""

    def __init__(self, folder: Path, made_from: Iterable[Path], what: str) -> None:
        """`made_from`: the checkpoint's files; `what` tells apart what can be made from them."""
        key: list[object] = [_FORMAT, what]
        for path in sorted(set(made_from)):
            found = path.stat()
            key += [path.name, found.st_size, found.st_mtime_ns]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        self._path = folder / f"{digest[:32]}.safetensors"

    def load(self, model: CsmModel) -> set[str]:
        """Fill what is kept; its names as parameters: all that `save` would keep, or none."""
        if not self._path.is_file():
            return set()
        wanted = _kept(model)
        try:
            self._check(wanted)
            for name, start, rows in chunks(wanted, dict.fromkeys(wanted, self._path)):
                wanted[name][start : start + len(rows)].copy_(rows)
            os.utime(self._path)  # the least recently used go first
        except (CheckpointError, OSError) as error:
            _LOGGER.warning("the quantised weights kept on disk are made again: %s", error)
            return set()
        return {FOLDED, *(f"{name}.weight" for name, _ in _layers(model))}

    def save(self, model: CsmModel) -> None:
        """Of a model that is not settled yet. What cannot be written is logged."""
        temporary = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(_kept(model), temporary)
                temporary.replace(self._path)
            finally:
                temporary.unlink(missing_ok=True)
            self._forget_others()
        except OSError as error:
            _LOGGER.warning("the quantised weights cannot be kept on disk: %s", error)

    def _check(self, wanted: Mapping[str, Tensor]) -> None:
        with opened(self._path) as file:
            if set(file.keys()) != wanted.keys():
                raise CheckpointError(f"{self._path} holds other tensors")
            for name, tensor in wanted.items():
                found = file.get_slice(name)
                if (found.get_dtype(), found.get_shape()) != (
                    _TYPES[tensor.dtype],
                    list(tensor.shape),
                ):
                    raise CheckpointError(f"{self._path}: {name} is of another shape or type")

    def _forget_others(self) -> None:
        files = sorted(self._path.parent.glob("*.safetensors"), key=lambda p: p.stat().st_mtime)
        for path in files[:-_FILES]:
            path.unlink(missing_ok=True)


def _layers(model: CsmModel) -> list[tuple[str, QuantizedLinear]]:
    return [(n, m) for n, m in model.named_modules() if isinstance(m, QuantizedLinear)]


def _kept(model: CsmModel) -> dict[str, Tensor]:
    """What takes long to make, as it is in memory: quantised layers and the folded table."""
    kept: dict[str, Tensor] = {FOLDED: model.depth.table}
    for name, layer in _layers(model):
        kept |= {f"{name}.codes": layer.codes, f"{name}.scales": layer.scales}
    return kept


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    """A safetensors file, tensor by tensor: the library would first copy them all."""
    header: dict[str, object] = {}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.detach().cpu().flatten().view(torch.uint8).numpy().data)
