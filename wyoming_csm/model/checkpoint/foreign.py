"""What a folder or a repository holds that cannot be spoken with: its name, and what helps."""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

_USE = "set csm.checkpoint to sesame/csm-1b or to a fine-tune of it in the transformers layout"
_NOT_QUANTISED = (
    "use the checkpoint that it was made from; csm.dtype: int8 (or int4) makes it smaller here"
)
_SAVE = "only safetensors are read: save it again with transformers' save_pretrained"
_INDEX = "model.safetensors.index.json"
_RUN = re.compile(r"^checkpoint-(\d+)/")


class Foreign(NamedTuple):
    """Something else than a checkpoint in the transformers layout."""

    what: str
    cure: str


_ORIGINAL = Foreign("Sesame's original layout, which is not read", _USE)
_NO_CONFIG = Foreign(
    "weights without their config.json",
    "copy config.json and tokenizer.json of the checkpoint that they were made from beside them",
)
_MLX = Foreign("weights in MLX's layout, for Apple's computers only", _USE)
# Where there are no weights of ours: how a file's name ends, the most telling first.
_BY_NAME: tuple[tuple[tuple[str, ...], Foreign], ...] = (
    ((".gguf",), Foreign("GGUF, the format of llama.cpp", _USE)),
    ((".onnx", ".onnx_data"), Foreign("ONNX", _USE)),
    (("ckpt.pt",), _ORIGINAL),
    ((".npz", "adapters.safetensors"), _MLX),
    (("adapter_model.bin",), Foreign("an adapter in a pickle", _SAVE)),
    ((".bin", ".pt", ".pth", ".ckpt"), Foreign("weights in a pickle", _SAVE)),
    ((".safetensors",), Foreign("weights in files that are not called model.safetensors", _USE)),
)
# The same for the names of tensors.
_BY_TENSOR: tuple[tuple[tuple[str, ...], Foreign], ...] = (
    ((".absmax", ".quant_state", "bitsandbytes__nf4"), Foreign("bitsandbytes", _NOT_QUANTISED)),
    ((".qweight", ".qzeros"), Foreign("weights quantised by GPTQ or AWQ", _NOT_QUANTISED)),
    ((".scales", ".biases"), _MLX),
    (
        ("lora_A.weight", "lora_B.weight"),
        Foreign("an adapter without its adapter_config.json", _USE),
    ),
    (("text_embeddings.weight", "codebook0_head.weight"), _ORIGINAL),
)


def of_config(config: Mapping[str, Any]) -> Foreign | None:
    """Name what has such a config.json; None: it may be CSM."""
    quantised = config.get("quantization_config") or config.get("quantization")
    if isinstance(quantised, dict):
        if "group_size" in quantised and "quant_method" not in quantised:
            return _MLX
        method = quantised.get("quant_method") or "some method"
        return Foreign(f"weights quantised with {method}, which is not read", _NOT_QUANTISED)
    whole = isinstance(config.get("depth_decoder_config"), dict)
    if not whole and ("backbone_flavor" in config or "audio_num_codebooks" in config):
        return _ORIGINAL
    kind = config.get("model_type")
    if kind != "csm":
        return Foreign(f"another model (its config.json says model_type {kind!r})", _USE)
    return None


def of_files(names: Collection[str]) -> Foreign:
    """Name what has these files, relative paths, and not those of a checkpoint."""
    steps = [int(found[1]) for name in names if (found := _RUN.match(name))]
    if steps:
        return Foreign(
            "a training run, whose weights are in its folders",
            f"set csm.checkpoint to its folder checkpoint-{max(steps)}, downloaded if need be",
        )
    if "config.json" not in names and {"model.safetensors", _INDEX} & set(names):
        return _ORIGINAL if "ckpt.pt" in names else _NO_CONFIG
    for endings, foreign in _BY_NAME:
        if any(name.endswith(endings) for name in names):
            return foreign
    if "config.json" in names:
        return Foreign("no weights (model.safetensors)", "copy or download it as a whole")
    return Foreign("nothing that CSM could be loaded from", _USE)


def of_tensors(names: Collection[str]) -> Foreign | None:
    """Name what has tensors of these names; None: nothing is known about them."""
    for endings, foreign in _BY_TENSOR:
        if any(name.endswith(endings) for name in names):
            return foreign
    return None
