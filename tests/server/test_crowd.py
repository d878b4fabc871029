"""Many at once: Describe stays quick, turns are fair by address."""

import asyncio
import time

from wyoming.info import Describe
from wyoming.tts import Synthesize, SynthesizeVoice

from tests.fakes import FakeEngine
from tests.server.clients import Peer, eventually, peer, port_of, say, serving
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback


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


async def test_one_client_is_served_among_thirty_of_another_address() -> None:
    engine = FakeEngine(frames=2, frame_seconds=0.005, slots=1)
    order: list[str] = []
    async with serving(engine) as server:

        async def ask(source: str, text: str) -> None:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port_of(server), local_addr=(source, 0)
            )
            client = Peer(reader, writer)
            await client.send(say(text))
            await client.until("audio-stop")
            order.append(source)
            writer.transport.abort()

        engine.hold.clear()
        many = [asyncio.create_task(ask("127.0.0.2", "Many.")) for _ in range(30)]
        await eventually(lambda: server._turns.waiting == 29)
        one = asyncio.create_task(ask("127.0.0.3", "One. Two. Three."))
        await eventually(lambda: server._turns.waiting == 30)
        engine.hold.set()
        await asyncio.gather(one, *many)
    assert order.index("127.0.0.3") <= 6
    assert engine.most_speaking == 1


async def test_no_more_sentences_at_once_than_the_engine_has_slots() -> None:
    engine = FakeEngine(frames=3, frame_seconds=0.005, slots=3)
    async with serving(engine) as server:

        async def ask() -> None:
            async with peer(server) as client:
                await client.send(say("One. Two."))
                await client.until("audio-stop")

        await asyncio.gather(*(ask() for _ in range(10)))
    assert engine.most_speaking == 3
    assert len(engine.finished) == 20


async def test_new_slots_are_used_as_soon_as_the_engine_has_them() -> None:
    engine = FakeEngine(slots=1)
    engine.hold.clear()
    async with serving(engine) as server, peer(server) as first, peer(server) as second:
        await first.send(say())
        await second.send(say())
        await eventually(lambda: server._turns.waiting == 1)
        engine.slots = 2
        engine.become(Phase.READY)
        await eventually(lambda: engine.speaking == 2)


async def test_nobody_waits_for_another_engines_speakers() -> None:
    csm, system = FakeEngine("csm", slots=1), FakeEngine("system", slots=1)
    csm.hold.clear()
    async with (
        serving(Fallback([csm, system])) as server,
        peer(server) as first,
        peer(server) as second,
        peer(server) as third,
    ):
        await first.send(say())
        await eventually(lambda: csm.speaking == 1)
        await second.send(say())
        await eventually(lambda: server._turns.waiting == 1)
        await third.send(Synthesize("Hello.", SynthesizeVoice("system_en")).event())
        await third.until("audio-stop")
        assert system.finished == ["Hello."]
        assert csm.most_speaking == 1
        csm.hold.set()
        await second.until("audio-stop")
