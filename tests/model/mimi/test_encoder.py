"""Codes equal those of transformers' whole encode, and of its windows, at every length."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import MimiModel

from benchmarks.fixtures.mimi_codes import TIE, Judge, encode_in_windows, encode_whole
from benchmarks.fixtures.random_mimi import (
    fill_codec,
    forget_embeddings,
    latents_of,
    spread_codebooks,
    tiny_mimi_config,
)
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.mimi import seanet
from wyoming_csm.model.mimi.encoder import MimiEncoder
from wyoming_csm.model.mimi.weights import flat_name, load_encoder

FRAME, SHORT, LONG = 1920, 16 * 960, 256 * 960
F64, F32 = torch.float64, torch.float32
# Around each stride, the position (960), the frame and the convolutions' windows.
EDGES = [1, 2, 3, 4, 5, 19, 20, 21, 119, 120, 121, 959, 960, 961, FRAME - 1, FRAME, FRAME + 1]
EDGES += [SHORT - 1, SHORT, SHORT + 1, 2 * SHORT, LONG - 1, LONG, LONG + 1]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def tiny_codec(seed: int, dtype: torch.dtype = F32, **overrides: Any) -> MimiModel:
    """Vectors wide enough that eight codebooks leave much: of nothing only rounding is left."""
    wide = {"codebook_dim": 24, "vector_quantization_hidden_dimension": 24}
    model: Any = MimiModel(tiny_mimi_config(**wide, **overrides))
    model.eval()
    fill_codec(model, seed)
    spread_codebooks(model, seed, seconds=5)
    model.to(dtype)
    forget_embeddings(model)
    codec: MimiModel = model
    return codec


def encoder_of(model: MimiModel, codebooks: int = 8, dtype: torch.dtype = F32) -> MimiEncoder:
    config: Any = model.config
    tensors = [(name, tensor.clone) for name, tensor in model.state_dict().items()]
    return load_encoder(config.to_dict(), tensors, codebooks, dtype=dtype)


def sound(samples: int, seed: int = 5) -> Tensor:
    """Noise that swells and fades."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(samples, generator=generator)
    return 0.2 * noise * torch.linspace(0, 9, samples).sin()


def assert_same(model: MimiModel, samples: Tensor, found: Tensor, expected: Tensor) -> None:
    """But for ties: at most one frame in 200, and those are ties."""
    gaps = Judge(model).gaps(samples, found, expected)
    assert max(gaps, default=0.0) < TIE
    assert len(gaps) <= 1 + len(found) // 200


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.weekly) for seed in range(2, 5))]
)
def test_codes_are_those_of_the_whole_encode_at_every_length(seed: int) -> None:
    model = tiny_codec(seed)
    encoder = encoder_of(model)
    seen: set[int] = set()
    for n in EDGES:
        samples = sound(n, seed)
        codes = encoder.encode(samples)
        assert codes.dtype == torch.int64
        assert_same(model, samples, codes, encode_whole(model, samples, 8))
        seen |= set(codes.flatten().tolist())
    assert len(seen) > 100, "a codec that tells nothing apart proves nothing"


@pytest.mark.parametrize("windows", [(1, 1), (2, 4), (3, 7), (1000, 1000)])
def test_windows_of_convolutions_change_nothing(
    windows: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_codec(1, F64)
    lengths = [*EDGES[:17], 9_599, 33_333]
    expected = [latents_of(model, sound(n).double())[0].T for n in lengths]
    monkeypatch.setattr(seanet, "SHORT_WINDOW", windows[0])
    monkeypatch.setattr(seanet, "LONG_WINDOW", windows[1])
    encoder = encoder_of(model, dtype=F64)
    for samples, latents in zip(lengths, expected, strict=True):
        found = encoder.latents(sound(samples).double())
        assert found.shape == latents.shape
        assert (found - latents).abs().max() < 1e-9 * latents.abs().max()


@pytest.mark.parametrize("frames", [12, 37, 125])
def test_codes_are_those_of_its_windows_with_caches(frames: int) -> None:
    """25 s; 250 positions of attention are 125 frames. Windows end at whole frames."""
    model = tiny_codec(2)
    samples = sound(313 * FRAME)
    codes = encoder_of(model).encode(samples)
    assert_same(model, samples, codes, encode_in_windows(model, samples, 8, frames * FRAME))


@pytest.mark.parametrize("window", [1, 2, 7, 250])
def test_attention_reaches_back_as_far_as_transformers(window: int) -> None:
    model = tiny_codec(3, F64, sliding_window=window, codebook_size=64, num_key_value_heads=2)
    encoder = encoder_of(model, dtype=F64)
    for positions in (1, 6, 7, 8, 14, 15, 50, 251, 501):
        samples = sound(positions * 960).double()
        expected = latents_of(model, samples)[0].T
        assert (encoder.latents(samples) - expected).abs().max() < 1e-9 * expected.abs().max()


def test_a_minute_is_encoded_as_by_transformers() -> None:
    model = tiny_codec(4)
    samples = sound(60 * 24_000)
    codes = encoder_of(model).encode(samples)
    assert codes.shape == (750, 8)
    assert_same(model, samples, codes, encode_whole(model, samples, 8))


@pytest.mark.parametrize(
    "overrides",
    [
        {"upsampling_ratios": [8, 6, 5], "upsample_groups": 16},
        {"upsampling_ratios": [2, 3, 5, 8, 4]},
        {"kernel_size": 1, "last_kernel_size": 1, "residual_kernel_size": 5, "compress": 4},
        {"num_semantic_quantizers": 3},
    ],
    ids=str,
)
def test_other_sizes_serve(overrides: dict[str, Any]) -> None:
    model = tiny_codec(6, **overrides)
    samples = sound(20_011)
    assert_same(model, samples, encoder_of(model).encode(samples), encode_whole(model, samples, 8))


@pytest.mark.parametrize("codebooks", [1, 2, 8])
def test_only_the_codebooks_asked_for_are_searched(codebooks: int) -> None:
    model = tiny_codec(1)
    samples = sound(24_000)
    codes = encoder_of(model, codebooks).encode(samples)
    assert codes.shape == (13, codebooks)
    assert torch.equal(codes, encoder_of(model).encode(samples)[:, :codebooks])


@pytest.mark.parametrize("codebooks", [0, 9])
def test_codebooks_that_are_not_there_are_refused(codebooks: int) -> None:
    with pytest.raises(CheckpointError, match=f"8 codebooks, the model asks for {codebooks}"):
        encoder_of(tiny_codec(1), codebooks)


def test_both_layouts_give_the_same_codes_and_the_decoder_is_not_read() -> None:
    model: Any = tiny_codec(1)
    samples = sound(24_000)

    def decoders() -> Tensor:
        raise AssertionError("read for nothing")

    tensors = [
        (name, decoders if "output_proj" in name or name.startswith("decoder") else tensor.clone)
        for name, tensor in ((flat_name(n), t) for n, t in model.state_dict().items())
    ]
    found = load_encoder(model.config.to_dict(), tensors, 8).encode(samples)
    assert torch.equal(found, encoder_of(model).encode(samples))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine")
def test_a_gpu_gives_the_codes_of_the_cpu() -> None:
    model: Any = tiny_codec(1)
    samples = sound(25 * 24_000)
    tensors = [(name, tensor.clone) for name, tensor in model.state_dict().items()]
    encoder = load_encoder(model.config.to_dict(), tensors, 8, "cuda")
    codes = encoder.encode(samples.cuda()).cpu()
    assert_same(model, samples, codes, encoder_of(model).encode(samples))
