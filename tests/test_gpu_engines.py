"""On a CUDA GPU: a child that sleeps gives all its memory back, and several share the replies."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.engines.helpers import speak
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.voice_book import VoiceBook

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]
PATIENCE = 300.0  # compiling and capturing may take long at the first start
MIB = 2**20


@asynccontextmanager
async def speaking(
    folder: Path, csm: CsmConfig
) -> AsyncIterator[tuple[Fallback, list[ChildEngine]]]:
    each = csm_engines(Config(csm=csm, data_dir=str(folder / "data")), VoiceBook(folder))
    engine = Fallback(each)
    await engine.start()
    try:
        async with asyncio.timeout(PATIENCE):
            await engine.wait_loaded()
        assert engine.status.phase is Phase.READY, engine.status
        yield engine, each
    finally:
        await engine.stop()


async def until(each: Sequence[ChildEngine], true: Callable[[], bool]) -> None:
    changed = asyncio.Event()
    for engine in each:
        engine.subscribe(changed.set)
    async with asyncio.timeout(PATIENCE):
        while not true():
            changed.clear()
            await changed.wait()


def free_mib() -> float:
    """Of the whole GPU, as the driver says."""
    return torch.cuda.mem_get_info()[0] / MIB


async def test_asleep_it_holds_no_memory_and_wakes_soon(tmp_path: Path) -> None:
    torch.zeros(1, device="cuda")  # this process's own context is there before
    before = free_mib()
    checkpoint = make_tiny_csm(tmp_path / "csm")
    csm = CsmConfig(checkpoint=str(checkpoint), max_seconds=1.0, guard="none", idle_unload="2s")
    async with speaking(tmp_path, csm) as (engine, each):
        awake = free_mib()
        assert before - awake > 100
        await until(each, lambda: engine.status.phase is Phase.ASLEEP)
        assert each[0].gpu_memory is None
        # The next request comes long after: the child that stands by has imported all it needs.
        await asyncio.sleep(15)
        assert before - free_mib() < 32
        begin = time.perf_counter()
        each[0].wake()
        await until(each, lambda: engine.status.phase is Phase.READY)
        print(f"woken in {time.perf_counter() - begin:.1f} s")
        reply = engine.start_reply(engine.voices[0])
        assert b"".join(await speak(reply))
        await reply.aclose()
        memory = each[0].gpu_memory
        assert memory is not None
        assert 0 < memory.taken / MIB <= before - free_mib()
        assert memory.total == torch.cuda.get_device_properties(0).total_memory
    assert before - free_mib() < 32


async def test_two_children_share_the_replies(tmp_path: Path) -> None:
    """Both on one GPU: that needs no second."""
    checkpoint = make_tiny_csm(tmp_path / "csm")
    csm = CsmConfig(
        checkpoint=str(checkpoint),
        max_seconds=1.0,
        guard="none",
        device=("cuda:0", "cuda:0"),
        slots=2,
        gpu_memory_share=0.3,
    )
    async with speaking(tmp_path, csm) as (engine, each):
        await until(each, lambda: all(one.status.phase is Phase.READY for one in each))
        replies = [engine.start_reply(engine.voices[0]) for _ in range(4)]
        sounds = await asyncio.gather(*(speak(reply) for reply in replies))
        assert all(b"".join(sound) for sound in sounds)
        assert [one.load.share for one in each] == [1, 1]
        for reply in replies:
            await reply.aclose()
