"""Weights stored on disk as they are in memory: the next start reads less, and makes nothing.

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

from wyoming_csm.disk_cache import DiskCache, fingerprint
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.files import chunks, opened
from wyoming_csm.model.csm import CsmModel

_LOGGER = logging.getLogger(__name__)
_FORMAT = 2  # another whenever codes, scales or names come to mean something else
_FILES = 3  # that stay: of other checkpoints, or other types of weights
CHUNK_BYTES = 16 * 2**20
_TYPES = {
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float32: "F32",
}


class WeightsCache:
    """One file in a folder, named by what it was made from."""

    def __init__(self, folder: Path, made_from: Iterable[Path], what: str, least_free: int) -> None:
        """Name the file by the checkpoint's files `made_from` and by `what` is made from them.

        A new one must leave `least_free` bytes free on the disk. Raises OSError.
        """
        key = [_FORMAT, what, *(fingerprint(path) for path in sorted(set(made_from)))]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        self._cache = DiskCache(folder, ".safetensors", _FILES)
        self._path = self._cache.path(digest[:32])
        self._least_free = least_free

    def load(self, model: CsmModel) -> bool:
        """Fill an empty model, bit for bit as it was; False: there is no whole file of it."""
        wanted = model.state_dict()

        def fill(path: Path) -> bool:
            _check(path, wanted)
            for name, start, part in chunks(wanted, dict.fromkeys(wanted, path)):
                wanted[name][start : start + len(part)].copy_(part)
            return True

        return self._cache.read(self._path, fill) or False

    def save(self, model: CsmModel) -> None:
        """Write a filled model to its file now."""
        for _ in self.write(model):
            pass

    def write(self, model: CsmModel) -> Iterator[None]:
        """Write a filled model, which must stay as it is, chunk by chunk; not if it is stored."""
        tensors = model.state_dict()
        size = sum(tensor.nbytes for tensor in tensors.values())
        if not self._cache.holds(self._path) and self._has_room(size):
            yield from self._cache.write(self._path, _file_chunks(tensors))

    def _has_room(self, size: int) -> bool:
        folder = self._cache.folder
        with suppress(OSError):  # said when it is written to
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free - size < self._least_free:
                _LOGGER.info(
                    "The weights are not stored in %s for quicker starts: that takes %.1f GB and"
                    " leaves less than %.0f GB free",
                    folder,
                    size / 1e9,
                    self._least_free / 1e9,
                )
                return False
        return True


def _check(path: Path, wanted: Mapping[str, Tensor]) -> None:
    with opened(path) as file:
        if set(file.keys()) != wanted.keys():
            raise CheckpointError("it holds other tensors")
        for name, tensor in wanted.items():
            found = file.get_slice(name)
            if (found.get_dtype(), found.get_shape()) != (_TYPES[tensor.dtype], [*tensor.shape]):
                raise CheckpointError(f"{name} is of another shape or type")


def _file_chunks(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """Yield a safetensors file: the library would first copy all tensors to write them."""
    yield _header(tensors)
    for tensor in tensors.values():
        for chunk in torch.split(tensor.detach().flatten().view(torch.uint8), CHUNK_BYTES):
            yield chunk.cpu().numpy().data


def _header(tensors: Mapping[str, Tensor]) -> bytes:
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
