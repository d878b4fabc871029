"""Folders of voices that change while twenty listeners are spoken to: what Describe then says."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from wyoming.info import Describe, Info, TtsVoice

from tests.server.clients import Peer, peer, say
from tests.voice_folders import make, record
from wyoming_csm.app import App
from wyoming_csm.config import Config
from wyoming_csm.server.listener import Server

SECONDS = 5.0
TEXT = "The front door is open, and it rains. Shall I close the windows of the kitchen? " * 5


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose system voice speaks; CSM is not started, but its voices are listed."""
    config = replace(
        Config(),
        uri="tcp://127.0.0.1:0",
        engines=("csm", "system"),
        voices=str(tmp_path / "voices"),
        data_dir=str(tmp_path),
    )
    app = App(config)
    await app.engines[1].start()
    async with Server(config, app.answers) as server:
        watching = asyncio.create_task(app.watch_voices())
        yield server
        watching.cancel()
    await app.engines[1].stop()


async def listens(server: Server) -> None:
    """A client that is spoken to for ever, and waits its turn as long as that takes."""
    async with peer(server) as client:
        await client.send(say(TEXT))
        while received := await client.reader.read(65_536):
            if b'"audio-stop"' in received:
                await client.send(say(TEXT))


async def voices_of(client: Peer) -> dict[str, TtsVoice]:
    await client.send(Describe().event())
    *_, event = await client.until("info")
    return {voice.name: voice for voice in Info.from_event(event).tts[0].voices}


async def seen_after(client: Peer, there: Callable[[dict[str, TtsVoice]], bool]) -> float:
    began = time.monotonic()
    while not there(await voices_of(client)):
        assert time.monotonic() - began < 2 * SECONDS
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def test_a_change_of_a_folder_is_described_within_5_s_under_load(
    server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "voices"
    for number in range(20):
        make(folder, f"voice_{number}")
    async with peer(server) as client:
        listeners = [asyncio.create_task(listens(server)) for _ in range(20)]
        ann = make(folder, "ann", "description: Ann\n")
        assert await seen_after(client, lambda voices: "ann" in voices) < SECONDS
        (ann / "voice.yaml").write_text("description: Another Ann\n")
        assert (
            await seen_after(client, lambda v: "Another Ann" in (v["ann"].description or ""))
            < SECONDS
        )
        record(ann / "clip.wav", seconds=0.2)
        cure = "cannot be used: clip.wav lasts 0.2 s: 10 to 30 s serve best"
        assert await seen_after(client, lambda v: cure in (v["ann"].description or "")) < SECONDS
        shutil.rmtree(ann)
        assert await seen_after(client, lambda voices: "ann" not in voices) < SECONDS
        for task in listeners:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.wait(listeners)
