"""The runner on a real GPU: cached prompts are as good as read anew, and a prefill is timed."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.tiny_csm import make_tiny_csm
from tests.worker.csm.runners import FRAMES, Talk, make_runner, say, voice_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]
CUDA = torch.device("cuda")
ANNA, BERT = voice_of("anna"), voice_of("bert", speaker="1")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_csm(tmp_path_factory.mktemp("csm"), codebooks=8)


@pytest.fixture
def recordings() -> dict[str, Tensor]:
    """Of 20 s."""
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randint(128, (250, 8), generator=generator) for name in ("anna", "bert")}


def test_what_is_cached_sounds_as_what_is_read_anew(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]
) -> None:
    """In single precision, where rounding decides nothing; two replies in turns, in chunks."""

    def talk_with(cached: int) -> Talk:
        return Talk(
            checkpoint,
            tmp_path,
            recordings,
            ahead=1,
            device=CUDA,
            cached=cached,
            temperature=0.0,
            depth_temperature=0.0,
        )

    always, never = talk_with(10_000), talk_with(0)
    for number, (reply, voice) in enumerate([(1, ANNA), (2, BERT), (1, ANNA), (3, ANNA)]):
        mine = say(number, reply, "turn on the light", voice)
        assert len(always.speak(mine, slot=number % 2)) == FRAMES + 1
        never.speak(mine, slot=number % 2, chunk=33)
        assert torch.equal(always.codes[-1], never.codes[-1])
    own = always.own("turn on the light")
    assert always.computed[2:] == [own, own]
    assert never.computed[2] > 250


def test_a_prefill_is_timed_without_waiting_for_it(checkpoint: Path, tmp_path: Path) -> None:
    runner = make_runner(checkpoint, tmp_path, CUDA)
    runner.warm_up(lambda _: None)
    torch.cuda.synchronize()
    assert 0 < runner.prefill_seconds(10) < 1
    assert 0 < runner.step_seconds(1) < 1
