"""On a CUDA GPU: the same codes and the same sound as on the CPU, and the child that speaks."""

from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.tiny_csm import make_tiny_csm
from wyoming_csm.audio import from_pcm
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.base import Phase, Speak
from wyoming_csm.engines.csm import csm_engine
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.model.weights import Checkpoint
from wyoming_csm.voices import VoiceBook
from wyoming_csm.worker.csm import load_stage
from wyoming_csm.worker.protocol import Say

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]
FRAMES = 24
GREEDY = Sampling(temperature=0.0, depth_temperature=0.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_csm(tmp_path_factory.mktemp("csm"))


def codes_on(checkpoint: Path, device: str, sampling: Sampling) -> Tensor:
    """Two slots, the second joining late: [frames, codebooks] of each."""
    found = Checkpoint(checkpoint)
    model = found.load(torch.float32, torch.device(device))
    generator = FrameGenerator(model, 2, 200, sampling)
    prompts = PromptBuilder.of(found)
    generator.prefill(0, prompts.rows((), 0, "turn on the light"), seed=1)
    early = [generator.step([0]) for _ in range(3)]
    generator.prefill(1, prompts.rows((), 1, "the door is open"), seed=2)
    both = [generator.step([0, 1]) for _ in range(FRAMES)]
    return torch.cat([*early, *both]).cpu()


@pytest.mark.parametrize(
    "sampling", [GREEDY, Sampling(0.9, 50, 0.9, 50)], ids=["greedy", "sampled"]
)
def test_the_codes_are_those_of_the_cpu(checkpoint: Path, sampling: Sampling) -> None:
    assert torch.equal(
        codes_on(checkpoint, "cuda", sampling), codes_on(checkpoint, "cpu", sampling)
    )


def test_the_sound_is_that_of_the_cpu(checkpoint: Path, tmp_path: Path) -> None:
    config = CsmConfig(max_seconds=4.0, temperature=0.0, depth_temperature=0.0, slots=2)
    speaker = csm_engine(Config(), VoiceBook(tmp_path)).voices[0]
    sounds = []
    for device in ("cpu", "cuda"):
        stage = load_stage(config, checkpoint, tmp_path, torch.device(device), torch.float32)
        stage.begin(0, Say(1, 1, "The heat is on.", speaker))
        sounds.append(from_pcm(b"".join(stage.step([0])[0].pcm for _ in range(40))))
    assert np.abs(sounds[0] - sounds[1]).max() < 1e-3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
async def test_the_child_speaks_on_the_gpu(checkpoint: Path, tmp_path: Path, dtype: str) -> None:
    csm = CsmConfig(checkpoint=str(checkpoint), max_seconds=1.0, dtype=dtype)  # type: ignore[arg-type]
    engine = csm_engine(Config(csm=csm, data_dir=str(tmp_path)), VoiceBook(tmp_path))
    await engine.start()
    try:
        await engine.wait_settled()
        assert engine.status.phase is Phase.READY, engine.status
        reply = engine.start_reply(engine.voices[0])
        async with aclosing(reply.speak(Speak("Hello."))) as sound:
            heard = b"".join([pcm async for pcm in sound])
        await reply.aclose()
    finally:
        await engine.stop()
    assert len(heard) == 12 * 1920 * 2
    assert np.abs(from_pcm(heard)).max() > 0
