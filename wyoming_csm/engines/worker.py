"""The near end of a heavy engine: its sentences go to a child process, sound comes back."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress

import msgspec
from msgspec.structs import replace

from wyoming_csm.audio import silence
from wyoming_csm.config import Config, EngineName
from wyoming_csm.engines.base import Pause, Piece, Status
from wyoming_csm.engines.language import by_language
from wyoming_csm.engines.supervisor import COMMAND, Supervisor
from wyoming_csm.errors import EngineError, WorkerDied
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import (
    Audio,
    Configure,
    Done,
    EndReply,
    Failed,
    FromChild,
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


class WorkerEngine:
    """An `Engine` over a child process that is started again when it dies or hangs.

    - `configure`: the first message to every child; its `engine` is this engine's name.
    - `voices`: its voices as known without loading; cheap, called often, the first is the default.
    - `probe`: raises EngineUnavailable if it cannot run here; cheap, called in a thread.
    - `hang_seconds`: a ready child that sends nothing at all for so long is ended. A child beats
      each second between computations, so this must exceed its longest single one.
    - `start_seconds`: the same for a loading child that reports no progress (`Starting`).
    - `restart_seconds`: before the first restart; doubled at each, 30 s at most.
    - `retry_seconds`: the same after a reason that may pass by itself; 15 minutes at most.
    """

    def __init__(
        self,
        configure: Configure,
        *,
        voices: Callable[[], tuple[Voice, ...]],
        probe: Callable[[], None],
        hang_seconds: float,
        start_seconds: float = 1_800.0,
        restart_seconds: float = 0.5,
        retry_seconds: float = 60.0,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._name = configure.engine
        self._known_voices = voices
        self._learned_voices: tuple[Voice, ...] = ()  # what the last child that loaded told
        self._slots = 1
        self._subscribers: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)  # of requests and replies; none is given twice
        self._requests: dict[int, asyncio.Queue[Heard]] = {}  # those not over yet
        self._supervisor = Supervisor(
            configure,
            self,
            probe=probe,
            hang_seconds=hang_seconds,
            start_seconds=start_seconds,
            restart_seconds=restart_seconds,
            retry_seconds=retry_seconds,
            command=command,
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
        return tuple(by_name.values())

    def voice_for(self, voice: Voice) -> Voice | None:
        own = next((own for own in self.voices if own.name == voice.name), None)
        if own is None:
            return by_language(self.voices, voice.language)
        return replace(own, speaker=voice.speaker) if voice.speaker in own.speakers else own

    def start_reply(self, voice: Voice) -> "WorkerReply":
        return WorkerReply(self, next(self._numbers), voice)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._subscribers.append(changed)

    async def wait_settled(self) -> None:
        await self._supervisor.wait_settled()

    async def start(self) -> None:
        self._supervisor.start()

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
            child.send(Say(request, reply, text, voice))
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

    def lost(self, why: str) -> None:
        for request in list(self._requests):
            self._finish(request, WorkerDied(f"{self._name}: {why}"))

    def changed(self) -> None:
        for subscriber in self._subscribers:
            subscriber()

    def _finish(self, request: int, last: EngineError | None) -> None:
        if (queue := self._requests.pop(request, None)) is not None:
            queue.put_nowait(last)


class WorkerReply:
    """One answer of a WorkerEngine."""

    def __init__(self, engine: WorkerEngine, number: int, voice: Voice) -> None:
        self._engine = engine
        self._number = number
        self._voice = voice
        self._spoke = False

    @property
    def spoken_by(self) -> str:
        return f"{self._engine.name}/{self._voice.name}"

    async def speak(self, piece: Piece) -> AsyncGenerator[bytes]:
        if isinstance(piece, Pause):
            yield silence(piece.seconds)
            return
        self._spoke = True
        async with aclosing(self._engine.sound(self._number, piece.text, self._voice)) as sound:
            async for pcm in sound:
                yield pcm

    async def aclose(self) -> None:
        if self._spoke:
            self._spoke = False
            self._engine.tell(EndReply(self._number))
