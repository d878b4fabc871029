"""Safetensors files in a checkpoint's folder: which holds what, and their tensors in chunks."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from wyoming_csm.errors import CheckpointError

# The pages of a mapped file count as ours until it is closed: open it anew that often.
CHUNK_BYTES = 64 * 1024 * 1024
_LFS = b"version https://git-lfs"
_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # bytes
_BYTES = {**_FLOATS, "I8": 1, "U8": 1, "F8_E4M3": 1}


def read_json(path: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read the object in a file; `default` if there is no such file. Raises CheckpointError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if default is None:
            raise CheckpointError(f"{path} is missing") from None
        return default
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} does not hold a table")
    return found


def tensor_files(folder: Path, config: Mapping[str, Any]) -> dict[str, Path]:
    """Map each tensor's name to the file that holds it. Raises CheckpointError."""
    explicit = config.get("transformers_weights")  # sesame/csm-1b has two layouts side by side
    names = [explicit] if explicit else ["model.safetensors", "model.safetensors.index.json"]
    name = next((n for n in names if (folder / _plain(n)).is_file()), None)
    if name is None:
        raise CheckpointError(f"{folder}: there is no {' or '.join(names)}")
    if not name.endswith(".index.json"):
        with opened(folder / name) as file:
            return dict.fromkeys(file.keys(), folder / name)
    index = read_json(folder / name).get("weight_map")
    if not isinstance(index, dict):
        raise CheckpointError(f"{folder / name}: there is no weight_map")
    files = {tensor: folder / _plain(part) for tensor, part in index.items()}
    for path in sorted(set(files.values())):
        with opened(path) as file:
            held = set(file.keys())
        listed = {tensor for tensor, part in files.items() if part == path}
        if held != listed:
            raise CheckpointError(f"{path}: {some(held ^ listed)} not as in {name}")
    return dict(sorted(files.items(), key=lambda item: item[1].name))


def _plain(name: object) -> str:
    """Return the name of a file beside config.json, never elsewhere. Raises CheckpointError."""
    if not isinstance(name, str) or Path(name).name != name:
        raise CheckpointError(f"{name!r} does not name a file beside config.json")
    if not name.endswith((".safetensors", ".safetensors.index.json")):
        raise CheckpointError(f"{name}: only safetensors are read")
    return name


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Map a file while the block runs. Raises CheckpointError, for what fails inside too."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        with suppress(OSError), path.open("rb") as pointer:
            if pointer.read(len(_LFS)) == _LFS:
                raise CheckpointError(
                    f"{path} is a pointer of Git LFS, not the file: run `git lfs pull` in its"
                    " folder"
                ) from error
        raise CheckpointError(f"{path} is damaged or unreadable: {error}") from error


def read_tensor(path: Path, name: str) -> Tensor:
    """Read a tensor as stored, on the CPU. Raises CheckpointError."""
    with opened(path) as file:
        tensor: Tensor = file.get_tensor(name)
        return tensor.clone()  # the file's pages go when it is closed


def check_shapes(shapes: Mapping[str, tuple[int, ...]], files: Mapping[str, Path]) -> None:
    """Raise CheckpointError for the first tensor of another shape or an unknown type."""
    for path, names in groupby(shapes, key=files.__getitem__):
        with opened(path) as file:
            for name in names:
                found = file.get_slice(name)
                if found.get_shape() != list(shapes[name]):
                    raise CheckpointError(
                        f"{name}: its shape is {found.get_shape()},"
                        f" config.json says {list(shapes[name])}"
                    )
                check_type(name, found)


def check_type(name: str, found: Any) -> None:
    """Raise CheckpointError if a tensor's slice holds anything but floats."""
    if found.get_dtype() not in _FLOATS:
        raise CheckpointError(
            f"{name}: type {found.get_dtype()} is not supported: use bf16, fp16 or fp32"
        )


def stored_bytes(names: Iterable[str], files: Mapping[str, Path]) -> int:
    """Count the bytes of these tensors' values in the files."""
    return sum(_BYTES.get(dtype, 1) * n for dtype, n in stored(names, files))


def stored(names: Iterable[str], files: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield each tensor's type, as safetensors calls it, and its number of values."""
    for path, group in groupby(names, key=files.__getitem__):
        with opened(path) as file:
            for name in group:
                found = file.get_slice(name)
                yield found.get_dtype(), torch.Size(found.get_shape()).numel()


def chunks(names: Iterable[str], files: Mapping[str, Path]) -> Iterator[tuple[str, int, Tensor]]:
    """Yield (name, start, tensor[start:end]) of each tensor in turn, at most 64 MB at a time."""
    for path, group in groupby(names, key=files.__getitem__):
        yield from _chunks_of(path, list(group))


def _chunks_of(path: Path, names: list[str]) -> Iterator[tuple[str, int, Tensor]]:
    plan: list[tuple[str, int, int, int]] = []  # name, start, end, bytes before it
    before = 0
    with opened(path) as file:
        for name in names:
            found = file.get_slice(name)
            length, *rest = found.get_shape()
            size = _BYTES[found.get_dtype()] * torch.Size(rest).numel()
            step = max(1, CHUNK_BYTES // size)
            for start in range(0, length, step):
                end = min(start + step, length)
                plan.append((name, start, end, before))
                before += size * (end - start)
    for _, near in groupby(plan, key=lambda chunk: chunk[3] // CHUNK_BYTES):
        with opened(path) as file:
            for name, start, end, _ in near:
                yield name, start, file.get_slice(name)[start:end]


def some(names: Iterable[str]) -> str:
    """Join a few of the names, for a message."""
    listed = sorted(names)
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
