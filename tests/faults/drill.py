"""What the drills share: a switch that is set while a server runs, and what a listener gets."""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wyoming.error import Error
from wyoming.event import Event, async_read_event

from tests.fakes import FRAME_BYTES, frame
from tests.server.clients import Peer, audio, peer, port_of, say, types
from wyoming_csm.server.listener import Server

PATIENCE = 60.0  # seconds; only a failing test waits so long, or a machine that has much to do
FRAMES = 5  # of each sentence of a fake
WHOLE = b"".join(frame(number) for number in range(FRAMES))
UNHURT = ["audio-start", "audio-chunk", "audio-stop"]


class Drill:
    """The file of the fault switch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, *lines: str) -> None:
        """Let this go wrong from now on, and nothing else."""
        new = self.path.with_suffix(".new")
        new.write_text("\n".join(lines), encoding="utf-8")
        os.replace(new, self.path)


@dataclass
class Answer:
    """All that came of one request, up to its end or the connection's."""

    events: list[Event]

    @property
    def kinds(self) -> list[str]:
        return types(self.events)

    @property
    def sound(self) -> bytes:
        return audio(self.events)

    @property
    def frames(self) -> float:
        return len(self.sound) / FRAME_BYTES

    @property
    def error(self) -> str:
        return next((Error.from_event(e).text for e in self.events if Error.is_type(e.type)), "")


async def answer_to(client: Peer) -> Answer:
    """The answer to what was asked."""
    events: list[Event] = []
    with suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE):
            while (event := await async_read_event(client.reader)) is not None:
                events.append(event)
                if event.type == "audio-stop":
                    break
    return Answer(events)


async def ask(server: Server, text: str = "Hello.", port: int = 0) -> Answer:
    """Ask on a connection of its own, at the server's port or another one."""
    async with peer(server, port=port or port_of(server)) as client:
        await client.send(say(text))
        return await answer_to(client)
