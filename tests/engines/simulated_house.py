"""Listeners, the whole front and its children in simulated time: the protocol between them is real.

Nothing here asks the code what it thinks: what a listener gets is counted from the events that
were sent to it, and what a slot does from what the runner was told.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
from wyoming.audio import AudioChunk
from wyoming.event import Event

from tests.engines.simulated_child import (
    ANNA,
    FRAME_SAMPLES,
    PICO,
    SLOW,
    Device,
    SimulatedChild,
    number_of,
)
from tests.fakes import AS_MADE
from wyoming_csm.answer import Answer, AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.engines.base import PENDING, Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.server.peer import EventWriter
from wyoming_csm.server.sound_events import SoundEvents
from wyoming_csm.sound.mixer import Mixer
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure


@dataclass
class Told:
    """What became of one sentence, in seconds since the beginning."""

    client: str
    asked: float
    left: float = math.inf  # when its listener went away
    sound: list[tuple[float, int]] = field(default_factory=list)  # frames


class Outlet:
    """A client that takes all at once; it notes what it was sent, and when."""

    def __init__(self, house: "House", client: str, texts: Sequence[str]) -> None:
        self._house, self._client = house, client
        self._texts = iter(texts)

    async def drained(self) -> None:
        """A sentence is asked for."""
        self._house.asks(self._client, next(self._texts))

    async def surely_there(self) -> None:
        """It is."""

    def send(self, event: Event) -> None:
        if AudioChunk.is_type(event.type):
            self._house.gets(AudioChunk.from_event(event).audio)


class House:
    """Engines over simulated children, by name `csm…` or `system…`, and those who listen."""

    def __init__(self, devices: dict[str, Device]) -> None:
        self._devices = devices
        self._loop = asyncio.get_running_loop()
        self._numbers: dict[int, str] = {}
        self.told: dict[str, Told] = {}
        self.processes: list[SimulatedChild] = []  # in the order of their start
        self.children: dict[str, SimulatedChild] = {}  # the last of each name
        self.config = Config(sound=AS_MADE)
        self._lexicons = Lexicons(Config(voices="none", lexicon="none"))
        self.engines = [self._engine(name) for name in devices]
        self.engine = Fallback(self.engines)
        self.mute: list[tuple[float, float]] = []  # from when to when no engine could speak
        for engine in self.engines:
            engine.subscribe(self._changed)

    def _engine(self, name: str) -> ChildEngine:
        voices = (ANNA, SLOW) if name.startswith("csm") else (PICO,)
        return ChildEngine(
            Configure(voices[0].engine, {}, "", ""),
            voices=lambda: voices,
            probe=lambda: None,
            patience=Timeouts(),
            command=(name,),
        )

    async def spawn(self, command: Sequence[str]) -> SimulatedChild:
        (name,) = command
        child = self.children[name] = SimulatedChild(name, self._devices[name])
        self.processes.append(child)
        return child

    async def listen_for_a_while(
        self, address: str, texts: Sequence[str], after: float, leaves: float | None
    ) -> None:
        """One answer, cut off so many seconds after it was asked for."""
        listening = asyncio.ensure_future(self.listen(address, texts, after))
        if leaves is not None:
            await asyncio.wait([listening], timeout=after + leaves)
            if not listening.done():
                for text in texts:
                    if (told := self.told.get(text)) is not None:
                        told.left = self._loop.time()
                listening.cancel()
        await asyncio.wait([listening])
        if not listening.cancelled():
            listening.result()

    async def listen(
        self,
        address: str,
        texts: Sequence[str],
        after: float = 0.0,
        voice: Voice = ANNA,
        stalls: float = 0.0,
    ) -> None:
        """One answer, from its request to its end, which comes `stalls` seconds after its text."""
        await asyncio.sleep(after)
        text = TextStream(10_000, pytest.fail)
        text.feed(" ".join(texts))
        if stalls:
            self._loop.call_later(stalls, text.end)
        else:
            text.end()
        events = cast(EventWriter, Outlet(self, address, texts))
        sound = SoundEvents(events, FRAME_SAMPLES)
        mixer = Mixer(self.config.sound)
        context = AnswerContext(self.config, self.engine, mixer, self._lexicons)
        await Answer(text, voice, sound, context, address=address).run()

    # -- what was noted

    def _changed(self) -> None:
        phases = {engine.status.phase for engine in self.engines}
        if self.mute and self.mute[-1][1] == math.inf:
            self.mute[-1] = self.mute[-1][0], self._loop.time()
        if phases.isdisjoint((Phase.READY, *PENDING)):
            self.mute.append((self._loop.time(), math.inf))

    def asks(self, client: str, text: str) -> None:
        self._numbers[number_of(text)] = text
        self.told[text] = Told(client, self._loop.time())

    def begun(self, text: str) -> list[tuple[str, float]]:
        """Where and when a sentence got a slot."""
        return [
            (child.name, moment.at)
            for child in self.processes
            for moment in child.moments
            if (moment.what, moment.text) == ("begins", text)
        ]

    def gets(self, audio: bytes) -> None:
        word = int.from_bytes(audio[:8], "little")
        if word >> 16 in self._numbers:
            self.told[self._numbers[word >> 16]].sound.append((self._loop.time(), word & 0xFFFF))

    def idle(self, child: str, text: str) -> tuple[float, int]:
        """Seconds in which a slot of that child was free and this sentence waited, and how many
        others were let in there meanwhile."""
        told = self.told[text]
        _, begun = self.begun(text)[0]
        taken, since, idle, others = 0, 0.0, 0.0, 0
        for at, what, _ in self.children[child].moments:
            change = (what == "begins") - (what == "ends")
            if taken < self._devices[child].slots:
                idle += max(0.0, min(at, begun) - max(since, told.asked))
            others += change > 0 and told.asked <= at < begun
            taken, since = taken + change, at
            if at >= begun:
                break
        return idle, others


@asynccontextmanager
async def house_of(
    monkeypatch: pytest.MonkeyPatch, wait: bool = True, **devices: Device
) -> AsyncIterator[House]:
    """Started; loaded, unless it is not to wait. Names are `csm`, `csm2`, `system`."""
    house = House(devices)
    monkeypatch.setattr(ChildProcess, "spawn", house.spawn)
    await house.engine.start()
    try:
        if wait:
            for engine in house.engines:
                await engine.wait_loaded()
        yield house
    finally:
        await house.engine.stop()


def assert_fair(child: SimulatedChild, unsure: float) -> None:
    """Whoever begins has no more sentences spoken than any client that waits, and of those with
    as few was not served later: within one sentence, all get the same. It may not know for
    `unsure` seconds that one waits."""
    spoken: Counter[str] = Counter()
    served: dict[str, int] = {}  # clients: the last one has the highest number
    waits: dict[str, float] = {}  # texts
    for number, (at, what, text) in enumerate(child.moments):
        client = child.clients.get(text, "")
        if what == "asked":
            waits[text] = at
        elif what == "ends":
            spoken[client] -= 1
        elif what != "begins":
            waits.pop(text, None)
        else:
            del waits[text]
            others = {child.clients[one] for one, since in waits.items() if since + unsure < at}
            turn = {one: (spoken[one], served.get(one, -1)) for one in [client, *others]}
            assert turn[client] == min(turn.values()), "another client's turn"
            spoken[client] += 1
            served[client] = number
