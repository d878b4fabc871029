"""Frame by frame equals transformers' whole decode, slot by slot, whatever the others do."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import MimiModel

from benchmarks.fixtures.random_mimi import fill_codec, forget_embeddings, tiny_mimi_config
from wyoming_csm.model.mimi.decoder import MimiDecoder, MimiState
from wyoming_csm.model.mimi.weights import load_decoder

F64, F32 = torch.float64, torch.float32


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def tiny_codec(dtype: torch.dtype, **overrides: Any) -> tuple[MimiModel, MimiDecoder]:
    """transformers' codec and ours with the same weights."""
    model: Any = MimiModel(tiny_mimi_config(**overrides))
    model.eval()
    fill_codec(model, seed=1)
    model.to(dtype)
    forget_embeddings(model)
    tensors = [(name, tensor.clone) for name, tensor in model.state_dict().items()]
    return model, load_decoder(model.config.to_dict(), tensors, dtype=dtype)


def random_codes(model: MimiModel, slots: int, frames: int) -> Tensor:
    """[slots, frames, codebooks]."""
    shape = (slots, frames, model.config.num_quantizers)
    generator = torch.Generator().manual_seed(7)
    return torch.randint(model.config.codebook_size, shape, generator=generator)


@torch.no_grad()
def whole(model: MimiModel, codes: Tensor, **options: Any) -> Tensor:
    """transformers' decode of [frames, codebooks] → [samples]."""
    sound: Tensor = model.decode(codes.T[None], **options).audio_values[0, 0]
    return sound


def streamed(decoder: MimiDecoder, codes: Tensor, state: MimiState) -> Tensor:
    """All slots frame by frame: [slots, frames, codebooks] → [slots, samples]."""
    active = torch.ones(len(codes), dtype=torch.bool)
    frames = [decoder.step(codes[:, n], state, active) for n in range(codes.shape[1])]
    return torch.cat(frames, dim=1)


def error(sound: Tensor, expected: Tensor) -> float:
    """The greatest difference, in parts of the expected rms."""
    assert sound.shape == expected.shape
    rms = expected.square().mean().sqrt()
    assert 0.01 < rms < 1.0, "a codec that says nothing, or noise, proves nothing"
    return float((sound - expected).abs().max() / rms)


@pytest.mark.parametrize(("dtype", "bar"), [(F64, 1e-9), (F32, 1e-4)])
def test_frame_by_frame_equals_the_whole_past_the_window(dtype: torch.dtype, bar: float) -> None:
    """310 frames: the window of 250 positions is full after 125. Slot 1 starts anew midway, and
    slot 2 holds its breath now and then."""
    model, decoder = tiny_codec(dtype)
    codes = random_codes(model, slots=3, frames=310)
    breath = torch.rand(310, generator=torch.Generator().manual_seed(3)) < 0.3
    state = decoder.new_state(3, "cpu", dtype)
    streams: list[list[Tensor]] = [[], [], []]
    for n in range(310):
        if n == 150:
            decoder.reset(state, 1)
        active = torch.tensor([True, True, not breath[n]])
        sound = decoder.step(codes[:, n], state, active)
        for slot in active.nonzero().flatten().tolist():
            streams[slot].append(sound[slot])
    assert error(torch.cat(streams[0]), whole(model, codes[0])) < bar
    assert error(torch.cat(streams[1][:150]), whole(model, codes[1, :150])) < bar
    assert error(torch.cat(streams[1][150:]), whole(model, codes[1, 150:])) < bar
    assert error(torch.cat(streams[2]), whole(model, codes[2, ~breath])) < bar


@pytest.mark.parametrize("use_cache", [False, True])
def test_the_window_is_the_one_transformers_sees(use_cache: bool) -> None:
    """Small windows roll after few frames, so every off-by-one shows at once."""
    for window in (1, 2, 3, 7, 8):
        model, decoder = tiny_codec(F64, sliding_window=window)
        codes = random_codes(model, slots=1, frames=12)
        sound = streamed(decoder, codes, decoder.new_state(1, "cpu", F64))
        assert error(sound[0], whole(model, codes[0], use_cache=use_cache)) < 1e-9, window


@pytest.mark.parametrize(
    "overrides",
    [
        {"num_key_value_heads": 2},
        {"num_quantizers": 5, "num_semantic_quantizers": 2, "codebook_size": 16},
        {"upsampling_ratios": [3, 2], "kernel_size": 5, "last_kernel_size": 1},
        {"residual_kernel_size": 5, "compress": 4, "upsample_groups": 8, "norm_eps": 1e-2},
        {"head_dim": 6, "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}},
        {"frame_rate": 6.25},
    ],
    ids=str,
)
def test_sizes_come_from_the_checkpoint(overrides: dict[str, Any]) -> None:
    model, decoder = tiny_codec(F64, **overrides)
    codes = random_codes(model, slots=2, frames=10)
    sound = streamed(decoder, codes, decoder.new_state(2, "cpu", F64))
    for slot in range(2):
        assert error(sound[slot], whole(model, codes[slot])) < 1e-9
    assert sound.shape[1] == 10 * decoder.config.samples_per_frame


def test_fewer_codebooks_than_the_codec_has() -> None:
    model, decoder = tiny_codec(F64)
    for codebooks in (1, 5):
        codes = random_codes(model, slots=1, frames=4)[:, :, :codebooks]
        sound = streamed(decoder, codes, decoder.new_state(1, "cpu", F64))
        assert error(sound[0], whole(model, codes[0])) < 1e-9


def test_an_inactive_slot_stays_as_it_is_and_its_codes_are_not_looked_at() -> None:
    model, decoder = tiny_codec(F32)
    codes = random_codes(model, slots=2, frames=9)
    state = decoder.new_state(2, "cpu")
    streamed(decoder, codes, state)

    def seen(slot: int) -> list[Tensor]:
        """All but the entries behind the ring."""
        ring = decoder.config.sliding_window + decoder.config.positions_per_frame - 1
        caches = [cache[slot, :, :, :ring].clone() for cache in state.caches]
        others = (state.position, *state.memories)
        return [tensor[slot].clone() for tensor in others] + caches

    before = seen(1), seen(0)
    out_of_range = torch.stack((codes[0, 0], torch.full_like(codes[1, 0], 2050)))
    decoder.step(out_of_range, state, torch.tensor([True, False]))
    assert all(torch.equal(a, b) for a, b in zip(before[0], seen(1), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(before[1], seen(0), strict=True))


def test_slots_do_not_change_each_others_sound() -> None:
    model, decoder = tiny_codec(F64)
    codes = random_codes(model, slots=3, frames=6)
    together = streamed(decoder, codes, decoder.new_state(3, "cpu", F64))
    for slot in range(3):
        alone = streamed(decoder, codes[slot, None], decoder.new_state(1, "cpu", F64))
        assert error(together[slot], alone[0]) < 1e-12


def test_state_is_changed_in_place_and_a_reset_slot_is_a_new_one() -> None:
    model, decoder = tiny_codec(F32)
    codes = random_codes(model, slots=2, frames=3)
    state, new = decoder.new_state(2, "cpu"), decoder.new_state(2, "cpu")
    addresses = [tensor.data_ptr() for tensor in state.tensors()]
    streamed(decoder, codes, state)
    before = [tensor[0].clone() for tensor in state.tensors()]
    for cache in state.caches:
        cache[1] = float("nan")  # even hidden by the mask it would spread: zero times NaN
    decoder.reset(state, 1)
    assert [tensor.data_ptr() for tensor in state.tensors()] == addresses
    for tensor, old, fresh in zip(state.tensors(), before, new.tensors(), strict=True):
        assert torch.equal(tensor[0], old)
        assert torch.equal(tensor[1], fresh[1])
    assert decoder.step(codes[:, 0], state, torch.tensor([True, True])).isfinite().all()


def test_the_first_slots_go_on_alone() -> None:
    """Fewer codes than slots: those behind stay as they are."""
    model, decoder = tiny_codec(F64)
    codes = random_codes(model, slots=3, frames=6)
    state, both = decoder.new_state(3, "cpu", F64), torch.tensor([True, True])
    streams = [streamed(decoder, codes[:, :3], state)]
    behind = [tensor[2].clone() for tensor in state.tensors()]
    few = torch.cat([decoder.step(codes[:2, n], state, both) for n in range(3, 6)], dim=1)
    for slot in range(2):
        whole_sound = whole(model, codes[slot])
        assert error(torch.cat((streams[0][slot], few[slot])), whole_sound) < 1e-9
    after = [tensor[2] for tensor in state.tensors()]
    assert all(torch.equal(a, b) for a, b in zip(behind, after, strict=True))


def test_slots_that_move_or_are_swapped_go_on() -> None:
    model, decoder = tiny_codec(F64)
    codes = random_codes(model, slots=2, frames=9)
    state, every = decoder.new_state(4, "cpu", F64), torch.tensor([True, True, True])
    anything = codes[0, 0]

    def step(n: int, slots: list[int]) -> Tensor:
        """Frame `n` of the two sentences, each in its slot."""
        now = anything.repeat(3, 1)
        now[slots] = codes[:, n]
        return decoder.step(now, state, every)[slots]

    made = [step(n, [0, 1]) for n in range(3)]
    decoder.swap(state, 0, 1, spare=3)
    made += [step(n, [1, 0]) for n in range(3, 6)]
    decoder.swap(state, 0, 2, spare=3)
    decoder.reset(state, 0)
    made += [step(n, [1, 2]) for n in range(6, 9)]
    for slot in range(2):
        assert error(torch.cat(made, dim=1)[slot], whole(model, codes[slot])) < 1e-9
