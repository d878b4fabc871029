"""Long texts: cutting one into sentences never holds the loop for long."""

import asyncio
import time

import pytest
from wyoming.event import Event
from wyoming.tts import Synthesize

from tests.fakes import FakeEngine
from tests.server.clients import peer, say, serving
from wyoming_csm.config import Limits

LONG = Limits(text_characters=200_000, data_bytes=2**20)  # so that much is seen clearly
HELD_SECONDS = 0.05


@pytest.mark.parametrize(
    "event",
    [say("🎉 " * 100_000), Synthesize("<p/>" * 50_000, text_format="ssml").event()],
    ids=["text", "ssml"],
)
async def test_the_loop_goes_round_while_a_text_is_cut(event: Event) -> None:
    held = 0.0

    async def watch() -> None:
        nonlocal held
        while True:
            before = time.thread_time()  # of the loop's thread: other programs do not count
            await asyncio.sleep(0)
            held = max(held, time.thread_time() - before)

    async with serving(FakeEngine(frames=1), limits=LONG) as server, peer(server) as client:
        watching = asyncio.create_task(watch())
        await client.send(event)
        await client.until("audio-stop")
        watching.cancel()
    assert held < HELD_SECONDS
