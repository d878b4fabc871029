"""Which engine speaks: the first in order that can, of several alike the least busy."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from wyoming_csm.engines.base import PENDING, Engine, Phase
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

MAX_SAID = 100  # lines remembered
AGAIN_SECONDS = 30.0  # a sentence whose process was lost waits no longer for the next one
LOADING_SECONDS = 120.0  # nor does anybody wait longer for the first sound of an engine that loads
_ORDER = list(Phase)

T = TypeVar("T")
Choice = tuple[Engine, Voice]  # and the voice with which it speaks


class Chooser:
    """Chooses between engines, at least one.

    For a voice, its own engine comes first (last, if the voice cannot be used), then the others
    as given. One that is starting is passed over while another is ready, one without the voice's
    language while another has it. The one that would speak is woken if it sleeps, and waited for
    `waking_seconds` at most before another speaks. Engines of one name are replicas, as those on
    several GPUs: the least busy is chosen, and one more is woken before the last slot is taken.
    """

    def __init__(self, engines: Sequence[Engine], waking_seconds: float) -> None:
        self.engines = tuple(engines)
        self._waking_seconds = waking_seconds
        self._said: set[str] = set()  # what is true for long is not said again at each reply
        self._watching: dict[Callable[[], None], None] = {}  # told in the order in which they came

    def changed(self) -> None:
        """Tell all that watch: an engine became another, or a slot of one came free."""
        for news in tuple(self._watching):
            news()

    @contextmanager
    def watched(self, news: Callable[[], None]) -> Iterator[None]:
        """Call `news` at each change meanwhile."""
        self._watching[news] = None
        try:
            yield
        finally:
            self._watching.pop(news, None)

    async def until(self, find: Callable[[], T | None]) -> T:
        """Return what `find` finds; while that is nothing, it is asked again after each change."""
        news = asyncio.Event()
        with self.watched(news.set):  # also of one that rested, or was absent
            while not (found := find()):
                news.clear()
                await news.wait()
        return found

    def order(self, voice: Voice) -> list[Engine]:
        """Return all, in the order in which they are asked to speak this voice."""
        first = not voice.fault
        return sorted(self.engines, key=lambda engine: (engine.name != voice.engine) is first)

    def alike(self, engine: Engine) -> list[Engine]:
        """Return all engines of this one's name."""
        return [one for one in self.engines if one.name == engine.name]

    def least_busy(self, engine: Engine) -> Engine:
        """Return the best of those that are like this one."""
        return min(self.alike(engine), key=_preference)

    async def choose(
        self,
        voice: Voice,
        failed: Mapping[Engine, str],
        before: Engine | None,
        lost: Collection[Engine] = (),
    ) -> Choice:
        """Return which speaks now, after `before` spoke: none of `failed`, unless it is `lost`,
        as its process ended or hung and a new one may do it.

        Waits LOADING_SECONDS if all that is left is starting: early requests are spoken, not
        refused. For one that is lost it waits AGAIN_SECONDS. Raises EngineError if none can.
        """
        order = self.order(voice)
        left = [engine for engine in order if engine not in failed]
        woken = self.wake(left, voice)
        if woken is not None and self._waking_seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._waking_seconds):
                    await self.until(lambda: woken.status.phase is not Phase.WAKING)
        if lost:
            again = [*left, *(engine for engine in order if engine in lost)]
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    return await self._first_ready(again, voice, failed)
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                choice = await self._first_ready(left, voice, failed)
        except TimeoutError:
            why_not = self.why_not(failed)
            raise EngineError(f"none is ready after {LOADING_SECONDS:g} s: {why_not}") from None
        if before is None and not failed:
            self._tell_of_stand_in(voice, *choice)
        return choice

    def another(self, voice: Voice, but: Collection[Engine], free: bool) -> Choice | None:
        """Return an engine that can speak this voice's language now, with a slot to spare if it
        is to be `free`; none of `but`. One that sleeps is woken: it can later."""
        left = [
            (engine, own)
            for engine in self.order(voice)
            if engine not in but and (own := engine.voice_for(voice))
        ]
        for engine, own in left:
            if is_ready(engine) and (not free or engine.load.free > 0):
                return engine, own
        self.wake([engine for engine, _ in left if not is_ready(engine)], voice)
        return None

    def spare(self, engine: Engine, but: Collection[Engine]) -> Engine | None:
        """Return a replica of this engine that has a free slot; none of `but`."""
        others = (one for one in self.alike(engine) if one is not engine and one not in but)
        return next((one for one in others if is_ready(one) and one.load.free > 0), None)

    def likely(self, voice: Voice, before: Engine | None) -> list[Choice]:
        """Return which may speak next, once they are loaded, up to the first that can now: after
        `before` only its like."""
        found: list[Choice] = []
        for engine in self.order(voice) if before is None else self.alike(before):
            if found and engine.name != found[-1][0].name and any(is_ready(e) for e, _ in found):
                break
            able = engine.status.phase not in (Phase.RESTING, Phase.ABSENT)
            if able and (own := engine.voice_for(voice)) is not None:
                found.append((engine, own))
        return found

    def wake(self, engines: Sequence[Engine], voice: Voice) -> Engine | None:
        """Wake the one of these that would speak, and return it, if it is not ready yet."""
        choice = self.first_able(engines, voice, (Phase.READY, Phase.WAKING, Phase.ASLEEP))
        if choice is None or is_ready(choice[0]):
            return None
        choice[0].wake()
        return choice[0]

    def wake_before_all_are_busy(self, engine: Engine) -> None:
        """Wake one more replica of an engine if those that are ready have no slot left."""
        alike = self.alike(engine)
        if all(one.load.share >= 1 for one in alike if is_ready(one)):
            asleep = (one for one in alike if one.status.phase is Phase.ASLEEP)
            if (first := next(asleep, None)) is not None:
                first.wake()

    def first_able(
        self, engines: Sequence[Engine], voice: Voice, phases: Collection[Phase]
    ) -> Choice | None:
        """Return the first in such a phase with that voice or language; else the first, with its
        default voice. Among replicas the best phase comes first, then the least busy."""
        there = [engine for engine in engines if engine.status.phase in phases]
        able = [(engine, own) for engine in there if (own := engine.voice_for(voice))]
        strange = [(engine, own) for engine in there if (own := _first_usable(engine.voices))]
        if not (found := able or strange):
            return None
        alike = [one for one in found if one[0].name == found[0][0].name]
        return min(alike, key=lambda one: _preference(one[0]))

    def why_not(self, failed: Mapping[Engine, str]) -> str:
        """Say of each engine how it failed, or where it stands."""
        return "; ".join(f"{one.title}: {failed.get(one) or why(one)}" for one in self.engines)

    async def _first_ready(
        self, engines: Sequence[Engine], voice: Voice, failed: Mapping[Engine, str]
    ) -> Choice:
        """Wait for the first that can. Raises EngineError when none can be, as things are."""

        def find() -> Choice | None:
            choice = self.first_able(engines, voice, [Phase.READY])
            pending = any(engine.status.phase in PENDING for engine in engines)
            if choice is None and not pending and self.wake(engines, voice) is None:
                raise EngineError(f"no engine could speak: {self.why_not(failed)}")
            return choice

        return await self.until(find)

    def _tell_of_stand_in(self, voice: Voice, engine: Engine, own: Voice) -> None:
        """Say once for each reason when another engine than its own speaks a voice, or in another
        language."""
        owner = next((e for e in self.engines if e.name == voice.engine), engine)
        if voice.fault:
            self._warn_once(
                f"{engine.name}/{own.name} speaks for {voice.name}, which cannot be used:"
                f" {voice.fault}"
            )
        elif owner.name == engine.name or owner.status.unsuited:
            pass
        elif owner.status.phase in (Phase.STARTING, Phase.WAKING):
            _LOGGER.info("%s/%s speaks while %s loads", engine.name, own.name, owner.name)
        else:
            self._warn_once(
                f"{engine.name}/{own.name} speaks for {owner.name}'s voices: {why(owner)}"
            )
        if engine.voice_for(voice) is None:
            self._warn_once(f"No engine that is ready speaks {voice.language!r}: {own.name} does")

    def _warn_once(self, line: str) -> None:
        _LOGGER.log(logging.DEBUG if line in self._said else logging.WARNING, line)
        if len(self._said) >= MAX_SAID:
            self._said.clear()
        self._said.add(line)


def is_ready(engine: Engine) -> bool:
    return engine.status.phase is Phase.READY


def why(engine: Engine) -> str:
    """Say why it does not speak."""
    return engine.status.detail or engine.status.phase.value


def _preference(engine: Engine) -> tuple[int, bool, float]:
    return _ORDER.index(engine.status.phase), engine.load.free <= 0, engine.load.share


def _first_usable(voices: Sequence[Voice]) -> Voice | None:
    """Return the first without a fault, or the first of all."""
    return next((voice for voice in voices if not voice.fault), next(iter(voices), None))
