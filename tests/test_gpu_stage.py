"""The stage on a real GPU: kept prompts are as good as heard anew, and a prefill is timed."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.tiny_csm import make_tiny_csm
from tests.worker.csm.conversation import FRAMES, Conversation, voice_of
from tests.worker.csm.stages import make_stage
from wyoming_csm.worker.protocol import Say

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


def test_what_is_kept_sounds_as_what_is_heard_anew(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]
) -> None:
    """In single precision, where rounding decides nothing; two replies in turns, in pieces."""

    def talk_with(kept: int) -> Conversation:
        return Conversation(
            checkpoint,
            tmp_path,
            recordings,
            ahead=1,
            device=CUDA,
            kept_prompts_mb=kept,
            temperature=0.0,
            depth_temperature=0.0,
        )

    always, never = talk_with(64), talk_with(0)
    for request, (reply, voice) in enumerate([(1, ANNA), (2, BERT), (1, ANNA), (3, ANNA)]):
        say = Say(request, reply, "", "turn on the light", voice)
        assert len(always.speak(say, slot=request % 2)) == FRAMES + 1
        never.speak(say, slot=request % 2, positions=33)
        assert torch.equal(always.codes[-1], never.codes[-1])
    own = always.own("turn on the light")
    assert always.computed[2:] == [own, own]
    assert never.computed[2] > 250


def test_a_prefill_is_timed_without_waiting_for_it(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path, CUDA)
    stage.warm_up(lambda _: None)
    torch.cuda.synchronize()
    assert 0 < stage.prefill_seconds(10) < 1
    assert 0 < stage.step_seconds(1) < 1
