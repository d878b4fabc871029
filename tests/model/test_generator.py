"""Slots: a seed repeats, neighbours do not matter, joining, leaving and reuse leave no trace."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.model.sentences import FRAMES, GREEDY, POSITIONS, SAMPLED, speak
from wyoming_csm.errors import PromptTooLong
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel, is_end
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.model.sampling import Sampling

MODES = pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])


@pytest.fixture(scope="module")
def prompts(tiny_csm: Path) -> PromptBuilder:
    return PromptBuilder.of(Checkpoint(tiny_csm))


@pytest.fixture(scope="module")
def tokens(prompts: PromptBuilder) -> list[Tensor]:
    """Eight prompts of different lengths, half of them with a voice."""
    codes = torch.randint(128, (20, 8), generator=torch.Generator().manual_seed(1))
    voice = [Segment(0, "the door", codes)]
    texts = ("turn on the light", "yes", "it is raining, and the heat is on", "no!")
    return [prompts.build(v, 0, text) for text in texts for v in ([], voice)]


def speak_ragged(generator: FrameGenerator, tokens: list[Tensor], joins: Iterable[int]) -> Tensor:
    """Prompt i joins slot i before step joins[i]: [prompts, FRAMES, codebooks]."""
    starts = dict(enumerate(joins))
    made: dict[int, list[Tensor]] = {slot: [] for slot in starts}
    for step in range(max(starts.values()) + FRAMES):
        for slot in [slot for slot, start in starts.items() if start == step]:
            generator.prefill(slot, tokens[slot], seed=slot)
        active = [slot for slot, start in starts.items() if start <= step < start + FRAMES]
        # The order of `active` is the order of what comes back.
        active = active[::-1] if step % 2 else active
        for slot, codes in zip(active, generator.step(active), strict=True):
            made[slot].append(codes)
        for slot in [slot for slot in active if len(made[slot]) == FRAMES]:
            generator.release(slot)
    return torch.stack([torch.stack(frames) for frames in made.values()])


@MODES
def test_a_ragged_batch_equals_each_row_alone(
    model: CsmModel, tokens: list[Tensor], sampling: Sampling
) -> None:
    together = speak_ragged(
        FrameGenerator(model, 8, POSITIONS, sampling), tokens, (0, 0, 1, 3, 3, 7, 9, 14)
    )
    alone = FrameGenerator(model, 1, POSITIONS, sampling)
    for slot, prompt in enumerate(tokens):
        assert torch.equal(together[slot], speak(alone, 0, prompt, seed=slot)), slot


@MODES
def test_a_slot_used_before_says_the_same(
    model: CsmModel, tokens: list[Tensor], sampling: Sampling
) -> None:
    generator = FrameGenerator(model, 2, POSITIONS, sampling)
    first = speak(generator, 1, tokens[0], seed=5)
    speak(generator, 1, tokens[5], seed=6)
    assert torch.equal(speak(generator, 1, tokens[0], seed=5), first)


def test_nan_left_in_a_slot_reaches_nobody(model: CsmModel, tokens: list[Tensor]) -> None:
    """Half precision can overflow: a sentence that did must not spoil its neighbour or the next."""
    generator = FrameGenerator(model, 2, POSITIONS, GREEDY)
    expected = speak(generator, 0, tokens[0], seed=0)
    generator.prefill(0, tokens[0], seed=0)
    generator.prefill(1, tokens[1], seed=0)
    generator.hidden[1] = torch.nan
    for layer in generator.kv.layers:
        layer[1] = torch.nan
    beside = torch.cat([generator.step([0, 1])[:1] for _ in range(FRAMES)])
    assert torch.equal(beside, expected)
    generator.release(1)
    assert torch.equal(speak(generator, 1, tokens[0], seed=0), expected)


def test_a_seed_repeats_and_another_differs(model: CsmModel, tokens: list[Tensor]) -> None:
    generator = FrameGenerator(model, 1, POSITIONS, SAMPLED)
    first = speak(generator, 0, tokens[0], seed=2**63 - 1)
    assert torch.equal(speak(generator, 0, tokens[0], seed=2**63 - 1), first)
    assert not torch.equal(speak(generator, 0, tokens[0], seed=1), first)


def test_the_slot_holds_what_a_prompt_of_its_frames_would(
    model: CsmModel, prompts: PromptBuilder
) -> None:
    """After its last frame a slot goes on as if the sentence had been a segment of the prompt."""
    text = "turn on the light"
    generator = FrameGenerator(model, 2, POSITIONS, GREEDY)
    generator.prefill(0, prompts.build([], 0, text), seed=0)
    codes = torch.cat([generator.step([0]) for _ in range(FRAMES)])
    whole = prompts.build([Segment(0, text, codes)], 0, "yes")
    n = len(prompts.build([], 0, text)) + FRAMES
    generator.prefill(0, whole[n:], seed=0, start=n)  # the zero frame and "yes"
    generator.prefill(1, whole, seed=0)
    for _ in range(FRAMES):
        continued, fresh = generator.step([0, 1])
        assert torch.equal(continued, fresh)


def test_a_slots_beginning_stays(model: CsmModel, tokens: list[Tensor]) -> None:
    """What a voice's prompt left is used again; what came after it is forgotten."""
    generator = FrameGenerator(model, 1, POSITIONS, GREEDY)
    expected = speak(generator, 0, tokens[1], seed=0)
    generator.prefill(0, tokens[1], seed=0)
    generator.step([0])
    generator.prefill(0, tokens[1][20:], seed=0, start=20)
    assert torch.equal(torch.cat([generator.step([0]) for _ in range(FRAMES)]), expected)


@MODES
def test_a_slot_may_pause(model: CsmModel, tokens: list[Tensor], sampling: Sampling) -> None:
    """A sentence whose listener has enough waits, while others speak."""
    generator = FrameGenerator(model, 2, POSITIONS, sampling)
    expected = speak(generator, 0, tokens[1], seed=3)
    generator.prefill(0, tokens[1], seed=3)
    generator.prefill(1, tokens[4], seed=4)
    made = []
    for step in range(FRAMES):
        made.append(generator.step([1, 0])[1])
        for _ in range(step % 3):
            generator.step([1])
    assert torch.equal(torch.stack(made), expected)


def test_a_frame_computes_the_rows_and_reads_the_positions_it_needs(
    model: CsmModel, tokens: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = FrameGenerator(model, 6, 1200, GREEDY)
    calls: list[tuple[int, ...]] = []
    monkeypatch.setattr(generator, "decode_frame", lambda rows: calls.append((rows,)))
    monkeypatch.setattr(
        generator, "backbone_step", lambda rows, length: calls.append((rows, length))
    )
    long = tokens[1].repeat(20, 1)
    for slot, n in enumerate((10, 63, 64, 300, 10, 10)):
        generator.prefill(slot, long[:n], seed=0)
    for active in ([0], [1], [2], [0, 3], [4]):
        generator.step(active)
    assert calls == [
        *((1,), (1, 64)),
        *((2,), (2, 64)),
        *((4,), (4, 128)),
        *((4,), (4, 320)),
        *((6,), (6, 64)),
    ]
    lengths = generator.lengths()
    assert lengths == sorted(set(lengths))
    assert lengths[-1] == 1216 < generator.kv.positions


def test_positions_are_counted_on_the_host(model: CsmModel, tokens: list[Tensor]) -> None:
    length = len(tokens[0])
    generator = FrameGenerator(model, 2, length + 3, GREEDY)
    generator.prefill(0, tokens[0], seed=0)
    for _ in range(3):
        generator.step([0])
    with pytest.raises(ValueError, match="full"):
        generator.step([0])
    generator.prefill(1, tokens[2][:4], seed=0)  # a full slot does not disturb its neighbour
    alone = FrameGenerator(model, 1, length + 3, GREEDY)
    alone.prefill(0, tokens[2][:4], seed=0)
    assert torch.equal(generator.step([1]), alone.step([0]))
    generator.release(0)
    generator.prefill(0, tokens[0], seed=0)
    generator.step([0])
    with pytest.raises(PromptTooLong):
        FrameGenerator(model, 1, length, GREEDY).prefill(0, tokens[0], seed=0)


def test_every_position_of_the_model_can_be_used(model: CsmModel, tokens: list[Tensor]) -> None:
    positions = model.sizes.backbone.positions
    generator = FrameGenerator(model, 2, positions, GREEDY)
    long = tokens[1].repeat(positions, 1)[: positions - 1]
    generator.prefill(0, long, seed=0)
    generator.step([0])
    with pytest.raises(ValueError, match="full"):
        generator.step([0])
    generator.prefill(1, tokens[0], seed=0)
    generator.step([1])
    with pytest.raises(ValueError, match="positions"):
        FrameGenerator(model, 1, positions + 1, GREEDY)


def test_a_slot_without_a_prompt_does_not_speak(model: CsmModel) -> None:
    with pytest.raises(ValueError, match="no prompt"):
        FrameGenerator(model, 1, POSITIONS, GREEDY).step([0])


def test_a_step_changes_no_address(model: CsmModel, tokens: list[Tensor]) -> None:
    """What a CUDA graph relies on."""
    generator = FrameGenerator(model, 2, POSITIONS, SAMPLED)

    def addresses() -> list[int]:
        state = vars(generator).values()
        caches = [one.layers for one in state if isinstance(one, KvCache)]
        tensors = [one for one in state if isinstance(one, Tensor)]
        return [one.data_ptr() for one in itertools.chain(tensors, *caches)]

    before = addresses()
    speak(generator, 0, tokens[0], seed=0)
    assert addresses() == before


@pytest.mark.parametrize(("codebooks", "zeros"), [(2, 2), (4, 4), (8, 7), (32, 28)])
def test_the_end_is_a_frame_of_zeros_or_nearly(codebooks: int, zeros: int) -> None:
    """Wherever the others stand."""
    codes = torch.ones(2, codebooks, dtype=torch.long)
    codes[0, codebooks - zeros :] = 0
    codes[1, : zeros - 1] = 0
    assert is_end(codes).tolist() == [True, False]
    assert bool(is_end(torch.zeros_like(codes[0])))


def test_an_end_is_read_as_zeros(model: CsmModel, tokens: list[Tensor]) -> None:
    """As the prompt that it becomes part of has it; its neighbour's frame stays as it is."""
    states = []
    for missing in (0, 5):
        generator = FrameGenerator(model, 2, POSITIONS, GREEDY)
        for slot in range(2):
            generator.prefill(slot, tokens[slot], seed=0)
        generator.active.fill_(True)
        generator.decode_frame(2)
        generator.codes[0] = 0
        generator.codes[0, 3] = missing
        generator.backbone_step(2, generator.length_of([0, 1]))
        assert generator.codes[0, 3] == missing
        states.append(generator.hidden.clone())
    assert torch.equal(*states)


def test_a_long_prompt_is_prefilled_in_chunks_that_take_bounded_memory(
    model: CsmModel, tokens: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tokens[1].repeat(60, 1)[:1100]
    generator, other = (FrameGenerator(model, 1, 1200, GREEDY) for _ in range(2))
    for start in (0, 400, 800):
        other.prefill(0, long[start : start + 400], seed=0, start=start)
    chunks: list[int] = []
    real = model.backbone.prefill

    def prefill(x: Tensor, start: int, cache: KvCache, mask: Tensor | None = None) -> Tensor:
        chunks.append(x.shape[1])
        return real(x, start, cache, mask)

    monkeypatch.setattr(model.backbone, "prefill", prefill)
    generator.prefill(0, long, seed=0)
    assert chunks == [512, 512, 76]
    assert generator.save(0, 1100).shape[3] == 1100
    assert torch.equal(generator.step([0]), other.step([0]))
