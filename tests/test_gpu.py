"""On a CUDA GPU: the same codes and the same sound as on the CPU, and the child that speaks."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.fixtures.random_csm import make_full_size_csm, make_tiny_csm
from tests.worker.csm.runners import SPEAKER, Driver, make_runner
from wyoming_csm.audio import from_pcm
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.config import read_config
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.text.pieces import Speak
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.worker.csm.device import choose_precision
from wyoming_csm.worker.csm.memory import WORKING_BYTES, Needs
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
    generator.prefill(0, prompts.build((), 0, "turn on the light"), seed=1)
    early = [generator.step([0]) for _ in range(3)]
    generator.prefill(1, prompts.build((), 1, "the door is open"), seed=2)
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
    settings: dict[str, object] = {"max_seconds": 4.0, "temperature": 0, "depth_temperature": 0}
    sounds = []
    for device in ("cpu", "cuda"):
        runner = make_runner(checkpoint, tmp_path, torch.device(device), compile=False, **settings)
        frames = Driver(runner).speak(Say(1, 1, "", "The heat is on.", SPEAKER))
        sounds.append(from_pcm(b"".join(frame.pcm for frame in frames)))
    assert np.abs(sounds[0] - sounds[1]).max() < 1e-3


@asynccontextmanager
async def ready(folder: Path, **settings: object) -> AsyncIterator[ChildEngine]:
    csm = msgspec.convert({"max_seconds": 1.0, "guard": "none", **settings}, CsmConfig)
    (engine,) = csm_engines(Config(csm=csm, data_dir=str(folder)), VoiceBook(folder))
    await engine.start()
    try:
        await engine.wait_loaded()
        assert engine.status.phase is Phase.READY, engine.status
        yield engine
    finally:
        await engine.stop()


async def pcm_of(engine: ChildEngine, voice: int = 0) -> bytes:
    reply = Fallback([engine]).start_reply(engine.voices[voice])
    async with aclosing(reply.speak(Speak("Hello."))) as sound:
        pcm = b"".join([chunk async for chunk in sound])
    await reply.aclose()
    return pcm


# Compiled in one of them only: it takes a minute each.
@pytest.mark.parametrize(
    ("dtype", "compiled"),
    [("bfloat16", True), ("float16", False), ("int8", False), ("fp8", False), ("int4", False)],
)
async def test_the_child_speaks_on_the_gpu(
    checkpoint: Path, tmp_path: Path, dtype: str, compiled: bool
) -> None:
    """Its graphs captured, to several at once."""
    wanted = {"checkpoint": str(checkpoint), "dtype": dtype, "compile": compiled}
    async with ready(tmp_path, **wanted) as engine:
        assert engine.load.free == 4
        assert f"{dtype}, 4 slots" in engine.status.detail
        together = await asyncio.gather(*(pcm_of(engine, voice) for voice in range(3)))
    for pcm in together:
        assert len(pcm) == 12 * 1920 * 2
        assert np.abs(from_pcm(pcm)).max() > 0


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = make_full_size_csm(tmp_path_factory.mktemp("full"))
    yield folder
    shutil.rmtree(folder)  # 3.3 GB


def driver_bytes() -> int:
    """In use on the GPU, as its driver says, whoever has it."""
    free, total = torch.cuda.mem_get_info()
    return total - free


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 4.0e9), ("int8", 2.8e9)])
async def test_the_child_takes_the_memory_that_was_reckoned(
    full_size: Path, tmp_path: Path, dtype: str, most: float
) -> None:
    """With 4 slots of 2048 positions, the driver's part too."""
    torch.cuda.empty_cache()
    before = driver_bytes()
    wanted = {"checkpoint": str(full_size), "dtype": dtype, "compile": False, "slots": 4}
    async with ready(tmp_path, **wanted) as engine:
        assert await pcm_of(engine)
        taken = driver_bytes() - before
        print(f"{dtype}: {taken / 1e9:.2f} GB; {engine.status.detail}")
    checkpoint = Checkpoint(full_size)
    types = choose_precision(msgspec.convert({"dtype": dtype}, CsmConfig), torch.device("cuda"))
    needs = Needs(checkpoint.sizes, read_config(checkpoint.codec_config), types, True)
    assert needs.all(4, 2048) - WORKING_BYTES < taken <= most
