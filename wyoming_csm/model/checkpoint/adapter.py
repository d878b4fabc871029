"""A LoRA adapter as peft saves it, merged into its base's tensors while these are read."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.files import check_type, opened, read_json, read_tensor, some

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_CURE = "merge it where it was trained (merge_and_unload, then save_pretrained) and use that folder"

# Keys of peft's LoraConfig that change what is trained, by what they are; all others that are not
# harmless are refused by their own names.
_NOT_SERVED = {
    "use_dora": "DoRA",
    "lora_bias": "LoRA with a bias (lora_bias)",
    "trainable_token_indices": "an adapter with trained tokens (trainable_token_indices)",
    "target_parameters": "LoRA of bare parameters (target_parameters)",
}
# How it was begun or trained, or told by the tensors themselves. `fan_in_fan_out`: as in peft it
# is about GPT-2's layers alone, which are stored the other way round.
_HARMLESS = """
    alpha_pattern auto_mapping base_model_name_or_path bias corda_config ensure_weight_tying
    eva_config exclude_modules fan_in_fan_out inference_mode init_lora_weights layers_pattern
    layers_to_transform loftq_config lora_alpha lora_dropout lora_ga_config megatron_core
    modules_to_save peft_type peft_version qalora_group_size r rank_pattern revision
    runtime_config target_modules task_type use_rslora velora_config
"""
_PLAIN_STARTS = ("true", "false", "none", "gaussian", "orthogonal", "eva")
_LOW_RANK = re.compile(r"^(.+)\.lora_(embedding_)?([AB])(\.weight)?$")
# Wrappers of peft's modules, which are not in the base's names.
_WRAPPERS = re.compile(r"^base_model\.model\.|\.(?:base_layer|modules_to_save)(?=\.)")


@dataclass
class _LowRank:
    """`scale · B @ A`, of an embedding transposed; the names of A and B in the file."""

    rank: int
    scale: float
    embedding: bool
    names: dict[str, str] = field(default_factory=dict)

    def product(self, file: Path, start: int, n: int) -> Tensor:
        """Return what is added to `n` outputs or entries from `start` on: float32 [n, width]."""
        a, b = (read_tensor(file, self.names[half]).float() for half in "AB")
        if self.embedding:
            return (b @ a[:, start : start + n]).T * self.scale
        return b[start : start + n] @ a * self.scale


class Adapter:
    """What a folder with an adapter changes of its base. Only its header is read at first."""

    def __init__(self, folder: Path) -> None:
        """Read the header. Raises CheckpointError if it is malformed, or of a kind not served."""
        self.folder = folder
        self._config = read_config(folder)
        self._file = folder / WEIGHTS
        self._added: dict[str, _LowRank] = {}  # by the base's tensors
        self._replaced: dict[str, str] = {}  # to the names in the file
        with opened(self._file) as file:
            for name in list(file.keys()):
                self._sort(name)
        halves = [name for name, low in self._added.items() if len(low.names) < 2]
        if halves:
            raise CheckpointError(f"{self._file}: only one half of {some(halves)}")

    @property
    def files(self) -> list[Path]:
        """The files that decide what is changed."""
        return [self.folder / CONFIG, self._file]

    def check(
        self, shapes: Mapping[str, tuple[int, ...]], codec: str, shared: Collection[str]
    ) -> None:
        """Check that it fits a base with tensors of these shapes. Raises CheckpointError.

        `codec`: what the codec's names begin with, of which nothing may be changed; `shared`:
        two names under which the base has one and the same tensor.
        """
        for name in [name for name in self._added if name.startswith(codec)]:
            if read_tensor(self._file, self._added[name].names["B"]).any():
                raise CheckpointError(f"{self.folder} changes the codec ({name}): {_CURE}")
            del self._added[name]  # made with the others, but never trained
        changed = {*self._added, *self._replaced}
        if changed & set(shared):
            raise CheckpointError(
                f"{self.folder} trains the table of audio embeddings, of which its base has one for"
                f" two modules: {_CURE}"
            )
        unknown = [name for name in changed if name not in shapes]
        if unknown:
            raise CheckpointError(f"{self.folder} changes what CSM does not have: {some(unknown)}")
        for name in changed:
            self._check_shape(name, shapes[name])

    def merge(self, name: str, start: int, chunk: Tensor) -> Tensor:
        """Return a chunk of the base's tensor, which begins at `start`, as it is changed."""
        if name in self._replaced:
            with opened(self._file) as file:
                chunk = file.get_slice(self._replaced[name])[start : start + len(chunk)]
        if name in self._added:
            chunk = chunk.float() + self._added[name].product(self._file, start, len(chunk))
        return chunk

    def _sort(self, name: str) -> None:
        plain = _WRAPPERS.sub("", name)
        found = _LOW_RANK.match(plain)
        if found is None:
            if "lora_magnitude_vector" in plain:
                raise CheckpointError(f"{self.folder} is DoRA, which is not served: {_CURE}")
            if ".lora_" in plain or not plain.endswith(".weight"):
                raise CheckpointError(f"{self._file}: {plain} is not known: {_CURE}")
            self._replaced[plain] = name
            return
        module, embedding, half, _ = found.groups()
        low = _LowRank(*self._scale(module), bool(embedding))
        self._added.setdefault(f"{module}.weight", low).names[half] = name

    def _scale(self, module: str) -> tuple[int, float]:
        """Return rank and scale as peft does: the first pattern that the name ends with counts."""
        config = self._config
        rank = _matching(config.get("rank_pattern"), module, config.get("r", 8))
        alpha = _matching(config.get("alpha_pattern"), module, config.get("lora_alpha", 8))
        if not isinstance(rank, int) or not isinstance(alpha, int | float) or rank <= 0:
            raise CheckpointError(
                f"{self.folder / CONFIG}: rank {rank!r} and alpha {alpha!r} of {module}"
            )
        return rank, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        with opened(self._file) as file:

            def of(key: str) -> tuple[int, ...]:
                found = file.get_slice(key)
                check_type(key, found)
                return tuple(found.get_shape())

            wrong = ""
            if name in self._replaced and (replacing := of(self._replaced[name])) != shape:
                wrong = f"{list(replacing)}"
            if low := self._added.get(name):
                a, b = of(low.names["A"]), of(low.names["B"])
                fits = len(a) == len(b) == 2 and a[0] == b[1] == low.rank
                if not fits or ((a[1], b[0]) if low.embedding else (b[0], a[1])) != shape:
                    wrong = f"{list(b)} times {list(a)}"
        if wrong:
            raise CheckpointError(
                f"{self.folder}: {wrong} does not fit {name}, {list(shape)}:"
                " it belongs to another base"
            )


def is_adapter(folder: Path) -> bool:
    """True if a folder holds an adapter; a whole checkpoint may lie beside it."""
    return all((folder / name).is_file() for name in (CONFIG, WEIGHTS))


def read_config(folder: Path) -> dict[str, Any]:
    """Read adapter_config.json. Raises CheckpointError if it asks for what is not served."""
    config = read_json(folder / CONFIG)
    kind = config.get("peft_type")
    if not isinstance(kind, str):
        raise CheckpointError(f"{folder} holds an adapter that was not made by peft: {_CURE}")
    found = [f"an adapter of the kind {kind}"] if kind != "LORA" else [*_variants(config)]
    if found:
        raise CheckpointError(f"{folder} is {found[0]}, which is not served: {_CURE}")
    return config


def _variants(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        if value and key not in _HARMLESS.split():
            yield _NOT_SERVED.get(key, f"LoRA with {key}")
    start = str(config.get("init_lora_weights", True)).lower()
    if start not in _PLAIN_STARTS:
        yield f"LoRA begun as {start}, which changes the base too"


def _matching(patterns: object, module: str, default: Any) -> Any:
    for pattern, value in (patterns if isinstance(patterns, dict) else {}).items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        except re.error as error:
            raise CheckpointError(f"{CONFIG}: the pattern {pattern!r}: {error}") from error
    return default
