"""A slot's content comes in chunks, is saved, moves and is swapped: its codes stay the same."""

import pytest
import torch

from tests.model.sentences import FRAMES, GREEDY, POSITIONS, SAMPLED, prompt, speak
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.sampling import Sampling

MODES = pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])


def spoil(generator: FrameGenerator, slot: int, start: int = 0) -> None:
    """What half precision leaves where it overflowed."""
    for layer in generator.kv.layers:
        layer[slot, ..., start:, :] = torch.nan


@MODES
def test_a_prompt_may_come_in_chunks_while_others_speak(
    model: CsmModel, sampling: Sampling
) -> None:
    """What a step writes for a slot in its prefill is written over."""
    generator = FrameGenerator(model, 2, POSITIONS, sampling)
    expected = speak(generator, 0, prompt(1), seed=3)
    generator.prefill(1, prompt(4), seed=4)
    for start in range(0, len(prompt(1)), 9):
        generator.prefill(0, prompt(1)[start : start + 9], seed=3, start=start)
        generator.step([1])
    assert torch.equal(torch.cat([generator.step([0]) for _ in range(FRAMES)]), expected)


@MODES
def test_what_was_saved_serves_another_slot(model: CsmModel, sampling: Sampling) -> None:
    """A prompt with frames behind it is saved; the other slot is full of NaN from before."""
    generator = FrameGenerator(model, 2, POSITIONS, sampling)
    expected = speak(generator, 0, prompt(1), seed=3)
    generator.prefill(0, prompt(1), seed=9)
    generator.step([0])
    saved = generator.save(0, 20)
    assert saved.shape[3] == 20
    generator.prefill(1, prompt(5), seed=4)
    spoil(generator, 1)
    generator.restore(1, saved)
    generator.step([0])  # a frame between is no harm
    generator.prefill(1, prompt(1)[20:], seed=3, start=20)
    assert torch.equal(torch.cat([generator.step([1]) for _ in range(FRAMES)]), expected)
    with pytest.raises(ValueError, match="positions, not"):
        generator.save(0, len(prompt(1)) + 3)


def test_a_slots_temperature_is_its_own_and_moves_with_it(model: CsmModel) -> None:
    sampling = Sampling(temperature=0.9, top_k=50, depth_temperature=0.0)
    generator = FrameGenerator(model, 3, POSITIONS, sampling)
    usual = speak(generator, 0, prompt(1), seed=1)
    greedy = speak(FrameGenerator(model, 1, POSITIONS, GREEDY), 0, prompt(2), seed=2)
    assert not torch.equal(speak(generator, 1, prompt(2), seed=2), greedy)
    generator.prefill(0, prompt(1), seed=1)
    generator.prefill(1, prompt(2), seed=2)
    assert generator.set_temperature(1, 0.0)
    made = [generator.step([0, 1]) for _ in range(2)]
    generator.swap(1, 2)
    generator.swap(0, 1)
    made += [generator.step([1, 2]) for _ in range(FRAMES - 2)]
    assert torch.equal(torch.stack([frame[0] for frame in made]), usual)
    assert torch.equal(torch.stack([frame[1] for frame in made]), greedy)
    assert generator.set_temperature(2, None)
    assert torch.equal(speak(generator, 2, prompt(1), seed=1), usual)


def test_where_the_likeliest_is_always_taken_no_temperature_can_be_had(model: CsmModel) -> None:
    generator = FrameGenerator(model, 1, POSITIONS, GREEDY)
    greedy = speak(generator, 0, prompt(2), seed=2)
    assert not generator.set_temperature(0, 0.9)
    assert generator.set_temperature(0, None)
    assert torch.equal(speak(generator, 0, prompt(2), seed=2), greedy)


@MODES
@pytest.mark.parametrize("pair", [(1, 2), (2, 1)])
def test_slots_that_move_or_are_swapped_go_on(
    model: CsmModel, sampling: Sampling, pair: tuple[int, int]
) -> None:
    """What was in a slot before, NaN too, has no effect there."""
    generator = FrameGenerator(model, 3, POSITIONS, sampling)
    long, short = (speak(generator, 0, prompt(n), seed=n) for n in (2, 5))
    generator.prefill(0, prompt(2), seed=2)
    generator.prefill(1, prompt(5), seed=5)
    made = [generator.step([0, 1])]
    generator.swap(0, 1)
    made.append(generator.step([1, 0]))
    spoil(generator, 2)
    generator.swap(0, 2)  # that one is free
    with pytest.raises(ValueError, match="no prompt"):
        generator.step([0])
    made += [generator.step([1, 2]) for _ in range(2)]
    spoil(generator, 1, start=len(prompt(2)) + 4)  # the longer one overflowed
    generator.swap(*pair)
    made += [generator.step([2, 1]) for _ in range(2)]
    assert torch.equal(torch.stack([frame[1] for frame in made]), short[:6])
    assert torch.equal(torch.stack([frame[0] for frame in made[:4]]), long[:4])
