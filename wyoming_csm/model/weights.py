"""A checkpoint in a local folder: transformers layout, safetensors only, read in one pass."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.sizes import CsmSizes

CODEC = "codec_model."
# The pages of a mapped file count as ours until it is closed: open it anew that often.
_CHUNK_BYTES = 64 * 1024 * 1024
_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # bytes

# Names of the transformers layout → ours; the first that matches.
_NAMES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"embed_text_tokens\.weight", "text_embedding.weight"),
        (r"lm_head\.weight", "head.weight"),
        (r"backbone_model\.embed_tokens\.embed_audio_tokens\.weight", "audio_embedding.weight"),
        (r"backbone_model\.((?:layers|norm)\..+)", r"backbone.\1"),
        (r"depth_decoder\.model\.embed_tokens\.weight", "depth.audio_embedding.weight"),
        (r"depth_decoder\.model\.inputs_embeds_projector\.weight", "depth.projection.weight"),
        (r"depth_decoder\.model\.((?:layers|norm)\..+)", r"depth.transformer.\1"),
        (r"depth_decoder\.codebooks_head\.weight", "depth.heads"),
    )
)
_DERIVED = (".rotary_emb.inv_freq", ".audio_tokens_offsets")  # old files hold what we compute


class Checkpoint:
    """What the folder holds, seen through its headers; weights are read when asked for."""

    def __init__(self, folder: Path) -> None:
        """Raises CheckpointError: something is missing or malformed."""
        self.folder = folder
        self.config = read_json(folder / "config.json")
        self.sizes = CsmSizes.from_config(self.config)
        self.generation = read_json(folder / "generation_config.json", default={})
        self.tokenizer_config = read_json(folder / "tokenizer_config.json", default={})
        self._files = _tensor_files(folder, self.config)

    @property
    def codec_config(self) -> Mapping[str, Any]:
        """The codec's part of `config.json`."""
        config: Mapping[str, Any] = self.config["codec_config"]
        return config

    def names(self, prefix: str = "") -> list[str]:
        """Of the tensors in the files."""
        return [name for name in self._files if name.startswith(prefix)]

    def tensor(self, name: str) -> Tensor:
        """As stored, on the CPU. Raises CheckpointError."""
        with _opened(self._files[name]) as file:
            tensor: Tensor = file.get_tensor(name)
            return tensor.clone()  # the file's pages are not ours to keep

    def load(self, dtype: torch.dtype, device: torch.device) -> CsmModel:
        """The network with its weights, straight into `dtype` on `device`.

        Needs no memory beside the weights but one chunk. Raises CheckpointError naming the
        tensors that are missing, unknown or of another shape.
        """
        with torch.device("meta"):
            model = CsmModel(self.sizes)
        wanted = dict(model.named_parameters())
        targets = self._targets(wanted)
        _check({name: wanted[ours].shape for name, ours in targets.items()}, self._files)
        filled: dict[str, Tensor] = {}
        for path, names in groupby(targets, key=self._files.__getitem__):
            for name, start, chunk in _chunks(path, list(names)):
                ours = targets[name]
                if ours not in filled:
                    filled[ours] = torch.empty(wanted[ours].shape, dtype=dtype, device=device)
                filled[ours][start : start + len(chunk)].copy_(chunk)
        for name, tensor in filled.items():
            _set(model, name, nn.Parameter(tensor, requires_grad=False))
        for buffer_name, buffer in model.named_buffers():
            to = dtype if buffer.is_floating_point() else buffer.dtype
            _set(model, buffer_name, buffer.to(device, to))
        return model.eval()

    def _targets(self, wanted: Mapping[str, Tensor]) -> dict[str, str]:
        """Name in the files → name in the model, each parameter once."""
        found: dict[str, str] = {}
        unknown: list[str] = []
        for name in self._files:
            if name.startswith(CODEC) or name.endswith(_DERIVED):
                continue
            ours = _translate(name)
            if self.sizes.tied and ours == "depth.audio_embedding.weight":
                ours = "audio_embedding.weight"
            if ours is None or ours not in wanted:
                unknown.append(name)
            elif ours not in found.values():  # a tied table may be stored under both its names
                found[name] = ours
        missing = set(wanted) - set(found.values())
        if missing:
            raise CheckpointError(
                f"{self.folder}: {len(missing)} tensors are missing: {_some(missing)}"
            )
        if unknown:
            raise CheckpointError(
                f"{self.folder}: {len(unknown)} tensors are not known: {_some(unknown)}"
            )
        return found


def read_json(path: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object in a file; `default` if there is no such file. Raises CheckpointError."""
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


def _tensor_files(folder: Path, config: Mapping[str, Any]) -> dict[str, Path]:
    """Tensor name → the file that holds it."""
    explicit = config.get("transformers_weights")  # sesame/csm-1b keeps two layouts side by side
    names = [explicit] if explicit else ["model.safetensors", "model.safetensors.index.json"]
    name = next((n for n in names if (folder / _plain(n)).is_file()), None)
    if name is None:
        raise CheckpointError(f"{folder}: there is no {' or '.join(names)}: {_cure(folder)}")
    if not name.endswith(".index.json"):
        with _opened(folder / name) as file:
            return dict.fromkeys(file.keys(), folder / name)
    index = read_json(folder / name).get("weight_map")
    if not isinstance(index, dict):
        raise CheckpointError(f"{folder / name}: there is no weight_map")
    files = {tensor: folder / _plain(part) for tensor, part in index.items()}
    for path in sorted(set(files.values())):
        with _opened(path) as file:
            held = set(file.keys())
        listed = {tensor for tensor, part in files.items() if part == path}
        if held != listed:
            raise CheckpointError(f"{path}: {_some(held ^ listed)} not as in {name}")
    return dict(sorted(files.items(), key=lambda item: item[1].name))


def _plain(name: object) -> str:
    """A file beside config.json, never elsewhere."""
    if not isinstance(name, str) or Path(name).name != name:
        raise CheckpointError(f"{name!r} does not name a file beside config.json")
    if not name.endswith((".safetensors", ".safetensors.index.json")):
        raise CheckpointError(f"{name}: only safetensors are read")
    return name


def _cure(folder: Path) -> str:
    if (folder / "adapter_config.json").exists():
        return "merge the adapter into its base model (merge_and_unload) and save that"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
        return "only safetensors are read: save it again with transformers' save_pretrained"
    return "the download is incomplete, or this is not a checkpoint"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or unreadable: {error}") from error


def _check(shapes: Mapping[str, torch.Size], files: Mapping[str, Path]) -> None:
    """Raises CheckpointError for the first tensor of another shape or an unknown type."""
    for path, names in groupby(shapes, key=files.__getitem__):
        with _opened(path) as file:
            for name in names:
                found = file.get_slice(name)
                if found.get_shape() != list(shapes[name]):
                    raise CheckpointError(
                        f"{name}: its shape is {found.get_shape()},"
                        f" config.json says {list(shapes[name])}"
                    )
                if found.get_dtype() not in _FLOATS:
                    raise CheckpointError(
                        f"{name}: type {found.get_dtype()} is not supported: use bf16, fp16 or fp32"
                    )


def _chunks(path: Path, names: list[str]) -> Iterator[tuple[str, int, Tensor]]:
    """(name, first row, rows) of each tensor in turn, at most _CHUNK_BYTES a piece."""
    plan: list[tuple[str, int, int, int]] = []  # name, first row, end, bytes before it
    before = 0
    with _opened(path) as file:
        for name in names:
            found = file.get_slice(name)
            rows, *rest = found.get_shape()
            row_bytes = _FLOATS[found.get_dtype()] * torch.Size(rest).numel()
            step = max(1, _CHUNK_BYTES // row_bytes)
            for start in range(0, rows, step):
                end = min(start + step, rows)
                plan.append((name, start, end, before))
                before += row_bytes * (end - start)
    for _, pieces in groupby(plan, key=lambda piece: piece[3] // _CHUNK_BYTES):
        with _opened(path) as file:
            for name, start, end, _ in pieces:
                yield name, start, file.get_slice(name)[start:end]


def _translate(name: str) -> str | None:
    for pattern, ours in _NAMES:
        match = pattern.fullmatch(name)
        if match:
            return match.expand(ours)
    return None


def _set(model: nn.Module, name: str, value: Tensor) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, value)


def _some(names: Any) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
