"""Engines in order, as one engine: the first that can, speaks; one that sleeps is woken."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from wyoming_csm.engines.base import Engine, Phase, Status
from wyoming_csm.engines.reply import Changes, SteadyReply, is_ready, why
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

MAX_SAID = 100  # lines remembered
AGAIN_SECONDS = 30.0  # a sentence whose process was lost waits no longer for the next one
LEAST_SECONDS = 0.05  # of sound; an engine that gives less has not said it
BRIEF = 60  # characters of a reason in a list of voices
LONG = 120  # and of one with its cure


class Fallback:
    """An `Engine` over others, at least one.

    For a voice, its own engine comes first (last, if the voice cannot be used), then the others
    as given. One that is starting is
    passed over while another is ready, one without the voice's language while another has it.
    The one that would speak is woken if it sleeps, and waited for `waking_seconds` at most before
    another speaks.
    """

    def __init__(self, engines: Sequence[Engine], waking_seconds: float = 0.0) -> None:
        self._engines = tuple(engines)
        self._waking_seconds = waking_seconds
        self._said: set[str] = set()  # what is true for long is not said again at each reply
        self._voices: tuple[Voice, ...] | None = None  # as described until an engine changes
        self._changes = Changes()
        self.subscribe(self._changed)

    @property
    def name(self) -> str:
        return "fallback"

    @property
    def status(self) -> Status:
        """The best of all; who is ready, or why nobody is."""
        best = min((engine.status.phase for engine in self._engines), key=list(Phase).index)
        for engine in self._engines:
            if engine.status.phase.is_healthy:
                return Status(best, f"{engine.name}: {engine.status.detail}")
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

    def start_reply(self, voice: Voice) -> SteadyReply:
        self._wake(self._order(voice), voice)  # now: its text may take its time
        return SteadyReply(self, voice, LEAST_SECONDS)

    def subscribe(self, changed: Callable[[], None]) -> None:
        for engine in self._engines:
            engine.subscribe(changed)

    async def wait_settled(self) -> None:
        """Until one is ready, or none can be."""
        while not self.status.phase.is_settled:
            await self._changes.next()

    def wake(self) -> None:
        """Each only when it is wanted, by its replies."""

    def hurry(self) -> None:
        for engine in self._engines:
            engine.hurry()

    async def start(self) -> None:
        for engine in self._engines:
            await engine.start()

    async def stop(self) -> None:
        await asyncio.gather(*(engine.stop() for engine in self._engines))

    # -- for the replies

    async def choose(
        self,
        voice: Voice,
        failed: Mapping[Engine, str],
        before: Engine | None,
        lost: Collection[Engine] = (),
    ) -> tuple[Engine, Voice]:
        """Waits if all that is left is starting: early requests are spoken, not refused. For who
        is `lost`, not for long."""
        order = self._order(voice)
        left = [engine for engine in order if engine not in failed]
        woken = self._wake(left, voice)
        if woken is not None and self._waking_seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._waking_seconds):
                    await woken.wait_settled()
        if lost:
            again = [*left, *(engine for engine in order if engine in lost)]
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    return await self._first_ready(again, voice, failed)
        choice = await self._first_ready(left, voice, failed)
        if before is None and not failed:
            self._tell_of_stand_in(voice, *choice)
        return choice

    async def _first_ready(
        self, engines: Sequence[Engine], voice: Voice, failed: Mapping[Engine, str]
    ) -> tuple[Engine, Voice]:
        """Raises EngineError when none of them can be, as things are."""
        while (choice := _first_able(engines, voice, [Phase.READY])) is None:
            settled = all(engine.status.phase.is_settled for engine in engines)
            if settled and self._wake(engines, voice) is None:  # one of a pool may sleep on
                raise EngineError(f"no engine could speak: {self.why_not(failed)}")
            await self._changes.next()  # also of one that rested, or was absent
        return choice

    def why_not(self, failed: Mapping[Engine, str]) -> str:
        """Of each engine: how it failed, or where it stands."""
        return "; ".join(f"{one.name}: {failed.get(one) or why(one)}" for one in self._engines)

    def _wake(self, engines: Sequence[Engine], voice: Voice) -> Engine | None:
        """Of these the one that would speak, if it is asleep or waking; it wakes."""
        choice = _first_able(engines, voice, [phase for phase in Phase if phase.is_healthy])
        if choice is None or is_ready(choice[0]):
            return None
        choice[0].wake()
        return choice[0]

    def _tell_of_stand_in(self, voice: Voice, engine: Engine, own: Voice) -> None:
        """Once for each reason, when another engine than its own speaks a voice, or in another
        language."""
        owner = next((e for e in self._engines if e.name == voice.engine), engine)
        if voice.fault:
            self._warn_once(
                f"{engine.name}/{own.name} speaks for {voice.name}, which cannot be used:"
                f" {voice.fault}"
            )
        elif owner.status.phase is Phase.WAKING:
            _LOGGER.info("%s/%s speaks while %s wakes", engine.name, own.name, owner.name)
        elif owner is not engine:
            self._warn_once(
                f"{engine.name}/{own.name} speaks for {owner.name}'s voices: {why(owner)}"
            )
        if engine.voice_for(voice) is None:
            self._warn_once(f"No engine that is ready speaks {voice.language!r}: {own.name} does")

    def _changed(self) -> None:
        self._voices = None
        self._changes.happened()
        if not self.status.phase.is_healthy:
            self.hurry()

    def _warn_once(self, line: str) -> None:
        _LOGGER.log(logging.DEBUG if line in self._said else logging.WARNING, line)
        if len(self._said) >= MAX_SAID:
            self._said.clear()
        self._said.add(line)

    def _order(self, voice: Voice) -> list[Engine]:
        first = not voice.fault
        return sorted(self._engines, key=lambda engine: (engine.name != voice.engine) is first)

    def _described(self, owner: Engine, voice: Voice) -> Voice:
        if voice.fault:
            return _saying(voice, f"cannot be used: {_cut(voice.fault, LONG)}")
        if owner.status.phase.is_healthy:
            return voice
        choice = _first_able(self._order(voice), voice, [Phase.READY])
        if choice is None:
            return voice
        speaker = choice[1].description or choice[1].name
        return _saying(voice, f"now spoken by {speaker}: {_briefly(owner)}")


def _saying(voice: Voice, what: str) -> Voice:
    return replace(voice, description=f"{voice.description or voice.name} ({what})")


def _first_able(
    engines: Sequence[Engine], voice: Voice, phases: Collection[Phase]
) -> tuple[Engine, Voice] | None:
    """Of those in such a phase: the first with that voice or language; else the first, with its
    default."""
    there = [engine for engine in engines if engine.status.phase in phases]
    able = [(engine, own) for engine in there if (own := engine.voice_for(voice))]
    strange = [(engine, own) for engine in there if (own := _first_usable(engine.voices))]
    return next(iter(able or strange), None)


def _first_usable(voices: Sequence[Voice]) -> Voice | None:
    """Or the first of all."""
    return next((voice for voice in voices if not voice.fault), next(iter(voices), None))


def _briefly(engine: Engine) -> str:
    """For a list of voices: the reason without its cure."""
    match engine.status:
        case Status(Phase.STARTING):
            return f"{engine.name} is loading"
        case Status(Phase.RESTING):
            return f"{engine.name} failed too often"
        case Status(_, detail):
            reason = detail.partition(": ")[0] or f"{engine.name} is absent"
            return _cut(reason, BRIEF)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
