"""Draws have the softmax's odds; a checkpoint's generation settings are honoured."""

import logging
from typing import Any

import pytest
import torch

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.sampling import Sampling, draw_noise, noise_offsets, sample

CPU = torch.device("cpu")


def test_draws_follow_the_softmax_of_the_top_k() -> None:
    logits = torch.tensor([2.0, 0.5, 1.0, -1.0, 1.9])
    draws = 20_000
    noise = draw_noise(torch.tensor([5]), torch.tensor([330]), noise_offsets(draws, 3, CPU))[0]
    codes = sample(logits.expand(draws, -1), 0.7, 3, noise)
    found = torch.bincount(codes, minlength=5) / draws
    likeliest = logits.clone()
    likeliest[[1, 3]] = -torch.inf
    expected = torch.softmax(likeliest / 0.7, dim=-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.015)  # about 4 sigma
    assert found[[1, 3]].sum() == 0


def test_each_row_may_have_a_temperature_of_its_own() -> None:
    logits = torch.tensor([2.0, 0.5, 1.0, -1.0, 1.9]).expand(60_000, -1)
    noise = draw_noise(torch.tensor([5]), torch.tensor([330]), noise_offsets(60_000, 5, CPU))[0]
    temperatures = torch.tensor([0.0, 0.4, 1.3]).repeat_interleave(20_000)
    codes = sample(logits, temperatures, 50, noise).view(3, -1)
    assert set(codes[0].tolist()) == {0}
    for row, temperature in ((1, 0.4), (2, 1.3)):
        found = torch.bincount(codes[row], minlength=5) / 20_000
        expected = torch.softmax(logits[0] / temperature, dim=-1)
        torch.testing.assert_close(found, expected, rtol=0, atol=0.015)


def test_temperature_zero_is_the_likeliest() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0]])
    assert sample(logits, 0.0, 1, torch.full((1, 3), 9e9)).tolist() == [1]
    assert sample(logits, 1.0, 1, torch.randn(1, 3)).tolist() == [1]


def test_more_k_than_entries_is_every_entry() -> None:
    noise = draw_noise(torch.tensor([0]), torch.tensor([1]), noise_offsets(4_000, 3, CPU))[0]
    codes = sample(torch.zeros(4_000, 3), 1.0, 2**24, noise)
    assert set(codes.tolist()) == {0, 1, 2}


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    pairs = torch.stack((a.flatten(), b.flatten()))
    return float(torch.corrcoef(pairs)[0, 1])


def test_noise_is_gumbels_whichever_way_one_counts() -> None:
    """Seeds and positions that follow each other are what a reply has."""
    offsets = noise_offsets(32, 50, CPU)
    numbers, one = torch.arange(400), torch.full((400,), 3)
    for noise in (draw_noise(numbers, one, offsets), draw_noise(one, numbers, offsets)):
        assert noise.isfinite().all()
        even = torch.exp(-torch.exp(-noise.double()))  # Gumbel's distribution: uniform then
        parts = torch.histc(even, 50, 0, 1) / even.numel() * 50
        assert (parts - 1).abs().max() < 0.05  # about 6 sigma
        assert abs(correlation(even[1:], even[:-1])) < 0.006  # about 5 sigma
        assert abs(correlation(even[:, 1:], even[:, :-1])) < 0.006
        assert abs(correlation(even[:, :, 1:], even[:, :, :-1])) < 0.006


def test_noise_is_a_rows_own() -> None:
    """By seed and position alone: neighbours and buckets do not matter, and no row repeats."""
    offsets = noise_offsets(4, 5, CPU)
    seeds, positions = torch.tensor([7, 7, 8, 2**63 - 1]), torch.tensor([1, 2, 1, 1])
    noise = draw_noise(seeds, positions, offsets)
    for row in range(4):
        alone = draw_noise(seeds[row : row + 1], positions[row : row + 1], offsets)
        assert torch.equal(noise[row], alone[0])
    assert len(set(noise.flatten().tolist())) == noise.numel()


SESAME = {
    "do_sample": True,
    "top_k": 40,
    "temperature": 0.9,
    "depth_decoder_do_sample": True,
    "depth_decoder_top_k": 30,
    "depth_decoder_temperature": 0.8,
    "_from_model_config": True,  # transformers would now drop every depth_decoder_ key
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SESAME, Sampling(0.9, 40, 0.8, 30)),
        ({}, Sampling(0.0, 50, 0.0, 50)),
        ({"do_sample": True}, Sampling(1.0, 50, 0.0, 50)),
        ({"depth_decoder_do_sample": True}, Sampling(0.0, 50, 1.0, 50)),
        ({**SESAME, "depth_decoder_do_sample": False}, Sampling(0.9, 40, 0.0, 30)),
        ({**SESAME, "temperature": None, "top_k": 0}, Sampling(1.0, 2**24, 0.8, 30)),
    ],
)
def test_generation_settings(config: dict[str, Any], expected: Sampling) -> None:
    assert Sampling.from_generation_config(config) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", "hot"),
        ("temperature", -1),
        ("depth_decoder_temperature", float("nan")),
        ("top_k", 1.5),
        ("depth_decoder_top_k", -3),
        ("do_sample", "yes"),
    ],
)
def test_nonsense_settings_are_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=key):
        Sampling.from_generation_config({"do_sample": True, key: value})


def test_what_is_not_done_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Sampling.from_generation_config({**SESAME, "top_p": 1.0, "depth_decoder_top_p": 0.9})
    assert [r.getMessage() for r in caplog.records] == [
        "generation_config.json: depth_decoder_top_p is ignored"
    ]


def test_replaced_settings() -> None:
    sampling = Sampling(0.9, 50, 0.8, 40)
    assert sampling.replaced() == sampling
    assert sampling.replaced(temperature=0.0, depth_top_k=3) == Sampling(0.0, 50, 0.8, 3)
