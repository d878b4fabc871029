"""CSM checkpoints made at run time: a tiny one for every test, and one of the real size."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import CsmConfig, CsmForConditionalGeneration, MimiConfig

from tests.tiny_mimi import fill_codec, tiny_mimi_config

SPECIAL_TOKENS = ("<|begin_of_text|>", "<|end_of_text|>", "<|AUDIO|>", "<|audio_eos|>")
_SAFETENSORS_TYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_WORDS = "turn on the light in the kitchen. the door is open; it is raining, and the heat is on"
# Llama 3's cut of text into words.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tiny_csm(
    folder: Path,
    *,
    seed: int = 0,
    codebooks: int = 32,
    scaling: bool = True,
    audio_vocabulary: int = 131,
    codebook_size: int = 128,
    positions: int = 1200,
    codec: MimiConfig | None = None,
    **overrides: Any,
) -> Path:
    """A checkpoint of 1 to 3 MB in the transformers layout; returns `folder`.

    Sound (after its codec): with the real strides, so 1920 samples a frame. Every weight is
    random and large enough to be heard in the codes, norms too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    begin, end, audio, audio_eos = map(tokenizer.token_to_id, SPECIAL_TOKENS)
    settings: dict[str, Any] = {
        "num_codebooks": codebooks,
        "vocab_size": audio_vocabulary,
        "text_vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": positions,
        "rope_parameters": _rope(0.125, 0.5, 1024, scaling),
        "bos_token_id": begin,
        "pad_token_id": end,
        "audio_token_id": audio,
        "audio_eos_token_id": audio_eos,
        "codebook_pad_token_id": audio_vocabulary - 1,
        "initializer_range": 0.2,
        "depth_decoder_config": {
            "num_codebooks": codebooks,
            "backbone_hidden_size": 32,
            "vocab_size": audio_vocabulary,
            "hidden_size": 24,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "rope_parameters": _rope(0.001953125, 0.0078125, 16, scaling),
            "initializer_range": 0.2,
        },
        "codec_config": codec
        or tiny_mimi_config(num_quantizers=codebooks, codebook_size=codebook_size),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = CsmForConditionalGeneration(CsmConfig(**(settings | overrides)))
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" in name and not name.startswith("codec_model"):
                    weight.uniform_(0.5, 1.5)
        model.eval()
        fill_codec(model.codec_model, seed)
    model.save_pretrained(folder)
    _write_companions(folder)
    return folder


def edit_config(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change what a checkpoint's config.json says."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))


def make_tokenizer() -> Tokenizer:
    """Byte-level pairs as Llama 3 has them, of a few words, then the special tokens."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([_WORDS], trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    begin, end = SPECIAL_TOKENS[:2]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{begin}:0 $A:0 {end}:0",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in (begin, end)],
    )
    return tokenizer


def make_full_size_csm(
    folder: Path, dtype: torch.dtype = torch.bfloat16, *, sparse: bool = False
) -> Path:
    """The real sizes with random weights: 1.55 G parameters in `dtype`, the codec in float32.

    Written shard by shard: needs little more memory than the largest tensor (0.5 GB). With
    `sparse` all but the first million numbers of each tensor are zeros, which are holes in the
    files: made in a second or two, where 3.3 GB take twenty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = CsmConfig(
        codec_config=MimiConfig(num_quantizers=32),
        rope_parameters=_rope(0.125, 0.5, 1024),
        depth_decoder_config={"rope_parameters": _rope(0.001953125, 0.0078125, 16)},
    )
    config.save_pretrained(folder)
    with torch.device("meta"):
        model = CsmForConditionalGeneration(config)
    weight_map: dict[str, str] = {}
    noise = torch.randn(2**20 + 7, generator=torch.Generator().manual_seed(0))
    for shard in _shards(model.state_dict()):
        file = f"model-{len(set(weight_map.values())) + 1:05}.safetensors"
        types = {name: torch.float32 if "codec_model" in name else dtype for name in shard}
        if sparse:
            _save_sparse(shard, types, noise, folder / file)
        else:
            weights = {n: _random(n, like, noise, types[n]) for n, like in shard.items()}
            save_file(weights, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(shard, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    make_tokenizer().save(str(folder / "tokenizer.json"))
    _write_companions(folder)
    return folder


def _shards(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Of at most 100 M elements, or one tensor."""
    shard: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name == "backbone_model.embed_tokens.embed_audio_tokens.weight":
            continue  # tied: stored under the depth decoder's name
        if shard and sum(t.numel() for t in shard.values()) + tensor.numel() > 100_000_000:
            yield shard
            shard = {}
        shard[name] = tensor
    yield shard


def _random(name: str, like: Tensor, noise: Tensor, dtype: torch.dtype) -> Tensor:
    """The same noise again and again: drawing 1.5 G numbers would take most of the time."""
    if name.endswith(("norm.weight", "cluster_usage", "initialized")):
        return torch.ones(like.shape, dtype=dtype)
    out = torch.empty(like.shape, dtype=dtype)
    flat = out.view(-1)
    piece = (noise * (1.0 if name.endswith("embed_sum") else 0.02)).to(dtype)
    for start in range(0, flat.numel(), len(piece)):
        target = flat[start : start + len(piece)]
        target.copy_(piece[: len(target)])
    return out


def _save_sparse(
    shard: dict[str, Tensor], types: dict[str, torch.dtype], noise: Tensor, path: Path
) -> None:
    """Write a safetensors file in which only the begin of each tensor takes room on the disk.

    Its format: the header's length in 8 bytes, the header as JSON, then the tensors.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, like in shard.items():
        begin, end = end, end + like.numel() * types[name].itemsize
        header[name] = {
            "dtype": _SAFETENSORS_TYPES[types[name]],
            "shape": list(like.shape),
            "data_offsets": [begin, end],
        }
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        first = file.tell()
        for name, like in shard.items():
            few = like.flatten()[: len(noise)]
            file.seek(first + header[name]["data_offsets"][0])
            file.write(_random(name, few, noise, types[name]).view(torch.uint8).numpy().tobytes())
        file.truncate(first + end)


def _rope(low: float, high: float, original: int, scaling: bool = True) -> dict[str, Any]:
    """As the converted sesame/csm-1b has them."""
    if not scaling:
        return {"rope_type": "default", "rope_theta": 500_000.0}
    return {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 32.0,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": original,
    }


def _write_companions(folder: Path) -> None:
    begin, end = SPECIAL_TOKENS[:2]
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": begin,
        "eos_token": end,
        "pad_token": end,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    generation = {
        "max_new_tokens": 125,
        "do_sample": True,
        "top_k": 50,
        "temperature": 0.9,
        "depth_decoder_do_sample": True,
        "depth_decoder_top_k": 50,
        "depth_decoder_temperature": 0.9,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation))
