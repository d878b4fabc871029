"""An engine without a child process: frames by the clock, faults on demand, and a memory."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from msgspec.structs import replace

from benchmarks.fixtures.fake_child import FRAME_BYTES as FRAME_BYTES
from benchmarks.fixtures.fake_child import frame as frame
from wyoming_csm.config import SoundConfig
from wyoming_csm.engines.base import Callback, Load, Phase, Sentence, Status
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import GpuMemory, Identified, Said

AS_MADE = SoundConfig(loudness=None, sentence_pause=None, fill_gaps=False)


def fake_voice(name: str, language: str = "en", engine: str = "fake") -> Voice:
    """A voice with a description that starts with a capital letter."""
    return Voice(name=name, language=language, description=name.capitalize(), engine=engine)


@dataclass
class FakeReply:
    """An answer that a FakeEngine spoke in."""

    voice: Voice
    closed: int = 0  # how often
    texts: list[str] = field(default_factory=list)  # asked for
    said: list[Said] = field(default_factory=list)  # by others


class FakeEngine:
    """Speaks `frames` frames a sentence, one each `frame_seconds`, the first at once.

    Every attribute may be changed while it runs. `fail_after`: so many frames of each sentence
    are made, then EngineError (0: before the first sound). `hold`: cleared, no frame is made
    until it is set again. `hesitates`: an empty chunk comes before all else.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        voices: tuple[Voice, ...] | None = None,
        frames: int = 5,
        frame_seconds: float = 0.0,
        first_seconds: float = 0.0,
        slots: int = 4,
        fail_after: int | None = None,
        status: Status | None = None,
    ) -> None:
        self.name = self.title = name
        self.voices = voices if voices is not None else (fake_voice(f"{name}_en", engine=name),)
        self.status = status or Status(Phase.READY, "fake")
        self.identity: Identified | None = None
        self.gpu_memory: GpuMemory | None = None
        self.whole, self.codes = True, b""  # each sentence, at its end
        self._subscribers: list[tuple[Callback, Callback]] = []
        self._waiting: deque[Sentence] = deque()
        self._speaking: dict[Sentence, asyncio.Task[None]] = {}
        self._open: dict[int, FakeReply] = {}
        self.slots = slots
        self.frames = frames
        self.frame_seconds = frame_seconds
        self.first_seconds = first_seconds
        self.fail_after = fail_after
        self.hesitates = False
        self.hold = asyncio.Event()
        self.hold.set()
        # What happened, in order:
        self.asked: list[str] = []  # texts that got a slot
        self.clients: list[str] = []  # theirs
        self.rates: list[tuple[float, float]] = []  # theirs: its own, and what is stretched
        self.finished: list[str] = []  # texts spoken to their end
        self.cancelled: list[str] = []  # texts that were taken back from a slot
        self.replies: list[FakeReply] = []
        self.frames_made = 0
        self.most_speaking = 0
        self.hurried = 0
        self.started = 0
        self.woken = 0
        self.stopped = 0

    @property
    def speaking(self) -> int:
        return len(self._speaking)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def load(self) -> Load:
        free = self.slots - self.speaking - self.waiting
        return Load(free, len(self._open) / self.slots, self.slots)

    def become(self, phase: Phase, detail: str = "", *, unsuited: bool = False) -> None:
        """Another status, told to the subscribers."""
        self.status = Status(phase, detail, unsuited)
        self._tell()

    def have_voices(self, *voices: Voice) -> None:
        """Other voices, told to the subscribers."""
        self.voices = voices
        self._tell()

    async def look_at_voices(self) -> None:
        """Have those that it has."""

    def voice_for(self, voice: Voice) -> Voice | None:
        primary = voice.language.partition("-")[0]
        same = [own for own in self.voices if own.name == voice.name]
        near = [own for own in self.voices if own.language.partition("-")[0] == primary]
        own = next(iter([*same, *near]), None)
        if own is not None and voice.speaker in own.speakers:
            own = replace(own, speaker=voice.speaker)
        return own

    def say(self, sentence: Sentence) -> None:
        if sentence.reply not in self._open:
            self._open[sentence.reply] = FakeReply(sentence.voice)
            self.replies.append(self._open[sentence.reply])
        self._open[sentence.reply].texts.append(sentence.text)
        self._open[sentence.reply].said += sentence.said
        self._waiting.append(sentence)
        self.admit()

    def take_back(self, sentence: Sentence) -> None:
        if sentence in self._waiting:
            self._waiting.remove(sentence)
        elif (task := self._speaking.pop(sentence, None)) is not None:
            self.cancelled.append(sentence.text)
            task.cancel()
        self.admit()

    def end_reply(self, reply: int) -> None:
        if (one := self._open.pop(reply, None)) is not None:
            one.closed += 1

    def be_late(self) -> None:
        """Say of all that waits that it does so for too long."""
        for sentence in self._waiting:
            sentence.late = True
            sentence.news()

    async def make(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        """The sound of a sentence that has a slot. May raise EngineError."""
        if self.hesitates:
            yield b""
        for number in range(self.frames):
            await asyncio.sleep(self.frame_seconds if number else self.first_seconds)
            await self.hold.wait()
            if self.fail_after == number:
                raise EngineError(f"{self.name} was told to fail after {number} frames")
            self.frames_made += 1
            yield frame(number)

    def subscribe(self, changed: Callback, freed: Callback = lambda: None) -> None:
        self._subscribers.append((changed, freed))

    def wake(self) -> None:
        if self.status.phase is Phase.ASLEEP:
            self.woken += 1
            self.become(Phase.WAKING, "loading again")

    def hurry(self) -> None:
        self.hurried += 1

    async def start(self) -> None:
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1

    def admit(self) -> None:
        while self._waiting and self.speaking < self.slots:
            sentence = self._waiting.popleft()
            self.asked.append(sentence.text)
            self.clients.append(sentence.client)
            self.rates.append((sentence.rate, sentence.stretch))
            self._speaking[sentence] = asyncio.create_task(self._speak(sentence))
            self.most_speaking = max(self.most_speaking, self.speaking)
        for _, freed in self._subscribers:
            freed()

    async def _speak(self, sentence: Sentence) -> None:
        sentence.begun = True
        began = asyncio.get_running_loop().time()
        try:
            async for pcm in self.make(sentence):
                sentence.sound.append(pcm)
                sentence.news()
            self.finished.append(sentence.text)
            sentence.whole, sentence.codes = self.whole, self.codes
        except EngineError as error:
            sentence.fault = error
        self._speaking.pop(sentence, None)
        sentence.over, sentence.seconds = True, asyncio.get_running_loop().time() - began
        sentence.news()
        self.admit()

    def _tell(self) -> None:
        for changed, _ in self._subscribers:
            changed()
