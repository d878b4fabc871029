"""An engine without a child process: frames by the clock, faults on demand, and a memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from benchmarks.fixtures.fake_child import FRAME_BYTES as FRAME_BYTES
from benchmarks.fixtures.fake_child import frame as frame
from wyoming_csm.audio import silence
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.errors import EngineError
from wyoming_csm.text.pieces import Pause, Piece
from wyoming_csm.voices import Voice


def fake_voice(name: str, language: str = "en", engine: str = "fake") -> Voice:
    """A voice with a description that starts with a capital letter."""
    return Voice(name=name, language=language, description=name.capitalize(), engine=engine)


class FakeEngine:
    """Speaks `frames` frames a sentence, one each `frame_seconds`, the first at once.

    Every attribute may be changed while it runs. `fail_after`: so many frames of each sentence
    are heard, then EngineError (0: before the first sound). `hold`: cleared, no frame is made
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
        self._name = name
        self._voices = voices if voices is not None else (fake_voice(f"{name}_en", engine=name),)
        self._status = status or Status(Phase.READY, "fake")
        self._subscribers: list[Callable[[], None]] = []
        self.slots = slots
        self.frames = frames
        self.frame_seconds = frame_seconds
        self.first_seconds = first_seconds
        self.fail_after = fail_after
        self.hesitates = False
        self.hold = asyncio.Event()
        self.hold.set()
        # What happened, in order:
        self.asked: list[str] = []  # texts whose sound was asked for
        self.finished: list[str] = []  # texts spoken to their end
        self.cancelled: list[str] = []  # texts whose generator was closed early
        self.pauses: list[float] = []
        self.replies: list[FakeReply] = []
        self.frames_made = 0
        self.speaking = 0  # now
        self.most_speaking = 0
        self.hurried = 0
        self.started = 0
        self.woken = 0
        self.stopped = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def status(self) -> Status:
        return self._status

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._voices

    def become(self, phase: Phase, detail: str = "") -> None:
        """Another status, told to the subscribers and to who waits."""
        self._status = Status(phase, detail)
        self._tell()

    def have_voices(self, *voices: Voice) -> None:
        """Other voices, told to the subscribers."""
        self._voices = voices
        self._tell()

    def voice_for(self, voice: Voice) -> Voice | None:
        primary = voice.language.partition("-")[0]
        same = [own for own in self._voices if own.name == voice.name]
        near = [own for own in self._voices if own.language.partition("-")[0] == primary]
        return next(iter([*same, *near]), None)

    def start_reply(self, voice: Voice) -> "FakeReply":
        reply = FakeReply(self, voice)
        self.replies.append(reply)
        return reply

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._subscribers.append(changed)

    async def wait_settled(self) -> None:
        changed = asyncio.Event()
        self._subscribers.append(changed.set)
        while not self._status.phase.is_settled:
            changed.clear()
            await changed.wait()

    def wake(self) -> None:
        if self._status.phase is Phase.ASLEEP:
            self.woken += 1
            self.become(Phase.WAKING, "waking up")

    def hurry(self) -> None:
        self.hurried += 1

    async def start(self) -> None:
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1

    def _tell(self) -> None:
        for changed in list(self._subscribers):
            changed()


class FakeReply:
    """One answer of a FakeEngine."""

    def __init__(self, engine: FakeEngine, voice: Voice) -> None:
        self._engine = engine
        self.voice = voice
        self.closed = 0  # how often

    @property
    def spoken_by(self) -> str:
        return f"{self._engine.name}/{self.voice.name}"

    async def in_charge(self) -> FakeEngine:
        return self._engine

    async def speak(self, piece: Piece) -> AsyncGenerator[bytes]:
        engine = self._engine
        if isinstance(piece, Pause):
            engine.pauses.append(piece.seconds)
            yield silence(piece.seconds)
            return
        engine.asked.append(piece.text)
        engine.speaking += 1
        engine.most_speaking = max(engine.most_speaking, engine.speaking)
        try:
            if engine.hesitates:
                yield b""
            for number in range(engine.frames):
                await asyncio.sleep(engine.frame_seconds if number else engine.first_seconds)
                await engine.hold.wait()
                if engine.fail_after == number:
                    raise EngineError(f"{engine.name} was told to fail after {number} frames")
                engine.frames_made += 1
                yield frame(number)
        except (GeneratorExit, asyncio.CancelledError):
            engine.cancelled.append(piece.text)
            raise
        else:
            engine.finished.append(piece.text)
        finally:
            engine.speaking -= 1

    async def aclose(self) -> None:
        self.closed += 1
