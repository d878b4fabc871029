"""Weights kept on disk as they are in memory: the next start reads fewer bytes, and makes nothing.

A checkpoint in float32 takes 7.1 GB; in 16 bits it is less than half of that, quantised a quarter.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from wyoming_csm.disk_cache import DiskCache
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.files import chunks, opened
from wyoming_csm.model.csm import CsmModel

_LOGGER = logging.getLogger(__name__)
_FORMAT = 2  # another whenever codes, scales or names come to mean something else
_FILES = 3  # that stay: of other checkpoints, or other types of weights
_PIECE_BYTES = 16 * 2**20
_TYPES = {
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float32: "F32",
}
# To tell files apart: small ones are read whole, of large ones so many places.
_SMALL_BYTES = 2**20
_PLACES, _PLACE_BYTES = 256, 64


class WeightsCache:
    """One file in a folder, named by what it was made from; a damaged one is as if absent."""

    def __init__(self, folder: Path, made_from: Iterable[Path], what: str, least_free: int) -> None:
        """`made_from`: the checkpoint's files; `what` tells apart what can be made from them;
        `least_free`: bytes that a new file must leave free on the disk. Raises OSError."""
        key = [_FORMAT, what, *(_fingerprint(path) for path in sorted(set(made_from)))]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        self._cache = DiskCache(folder, ".safetensors", _FILES)
        self._path = self._cache.path(digest[:32])
        self._least_free = least_free

    def load(self, model: CsmModel) -> bool:
        """Fill an empty model, bit for bit as it was; False: it is not kept, or damaged."""
        if not self._path.is_file():
            return False
        wanted = model.state_dict()
        try:
            self._check(wanted)
            for name, start, rows in chunks(wanted, dict.fromkeys(wanted, self._path)):
                wanted[name][start : start + len(rows)].copy_(rows)
        except CheckpointError as error:
            _LOGGER.warning("the weights kept on disk are made again: %s", error)
            with suppress(OSError):
                self._path.unlink()
            return False
        self._cache.use(self._path)
        return True

    def save(self, model: CsmModel) -> None:
        """All of it now."""
        for _ in self.pieces(model):
            pass

    def pieces(self, model: CsmModel) -> Iterator[None]:
        """Write a filled model piece by piece, while nobody changes it; nothing if it is kept.

        What cannot be written is logged.
        """
        if self._path.is_file():
            return
        tensors = model.state_dict()
        try:
            if not self._has_room(sum(tensor.nbytes for tensor in tensors.values())):
                return
            with self._cache.new(self._path) as file:
                file.write(_header(tensors))
                for tensor in tensors.values():
                    flat = tensor.detach().flatten().view(torch.uint8)
                    for piece in flat.split(_PIECE_BYTES):
                        file.write(piece.cpu().numpy().data)
                        yield
        except BlockingIOError:  # another GPU's process writes the same
            return
        except OSError as error:
            _LOGGER.warning("the weights cannot be kept on disk: %s", error)

    def _has_room(self, size: int) -> bool:
        self._cache.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._cache.folder).free
        if free - size >= self._least_free:
            return True
        _LOGGER.info(
            "The weights are not kept in %s for quicker starts: that takes %.1f GB and leaves"
            " less than %.0f GB free",
            self._cache.folder,
            size / 1e9,
            self._least_free / 1e9,
        )
        return False

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


def _fingerprint(path: Path) -> list[object]:
    """What tells a file from others of its name without reading gigabytes."""
    found, digest = path.stat(), hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        digest.update(file.read(_SMALL_BYTES))
        if found.st_size <= _SMALL_BYTES:
            return [path.name, digest.hexdigest()]
        for place in range(_PLACES):
            file.seek(found.st_size * place // _PLACES)
            digest.update(file.read(_PLACE_BYTES))
    return [path.name, found.st_size, found.st_mtime_ns, digest.hexdigest()]


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """Of a safetensors file: the library would first copy all tensors to write them."""
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
    return len(text).to_bytes(8, "little") + text
