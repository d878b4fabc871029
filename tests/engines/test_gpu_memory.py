"""What a child took of its GPU's memory: told through the pipe, shown while it is loaded."""

import re

from tests.engines.helpers import VOICES, Make, OneEngine, speak, started, until
from tests.server.http.doors import Doors, doors
from wyoming_csm.engines.base import Phase
from wyoming_csm.worker.protocol import GpuMemory

MEMORY = {"taken": 5_200_000_000, "total": 24_000_000_000}


async def shown(both: Doors) -> tuple[object, dict[str, float]]:
    """What the status says of the first engine, and the counts for Prometheus."""
    async with both.client.get("/api/status") as answer:
        status = (await answer.json())["engines"][0]["gpu_memory"]
    async with both.client.get("/metrics") as answer:
        lines = re.findall(r"^wyoming_csm_gpu_memory_(.+) (\S+)$", await answer.text(), re.M)
    return status, {name: float(value) for name, value in lines}


async def test_it_is_shown_until_the_child_sleeps(make: Make) -> None:
    engine = make(title="fake 1", memory=MEMORY, idle_seconds=0.3)
    assert engine.gpu_memory is None
    await started(engine)
    reply = OneEngine(engine, VOICES[0])
    await speak(reply)  # its loop went round
    assert engine.gpu_memory == GpuMemory(**MEMORY)
    async with doors(engine) as both:
        assert await shown(both) == (
            MEMORY,
            {'taken_bytes{engine="fake 1"}': 5.2e9, 'total_bytes{engine="fake 1"}': 24e9},
        )
        await reply.aclose()
        await until(engine, lambda: engine.status.phase is Phase.ASLEEP)
        assert await shown(both) == (None, {})


async def test_without_a_gpu_nothing_is_shown(make: Make) -> None:
    engine = await started(make())
    await speak(OneEngine(engine, VOICES[0]))
    async with doors(engine) as both:
        assert await shown(both) == (None, {})
        async with both.client.get("/metrics") as answer:
            assert "gpu" not in await answer.text()
