"""Many at once: Describe stays quick, sentences are spoken fairly by address."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from wyoming.info import Describe

from benchmarks.fixtures.fake_child import COMMAND
from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import Peer, eventually, peer, port_of, say, serving
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.worker.protocol import Configure


async def test_describe_is_quick_while_twenty_clients_are_spoken_to() -> None:
    engine = FakeEngine(frames=1_000_000, frame_seconds=0.02, slots=20)
    seconds: list[float] = []
    async with serving(engine) as server, asyncio.TaskGroup() as listeners:

        async def listen() -> None:
            async with peer(server, "127.0.0.2") as client:
                await client.send(say())
                while await client.read():
                    pass

        tasks = [listeners.create_task(listen()) for _ in range(20)]
        await eventually(lambda: engine.speaking == 20)
        for _ in range(100):
            begin = time.perf_counter()
            async with peer(server) as client:
                await client.send(Describe().event())
                await client.until("info")
            seconds.append(time.perf_counter() - begin)
        assert engine.speaking == 20
        for task in tasks:
            task.cancel()
    seconds.sort()
    print(f"Describe, 20 speaking: p50 {seconds[50] * 1e3:.1f} ms, p99 {seconds[98] * 1e3:.1f} ms")
    assert seconds[98] < 0.5  # 0.1 on a quiet machine


@asynccontextmanager
async def a_child(**settings: object) -> AsyncIterator[ChildEngine]:
    """Real, over a runner that only waits: the queue is its own."""
    voice = fake_voice("anna")
    engine = ChildEngine(
        Configure("fake", settings, "", ""),
        voices=lambda: (voice,),
        probe=lambda: None,
        patience=Timeouts(),
        command=COMMAND,
    )
    await engine.start()
    await engine.wait_loaded()
    try:
        yield engine
    finally:
        await engine.stop()


async def test_one_client_is_served_among_thirty_of_another_address() -> None:
    order: list[str] = []
    async with (
        a_child(slots=1, frames=10, step_seconds=0.005) as engine,
        serving(Fallback([engine])) as server,
    ):

        async def ask(source: str, text: str) -> None:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port_of(server), local_addr=(source, 0)
            )
            client = Peer(reader, writer)
            await client.send(say(text))
            await client.until("audio-stop")
            order.append(source)
            writer.transport.abort()

        many = [asyncio.create_task(ask("127.0.0.2", "Many.")) for _ in range(30)]
        await eventually(lambda: engine.load.free < -20)
        spoken = len(order)
        await ask("127.0.0.3", "One is. Two is. Three is.")
        await asyncio.gather(*many)
    assert order.index("127.0.0.3") <= spoken + 6


async def test_the_address_of_a_listener_is_whom_fairness_counts() -> None:
    engine = FakeEngine()
    async with serving(engine) as server:
        for address in ("127.0.0.2", "127.0.0.3"):
            async with peer(server, address) as client:
                await client.send(say("One is. Two is."))
                await client.until("audio-stop")
    assert engine.clients == ["127.0.0.2"] * 2 + ["127.0.0.3"] * 2


async def test_a_sentence_is_asked_for_when_the_one_before_is_said() -> None:
    """So no listener has more than one slot, and all of them are spoken to."""
    engine = FakeEngine(frames=3, frame_seconds=0.005, slots=20)
    async with serving(engine) as server:

        async def ask() -> None:
            async with peer(server) as client:
                await client.send(say("One is. Two is."))
                await client.until("audio-stop")

        await asyncio.gather(*(ask() for _ in range(10)))
    assert engine.most_speaking <= 10
    assert len(engine.finished) == 20


async def test_the_wait_for_a_slot_is_not_counted_as_computing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten frames of 50 ms, and one for the end: RTF 0.7; the second waits as long before."""
    caplog.set_level(logging.INFO)
    async with (
        a_child(slots=1, frames=10, step_seconds=0.05) as engine,
        serving(Fallback([engine])) as server,
        peer(server, "127.0.0.2") as first,
        peer(server, "127.0.0.3") as second,
    ):
        for client in (first, second):
            await client.send(say("Hello."))
        for client in (first, second):
            await client.until("audio-stop")
        await eventually(lambda: len(factors(caplog)) == 2)
    assert all(0.6 < factor < 1.2 for factor in factors(caplog))


def factors(caplog: pytest.LogCaptureFixture) -> list[float]:
    """The RTF of each reply, as it was logged."""
    lines = [record.getMessage() for record in caplog.records]
    return [float(line.rpartition("RTF ")[2]) for line in lines if "RTF " in line]
