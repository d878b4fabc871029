"""What was prefilled before: found by its tokens, as good as prefilled anew, bounded in bytes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvBlock
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.model.sampling import Sampling

CPU = torch.device("cpu")
GREEDY = Sampling(temperature=0.0, depth_temperature=0.0)
SAMPLED = Sampling(temperature=0.9, top_k=50, depth_temperature=0.8, depth_top_k=20)
FRAMES = 12


def tokens(*values: int) -> Tensor:
    """A position for each value, of nine columns."""
    return torch.tensor(values)[:, None].expand(-1, 9).contiguous()


def block(n: int) -> KvBlock:
    """8 bytes a position."""
    return torch.zeros(1, 2, 1, n, 1)


def cached(limit: int, *entries: Tensor) -> PrefixCache:
    """With room for `limit` positions."""
    prompts = PrefixCache(limit * 8, 8)
    for entry in entries:
        assert prompts.store(entry, block)
    return prompts


def test_the_longest_true_beginning_is_found() -> None:
    prompts = cached(100, tokens(1, 2), tokens(1, 2, 3, 4), tokens(1, 2, 3), tokens(2, 2))
    for wanted, positions in (
        (tokens(1, 2, 3, 9), 3),
        (tokens(1, 2, 3, 4, 5), 4),
        (tokens(1, 2, 3, 4), 3),  # at least one position is left to prefill
        (tokens(2, 2, 2), 2),
    ):
        found = prompts.longest_prefix(wanted)
        assert found is not None
        assert found.shape[3] == positions
    for wanted in (tokens(1, 9, 9, 9, 9), tokens(1, 2), tokens(9, 1, 2, 3, 4)):
        assert prompts.longest_prefix(wanted) is None


def test_one_code_more_or_less_is_another_prompt() -> None:
    """Every column of every position counts."""
    voice = torch.arange(45).reshape(5, 9)
    prompts = cached(100, voice)
    wanted = torch.cat((voice, tokens(7)))
    assert prompts.longest_prefix(wanted) is not None
    for position in range(5):
        for column in (0, 4, 8):
            other = wanted.clone()
            other[position, column] += 1
            assert prompts.longest_prefix(other) is None


def test_bytes_are_bounded_and_the_least_recently_used_goes() -> None:
    first, second, third = tokens(1, 1, 1), tokens(2, 2, 2), tokens(3, 3, 3)
    prompts = cached(7, first, second)
    assert prompts.nbytes == 48
    assert not prompts.has_room(2)
    assert (
        prompts.longest_prefix(torch.cat((first, tokens(0)))) is not None
    )  # used: the other is older
    prompts.store(third, block)
    assert [one in prompts for one in (first, second, third)] == [True, False, True]
    assert prompts.nbytes == 48
    prompts.store(tokens(4, 4, 4, 4, 4), block)
    assert [one in prompts for one in (first, third)] == [False, False]
    assert prompts.nbytes == 40


def test_a_beginning_is_never_older_than_what_follows_it() -> None:
    """Else many replies of one voice would push that voice's prompt out."""
    voice, other = tokens(1, 1), tokens(2, 2)
    prompts = cached(9, voice, other, tokens(1, 1, 3))
    assert prompts.longest_prefix(tokens(1, 1, 3, 4)) is not None
    assert prompts.store(tokens(5, 5, 5), block)
    assert voice in prompts
    assert other not in prompts


def test_what_is_stored_twice_is_copied_once() -> None:
    prompts = cached(10, tokens(1, 2))

    def copy(n: int) -> KvBlock:
        raise AssertionError("it is there already")

    assert prompts.store(tokens(1, 2), copy)
    assert prompts.nbytes == 16


def test_what_is_larger_than_the_limit_is_not_cached_and_drops_nothing() -> None:
    prompts = cached(5, tokens(1, 2))
    assert not prompts.store(tokens(1, 2, 3, 4, 5, 6), block)
    assert tokens(1, 2) in prompts
    nothing = PrefixCache(0, 8)
    assert not nothing.store(tokens(1), block)
    assert nothing.longest_prefix(tokens(1, 2)) is None


def test_no_reply_pushes_its_own_voice_out() -> None:
    voice, other, reply = tokens(1, 1, 1), tokens(2, 2), tokens(1, 1, 1, 5)
    prompts = cached(6, voice, other)
    assert not prompts.store(reply, block)
    assert voice in prompts
    assert other in prompts
    roomy = cached(8, voice, other)
    assert roomy.store(reply, block)
    assert voice in roomy
    assert other not in roomy


def test_memory_that_is_full_caches_nothing_and_fails_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(n: int) -> KvBlock:
        raise torch.OutOfMemoryError

    prompts = cached(10, tokens(1, 2))
    assert not prompts.store(tokens(3, 4), full)
    assert (prompts.nbytes, tokens(3, 4) in prompts, tokens(1, 2) in prompts) == (16, False, True)
    assert len(caplog.records) == 1


def test_what_is_dropped_gives_its_bytes_back() -> None:
    one, other = tokens(1, 2), tokens(3, 4, 5)
    prompts = cached(10, one, other)
    prompts.drop(one)
    prompts.drop(one)
    assert (prompts.nbytes, one in prompts, other in prompts) == (24, False, True)
    prompts.clear()
    assert (prompts.nbytes, other in prompts) == (0, False)


@pytest.fixture(scope="module")
def model(tiny_csm: Path) -> CsmModel:
    return Checkpoint(tiny_csm).load(torch.float32, CPU)


@pytest.fixture(scope="module")
def prompts(tiny_csm: Path) -> PromptBuilder:
    return PromptBuilder.of(Checkpoint(tiny_csm))


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_what_was_cached_is_as_good_as_prefilled_anew(
    model: CsmModel, prompts: PromptBuilder, sampling: Sampling
) -> None:
    """A clip of 20 s: hidden state to rounding, and the same codes, whatever the slot did before
    and its neighbour does."""
    codes = torch.randint(128, (250, 8), generator=torch.Generator().manual_seed(1))
    voice = prompts.segment(Segment(0, "the door is open", codes))
    wanted = prompts.fit(voice, (), prompts.segment(Segment(0, "turn on the light")), FRAMES)
    fresh = FrameGenerator(model, 1, 400, sampling)
    fresh.prefill(0, wanted, seed=3)
    generator = FrameGenerator(model, 2, 400, sampling)
    store = PrefixCache(2**20, 256)
    other = prompts.fit(voice, (), prompts.segment(Segment(0, "no, the other one, please")), 9)
    generator.prefill(0, other, seed=1)
    assert store.store(voice, lambda n: generator.save(0, n))
    assert store.nbytes == 256 * len(voice)
    generator.prefill(1, other[-20:], seed=2)
    for _ in range(3):
        generator.step([0, 1])
    found = store.longest_prefix(wanted)
    assert found is not None
    generator.restore(1, found)  # into a slot that was used before
    generator.prefill(1, wanted[len(voice) :], seed=3, start=len(voice))
    torch.testing.assert_close(generator.hidden[1], fresh.hidden[0], rtol=1e-4, atol=1e-5)
    for _ in range(FRAMES):
        assert torch.equal(generator.step([0, 1])[1], fresh.step([0])[0])
