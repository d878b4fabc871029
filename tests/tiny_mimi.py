"""A Mimi of about 1 MB with every kind of layer and the real strides, filled with sound."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MimiConfig, MimiModel


def tiny_mimi_config(**overrides: Any) -> MimiConfig:
    """Small widths, the real strides (8, 6, 5, 4, then 2: 1920 samples a frame) and window."""
    settings: dict[str, Any] = {
        "num_filters": 4,
        "hidden_size": 32,
        "codebook_size": 2048,
        "codebook_dim": 4,
        "vector_quantization_hidden_dimension": 4,
        "num_quantizers": 8,
        "upsample_groups": 32,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    }
    return MimiConfig(**(settings | overrides))


@torch.no_grad()
def fill_codec(model: MimiModel, seed: int) -> None:
    """Random weights under which every layer is heard, in place; decodes to about 0.1 rms.

    Fresh ones would hide most mistakes: codebooks are zero and layer scales 0.01.
    """
    generator = torch.Generator().manual_seed(seed)

    def fill(tensor: Tensor, mean: float, deviation: float) -> None:
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(mean + deviation * noise)

    for module in model.modules():
        part: Any = module
        kind = type(module).__name__
        if kind == "Linear":
            fill(part.weight, 0.0, 1.5 * part.in_features**-0.5)
        elif kind == "LayerNorm":
            fill(part.weight, 1.0, 0.2)
            fill(part.bias, 0.0, 0.2)
        elif kind in ("Conv1d", "ConvTranspose1d"):
            # each output of a transposed one hears two inputs
            taps = 2 if kind == "ConvTranspose1d" else part.kernel_size[0]
            fill(part.weight, 0.0, 1.4 * (part.in_channels // part.groups * taps) ** -0.5)
            if part.bias is not None:
                fill(part.bias, 0.0, 0.1)
        elif kind == "MimiLayerScale":
            fill(part.scale, 0.5, 0.1)
        elif kind == "MimiEuclideanCodebook":
            fill(part.embed_sum, 0.0, 1.0)
            fill(part.cluster_usage, 0.0, 0.3)
            part.cluster_usage.exp_()
            part.initialized.fill_(1.0)
    forget_embeddings(model)
    _set_loudness(model, generator)


@torch.no_grad()
def spread_codebooks(model: MimiModel, seed: int, seconds: int = 20) -> None:
    """Give each codebook entries where the residuals of a sound lie, in place, so that encoding
    uses all of them and leaves less after each, as with trained ones.

    Of what `fill_codec` leaves a real width of vectors finds the few shortest only. An entry is
    drawn from a Gaussian with the residuals' mean and covariance, scaled as 11 bits can tell of
    that many dimensions.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    loudness = (noise(seconds * 4) - 2).exp().repeat_interleave(6_000)
    latents = latents_of(model, noise(seconds * 24_000) * loudness)
    quantizer: Any = model.quantizer
    for kind in ("semantic", "acoustic"):
        part = getattr(quantizer, f"{kind}_residual_vector_quantizer")
        left = part.input_proj(latents)[0].T  # [frames, width]
        for layer in part.layers:
            book, mean = layer.codebook, left.mean(dim=0)
            around = left - mean
            variances = torch.linalg.svdvals(around).square()
            dimensions = variances.sum() ** 2 / variances.square().sum()
            told = 1 - 2 ** (-2 * math.log2(book.codebook_size) / dimensions)
            mixed = noise(book.codebook_size, len(left)) @ around / len(left) ** 0.5
            vectors = mean + mixed * told.sqrt()
            book.embed_sum.copy_(vectors * book.cluster_usage[:, None])
            left = left - vectors[torch.cdist(left, vectors).argmin(dim=1)]
    forget_embeddings(model)


@torch.no_grad()
def latents_of(model: MimiModel, samples: Tensor) -> Tensor:
    """What the quantizer is given for [samples], whatever the version: [1, hidden, frames]."""
    heard: list[Tensor] = []
    quantizer: Any = model.quantizer
    encode = quantizer.encode

    def listen(latents: Tensor, codebooks: Any = None) -> Tensor:
        heard.append(latents)
        found: Tensor = encode(latents, codebooks)
        return found

    quantizer.encode = listen
    try:
        model.encode(samples[None, None])
    finally:
        del quantizer.encode
    return heard[0]


def forget_embeddings(model: MimiModel) -> None:
    """Codebooks keep the vectors they computed last, in the precision they had then."""
    for module in model.modules():
        part: Any = module
        if hasattr(part, "_embed"):
            part._embed = None


def _set_loudness(model: MimiModel, generator: torch.Generator) -> None:
    """Scale the last convolution, so that random codes decode to an rms of 0.1."""
    config: MimiConfig = model.config
    shape = (1, config.num_quantizers, 4)
    codes = torch.randint(config.codebook_size, shape, generator=generator)
    last: Any = [m for m in model.modules() if isinstance(m, nn.Conv1d) and m.out_channels == 1][-1]
    rms = model.decode(codes.to(last.weight.device)).audio_values.square().mean().sqrt()
    last.weight.mul_(0.1 / rms)
    last.bias.mul_(0.1 / rms)
