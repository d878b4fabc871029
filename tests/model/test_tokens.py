"""Greedy float32 codes and logits equal those of transformers' CSM."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.model.oracle import Oracle, Request, make_clip
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.model.sampling import Sampling

pytestmark = pytest.mark.slow

GREEDY = Sampling(temperature=0.0, depth_temperature=0.0)
FRAMES = 24
CPU = torch.device("cpu")

CLIP = make_clip(1, 12, "the kitchen is warm")
LONG = make_clip(2, 40, "the door is open; it is raining", speaker=3)
REQUESTS = (
    Request(0, "turn on the light"),
    Request(1, "It's 7:30."),
    Request(0, "a"),
    Request(7, "Grüße! 你好, the heat is on in the kitchen."),
    Request(0, "turn on the light", (CLIP,)),
    Request(0, "turn on the light", (LONG,)),
    Request(3, "and then?", (LONG, CLIP)),
    Request(0, "the light is on", (CLIP, CLIP)),
)


def speak(folder: Path, oracle: Oracle) -> Tensor:
    """Ours for every request, all in one batch: [requests, frames, codebooks]."""
    checkpoint = Checkpoint(folder)
    prompts = PromptBuilder.of(checkpoint)
    model = checkpoint.load(torch.float32, CPU)
    generator = FrameGenerator(model, len(REQUESTS), 320, GREEDY)
    for slot, request in enumerate(REQUESTS):
        segments = [oracle.encode(clip) for clip in request.clips]
        generator.prefill(slot, prompts.build(segments, request.speaker, request.text), seed=0)
    slots = range(len(REQUESTS))
    return torch.stack([generator.step(slots) for _ in range(FRAMES)], dim=1)


@pytest.mark.parametrize(
    ("seed", "codebooks"),
    [
        (0, 8),
        (1, 8),
        (2, 8),
        (3, 32),
        *(pytest.param(seed, 32, marks=pytest.mark.weekly) for seed in range(3)),
    ],
)
def test_greedy_codes_equal_transformers(tmp_path: Path, seed: int, codebooks: int) -> None:
    oracle = Oracle(make_tiny_csm(tmp_path, seed=seed, codebooks=codebooks))
    expected = oracle.generate(REQUESTS, FRAMES)
    assert len(set(expected.flatten().tolist())) > 64  # it says something
    assert torch.equal(speak(tmp_path, oracle), expected)


def test_codes_equal_transformers_with_the_real_vocabularies(tmp_path: Path) -> None:
    folder = make_tiny_csm(tmp_path, codebooks=8, audio_vocabulary=2051, codebook_size=2048)
    oracle = Oracle(folder)
    assert torch.equal(speak(folder, oracle), oracle.generate(REQUESTS, FRAMES))


def test_one_prompt_alone_needs_no_padding(tiny_csm: Path) -> None:
    """The batch above pads transformers' prompts; here nothing is padded."""
    oracle = Oracle(tiny_csm)
    expected = oracle.generate(REQUESTS[6:7], FRAMES)
    assert torch.equal(speak(tiny_csm, oracle)[6:7], expected)


def test_embeddings_of_their_own_for_the_depth_decoder(tmp_path: Path) -> None:
    folder = make_tiny_csm(tmp_path, codebooks=8, tie_codebooks_embeddings=False)
    oracle = Oracle(folder)
    assert torch.equal(speak(folder, oracle), oracle.generate(REQUESTS, FRAMES))


def test_rope_scaling_changes_the_codes(tmp_path: Path) -> None:
    """The same weights without scaling say something else: the comparison can fail."""
    scaled = make_tiny_csm(tmp_path / "scaled", codebooks=8)
    plain = make_tiny_csm(tmp_path / "plain", codebooks=8, scaling=False)
    oracle, plain_oracle = Oracle(scaled), Oracle(plain)
    assert torch.equal(oracle.model.lm_head.weight, plain_oracle.model.lm_head.weight)
    assert not torch.equal(speak(scaled, oracle), speak(plain, oracle))
    assert torch.equal(speak(plain, oracle), plain_oracle.generate(REQUESTS, FRAMES))


def test_logits_equal_transformers_to_rounding(tiny_csm: Path) -> None:
    """Backbone and depth decoder over one prompt with its frames, teacher-forced."""
    oracle = Oracle(tiny_csm)
    checkpoint = oracle.checkpoint
    segment = oracle.encode(LONG)
    prompt = PromptBuilder.of(checkpoint).build([segment], 0, "and then?")
    model = checkpoint.load(torch.float32, CPU)
    depth_sizes = checkpoint.sizes.depth
    with torch.inference_mode():
        cache = KvCache.allocate(checkpoint.sizes.backbone, 1, len(prompt), torch.float32, CPU)
        embedded = model.embed_prompt(prompt)
        hidden = model.backbone.prefill(embedded[None], 0, cache)[0]
        theirs = oracle.model.backbone_model(inputs_embeds=embedded[None])
        torch.testing.assert_close(hidden, theirs.last_hidden_state[0], rtol=0, atol=2e-5)
        torch.testing.assert_close(
            model.first_logits(hidden),
            oracle.model.lm_head(hidden)[:, : checkpoint.sizes.codebook_size],
            rtol=0,
            atol=2e-5,
        )
        assert segment.codes is not None
        codes, last = segment.codes, hidden[: len(segment.codes)]  # [frames, codebooks]
        depth_cache = KvCache.allocate(depth_sizes, len(codes), 8, torch.float32, CPU)
        logits = [model.depth.start(last, codes[:, 0], depth_cache, model.depth.start_mask())]
        for codebook, step in enumerate(model.depth.steps(), start=1):
            logits.append(model.depth.step(codes[:, codebook], step, depth_cache))
        expected = oracle.model.depth_decoder(
            torch.nn.functional.pad(codes[:, :-1], (1, 0)), last.clone()
        ).logits[..., : checkpoint.sizes.codebook_size]
    torch.testing.assert_close(torch.stack(logits, dim=1), expected, rtol=0, atol=2e-5)
