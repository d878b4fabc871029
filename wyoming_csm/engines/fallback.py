"""Engines in order, as one engine: the first that can, speaks; a reply stays with the one that
works."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Container, Mapping, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from wyoming_csm.audio import silence
from wyoming_csm.engines.base import Engine, Pause, Phase, Piece, Reply, Status
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

MAX_SAID = 100  # lines remembered
BRIEF = 60  # characters of a reason in a list of voices


class Fallback:
    """An `Engine` over others, at least one.

    For a voice, its own engine comes first, then the others as given. One that is starting is
    passed over while another is ready, one without the voice's language while another has it.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = tuple(engines)
        self._said: set[str] = set()  # what is true for long is not said again at each reply
        self._voices: tuple[Voice, ...] | None = None  # as described until an engine changes
        self.subscribe(self._changed)

    @property
    def name(self) -> str:
        return "fallback"

    @property
    def status(self) -> Status:
        """The best of all; who is ready, or why nobody is."""
        phases = [engine.status.phase for engine in self._engines]
        if Phase.READY in phases:
            engine = self._engines[phases.index(Phase.READY)]
            return Status(Phase.READY, f"{engine.name}: {engine.status.detail}")
        best = next((p for p in (Phase.STARTING, Phase.RESTING) if p in phases), Phase.ABSENT)
        return Status(best, self.why_not({}))

    @property
    def slots(self) -> int:
        """Of the first engine that is ready."""
        return next((engine.slots for engine in self._engines if is_ready(engine)), 1)

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Of all, by name; a description says who speaks if its own engine cannot now."""
        if self._voices is None:  # describing hundreds takes 30 ms: not again for each request
            voices: dict[str, Voice] = {}
            for engine in self._engines:
                for voice in engine.voices:
                    voices.setdefault(voice.name, self._described(engine, voice))
            self._voices = tuple(voices.values())
        return self._voices

    def voice_for(self, voice: Voice) -> Voice | None:
        """The first that any engine has for it, ready or not."""
        found = (engine.voice_for(voice) for engine in self._order(voice))
        return next(filter(None, found), None)

    def start_reply(self, voice: Voice) -> "FallbackReply":
        return FallbackReply(self, voice)

    def subscribe(self, changed: Callable[[], None]) -> None:
        for engine in self._engines:
            engine.subscribe(changed)

    async def wait_settled(self) -> None:
        """Until one is ready, or none can be."""
        while self.status.phase is Phase.STARTING:
            await _first_settled(self._engines)

    async def start(self) -> None:
        for engine in self._engines:
            await engine.start()

    async def stop(self) -> None:
        await asyncio.gather(*(engine.stop() for engine in self._engines))

    # -- for the replies

    async def choose(self, voice: Voice, failed: Container[str]) -> tuple[Engine, Voice] | None:
        """Who speaks now, but none of `failed`; None if nobody can.

        Waits if all that is left is starting: early requests are spoken, not refused.
        """
        left = [engine for engine in self._order(voice) if engine.name not in failed]
        while (choice := _first_able(left, voice)) is None:
            if not any(engine.status.phase is Phase.STARTING for engine in left):
                return None
            await _first_settled(left)
        return choice

    def why_not(self, failed: Mapping[str, str]) -> str:
        """Of each engine: how it failed, or where it stands."""
        whys = {engine.name: _why(engine) for engine in self._engines} | dict(failed)
        return "; ".join(f"{name}: {why}" for name, why in whys.items())

    def warn_of_stand_in(self, voice: Voice, engine: Engine, own: Voice) -> None:
        """Once for each reason, when another engine than its own speaks a voice, or in another
        language."""
        owner = next((e for e in self._engines if e.name == voice.engine), engine)
        if owner is not engine:
            self._warn_once(
                f"{engine.name}/{own.name} speaks for {owner.name}'s voices: {_why(owner)}"
            )
        if engine.voice_for(voice) is None:
            self._warn_once(f"No engine that is ready speaks {voice.language!r}: {own.name} does")

    def _changed(self) -> None:
        self._voices = None

    def _warn_once(self, line: str) -> None:
        _LOGGER.log(logging.DEBUG if line in self._said else logging.WARNING, line)
        if len(self._said) >= MAX_SAID:
            self._said.clear()
        self._said.add(line)

    def _order(self, voice: Voice) -> list[Engine]:
        return sorted(self._engines, key=lambda engine: engine.name != voice.engine)

    def _described(self, owner: Engine, voice: Voice) -> Voice:
        choice = None if is_ready(owner) else _first_able(self._order(voice), voice)
        if choice is None:
            return voice
        speaker = choice[1].description or choice[1].name
        who = f"now spoken by {speaker}: {_briefly(owner)}"
        return replace(voice, description=f"{voice.description or voice.name} ({who})")


class FallbackReply:
    """One answer, by one engine as long as that works."""

    def __init__(self, fallback: Fallback, voice: Voice) -> None:
        self._fallback = fallback
        self._voice = voice
        self._engine: Engine | None = None
        self._reply: Reply | None = None

    @property
    def spoken_by(self) -> str:
        """Who spoke last; `none` before the first sentence."""
        return self._reply.spoken_by if self._reply else "none"

    async def speak(self, piece: Piece) -> AsyncGenerator[bytes]:
        """Raises EngineError if all fail, or one does when a part was heard: nobody splices."""
        if isinstance(piece, Pause):
            yield silence(piece.seconds)
            return
        failed: dict[str, str] = {}  # in this sentence: reasons, by engine
        while True:
            engine, reply = await self._in_charge(failed)
            heard = False
            try:
                async with aclosing(reply.speak(piece)) as sound:
                    async for pcm in sound:
                        heard = heard or bool(pcm)
                        yield pcm
                return
            except EngineError as error:
                if heard:
                    raise
                failed[engine.name] = str(error)

    async def aclose(self) -> None:
        if self._reply is not None:
            await self._reply.aclose()

    async def _in_charge(self, failed: dict[str, str]) -> tuple[Engine, Reply]:
        """The engine of the sentence before, or the next that can. Raises EngineError."""
        before, reply = self._engine, self._reply
        if before and reply and is_ready(before) and before.name not in failed:
            return before, reply
        choice = await self._fallback.choose(self._voice, failed)
        if choice is None:
            raise EngineError(f"no engine could speak: {self._fallback.why_not(failed)}")
        await self.aclose()
        engine, voice = choice
        if failed or (before and before is not engine):
            reason = "; ".join(failed.values()) or (before and _why(before))
            _LOGGER.warning("%s/%s takes over a reply: %s", engine.name, voice.name, reason)
        else:
            self._fallback.warn_of_stand_in(self._voice, engine, voice)
        self._engine, self._reply = engine, engine.start_reply(voice)
        return self._engine, self._reply


def is_ready(engine: Engine) -> bool:
    return engine.status.phase is Phase.READY


def _first_able(engines: Sequence[Engine], voice: Voice) -> tuple[Engine, Voice] | None:
    """Of those ready: the first with that voice or language; else the first, with its default."""
    ready = [engine for engine in engines if is_ready(engine)]
    able = [(engine, own) for engine in ready if (own := engine.voice_for(voice))]
    strange = [(engine, engine.voices[0]) for engine in ready if engine.voices]
    return next(iter(able or strange), None)


async def _first_settled(engines: Sequence[Engine]) -> None:
    """Until one of those starting is anything else."""
    starting = [engine for engine in engines if engine.status.phase is Phase.STARTING]
    waits = [asyncio.ensure_future(engine.wait_settled()) for engine in starting]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _why(engine: Engine) -> str:
    return engine.status.detail or engine.status.phase.value


def _briefly(engine: Engine) -> str:
    """For a list of voices: the reason without its cure."""
    match engine.status:
        case Status(Phase.STARTING):
            return f"{engine.name} is loading"
        case Status(Phase.RESTING):
            return f"{engine.name} failed too often"
        case Status(_, detail):
            reason = detail.partition(": ")[0] or f"{engine.name} is absent"
            return reason if len(reason) <= BRIEF else f"{reason[: BRIEF - 1]}…"
