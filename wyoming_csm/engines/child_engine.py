"""The near end of a heavy engine: its sentences go to a child process, sound comes back."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress

import msgspec
from msgspec.structs import replace

from wyoming_csm.audio import silence
from wyoming_csm.config import Config, EngineName
from wyoming_csm.engines.base import Status
from wyoming_csm.engines.language import by_language
from wyoming_csm.engines.recorded import RecordedVoices, ToldVoices
from wyoming_csm.engines.supervisor import COMMAND, Supervisor
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.errors import EngineError, WorkerDied
from wyoming_csm.text.pieces import Pause, Piece
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import (
    Audio,
    Configure,
    Done,
    EndReply,
    Failed,
    FromChild,
    Learn,
    Prepared,
    Ready,
    Say,
    Stop,
    ToChild,
)

Heard = bytes | EngineError | None  # sound; what went wrong; the end


def first_message(config: Config, engine: EngineName, voices: tuple[Voice, ...] = ()) -> Configure:
    """What a child of this engine is told first."""
    return Configure(
        engine=engine,
        settings=msgspec.to_builtins(getattr(config, engine)),
        data_dir=config.data_dir,
        download_dir=str(config.models_dir),
        log_level=config.log.level,
        log_format=config.log.format,
        voices=voices,
    )


class ChildEngine:
    """An `Engine` over a child process that is started again when it dies or hangs.

    - `configure`: the first message to every child; its `engine` is this engine's name.
    - `voices`: its voices as known without loading; cheap, called often, the first is the default.
    - `probe`: raises EngineUnavailable if it cannot run here; cheap, called in a thread.
    - `title`: what people read of it, where several have one name.
    - `recorded`: those of its voices whose clips the child makes ready; one for all of a pool.
    """

    def __init__(
        self,
        configure: Configure,
        *,
        voices: Callable[[], tuple[Voice, ...]],
        probe: Callable[[], None],
        patience: Timeouts,
        title: str = "",
        recorded: RecordedVoices | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._name = title or configure.engine
        self._recorded = recorded or RecordedVoices()
        self._told = ToldVoices(self._recorded)
        self._known_voices = voices
        self._learned_voices: tuple[Voice, ...] = ()  # what the last child that loaded told
        self._slots = 1
        self._subscribers: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)  # of requests and replies; none is given twice
        self._requests: dict[int, asyncio.Queue[Heard]] = {}  # those not over yet
        self._replies: set[int] = set()  # the same
        self._idle_since = 0.0  # the loop's time
        self._supervisor = Supervisor(
            self._name, configure, self, probe=probe, patience=patience, command=command
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def status(self) -> Status:
        return self._supervisor.status

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def pid(self) -> int | None:
        """Of the child, while it is ready."""
        child = self._supervisor.child
        return child.pid if child else None

    @property
    def voices(self) -> tuple[Voice, ...]:
        by_name = {voice.name: voice for voice in self._known_voices()}
        by_name |= {voice.name: voice for voice in self._learned_voices}
        return self._recorded.described(tuple(by_name.values()))

    def voice_for(self, voice: Voice) -> Voice | None:
        usable = [own for own in self.voices if not own.fault]
        own = next((own for own in usable if own.name == voice.name), None)
        if own is None:
            return by_language(usable, voice.language)
        return replace(own, speaker=voice.speaker) if voice.speaker in own.speakers else own

    @property
    def replies(self) -> int:
        """How many it is in charge of."""
        return len(self._replies)

    def start_reply(self, voice: Voice) -> "WorkerReply":
        number = next(self._numbers)
        self._replies.add(number)
        return WorkerReply(self, number, voice)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._subscribers.append(changed)

    async def wait_settled(self) -> None:
        await self._supervisor.wait_settled()

    def wake(self) -> None:
        self._supervisor.wake()

    def hurry(self) -> None:
        self._supervisor.hurry()

    async def start(self) -> None:
        self._supervisor.start()
        self._told.again()
        self._tell_voices()

    async def stop(self) -> None:
        await self._supervisor.stop()

    # -- for the replies

    async def sound(self, reply: int, text: str, voice: Voice) -> AsyncGenerator[bytes]:
        """One sentence's sound as it arrives. Raises EngineError, at once if it is not ready."""
        child = self._supervisor.child
        if child is None:
            raise EngineError(f"{self._name} is not ready ({self.status.detail})")
        request = next(self._numbers)
        queue = self._requests[request] = asyncio.Queue()
        try:
            with suppress(WorkerDied):  # the supervisor hears of it in a moment, and tells
                child.send(Say(request, reply, "", text, voice))
            while (heard := await queue.get()) is not None:
                if isinstance(heard, EngineError):
                    raise heard
                yield heard
        finally:
            if self._requests.pop(request, None) is not None:  # not over, but nobody listens
                self.tell(Stop(request))

    def tell(self, message: ToChild) -> None:
        """To the child, if it is there to hear it."""
        if child := self._supervisor.child:
            with suppress(WorkerDied):
                child.send(message)

    def end_reply(self, reply: int, spoke: bool) -> None:
        """Safe to call twice."""
        if reply in self._replies:
            self._replies.remove(reply)
            self._idle_since = asyncio.get_running_loop().time()
            if spoke:
                self.tell(EndReply(reply))

    # -- for the supervisor, and for who knows that `voices` would give others now

    def heard(self, message: FromChild) -> None:
        """To who asked; what comes after a Stop is for nobody."""
        match message:
            case Audio(request, pcm) if request in self._requests:
                self._requests[request].put_nowait(pcm)
            case Done(request):
                self._finish(request, None)
            case Failed(request, reason):
                self._finish(request, EngineError(f"{self._name}: {reason}"))
            case Ready(_, slots, voices):
                self._slots, self._learned_voices = max(1, slots), voices
                self._told.begin()
                self._idle_since = asyncio.get_running_loop().time()
            case Prepared(clip, fault) if self._recorded.prepared(clip, fault):
                self.changed()

    @property
    def idle_seconds(self) -> float:
        if self._replies:
            return 0.0
        return asyncio.get_running_loop().time() - self._idle_since

    def lost(self, why: str) -> None:
        for request in list(self._requests):
            self._finish(request, WorkerDied(f"{self._name}: {why}"))

    def changed(self) -> None:
        self._tell_voices()
        for subscriber in self._subscribers:
            subscriber()

    def _tell_voices(self) -> None:
        if self._supervisor.child and (new := self._told.news()):
            self.tell(Learn(new))

    def _finish(self, request: int, last: EngineError | None) -> None:
        if (queue := self._requests.pop(request, None)) is not None:
            queue.put_nowait(last)


class WorkerReply:
    """One answer of a ChildEngine."""

    def __init__(self, engine: ChildEngine, number: int, voice: Voice) -> None:
        self._engine = engine
        self._number = number
        self._voice = voice
        self._spoke = False

    @property
    def spoken_by(self) -> str:
        return f"{self._engine.name}/{self._voice.name}"

    async def in_charge(self) -> ChildEngine:
        return self._engine

    async def speak(self, piece: Piece) -> AsyncGenerator[bytes]:
        if isinstance(piece, Pause):
            yield silence(piece.seconds)
            return
        self._spoke = True
        async with aclosing(self._engine.sound(self._number, piece.text, self._voice)) as sound:
            async for pcm in sound:
                yield pcm

    async def aclose(self) -> None:
        self._engine.end_reply(self._number, self._spoke)
