"""Engines in order, as one: what the server asks for voices, and for replies in them."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace

from wyoming_csm.config import PresetConfig
from wyoming_csm.engines.base import HEALTHY, PENDING, Callback, Engine, Phase, Status
from wyoming_csm.engines.choice import Chooser
from wyoming_csm.engines.looks import Looks
from wyoming_csm.engines.reply import Reply
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.presets import preset_voices
from wyoming_csm.voices import Voice

BRIEF = 60  # characters of a reason in a list of voices
LONG = 120  # and of one with its cure


class Fallback:
    """Speaks with the first engine that can; see `Chooser` for the rules and the parameters."""

    def __init__(
        self,
        engines: Sequence[Engine],
        waking_seconds: float = 0.0,
        presets: Mapping[str, PresetConfig] = MappingProxyType({}),
        cache: SentenceCache | None = None,
        looks: Looks | None = None,
    ) -> None:
        self.looks = looks or Looks()
        self.sounds: Mapping[str, str] = MappingProxyType({})  # as `sounds_of` found them last
        self._cache = cache
        self._chooser = Chooser(engines, waking_seconds)
        self._numbers = itertools.count(1)  # of replies and sentences; none is given twice
        self._presets = presets
        self._begins: list[Callback] = []  # called when an answer does
        self._voices: tuple[Voice, ...] | None = None  # as described until an engine changes
        for engine in engines:
            engine.subscribe(self._changed, self._chooser.changed)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return all of them, in order."""
        return self._chooser.engines

    def on_answer(self, begins: Callback) -> None:
        """Call `begins` whenever an answer begins."""
        self._begins.append(begins)

    @property
    def status(self) -> Status:
        """Return the best phase of all, with the engine that can speak, or why none can."""
        engines = self._chooser.engines
        best = min((engine.status.phase for engine in engines), key=list(Phase).index)
        for engine in engines:
            if engine.status.phase in HEALTHY:
                return Status(best, f"{engine.title}: {engine.status.detail}")
        return Status(best, self._chooser.why_not({}))

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Return those of all engines and the presets, by name; a description says what speaks if
        its own engine cannot now."""
        if self._voices is None:  # describing hundreds takes 30 ms: not again for each request
            found: dict[str, tuple[Engine, Voice]] = {}
            for engine in self._chooser.engines:
                for voice in engine.voices:
                    found.setdefault(voice.name, (engine, voice))
            own = {name: voice for name, (_, voice) in found.items()}
            for preset in preset_voices(self._presets, own):
                owner, _ = found.get(preset.base, (self._chooser.engines[0], preset))
                found[preset.name] = owner, preset
            self._voices = tuple(self._described(*one) for one in found.values())
        return self._voices

    def voice_for(self, voice: Voice) -> Voice | None:
        """Return the first that any engine has for it, ready or not."""
        found = (engine.voice_for(voice) for engine in self._chooser.order(voice))
        return next(filter(None, found), None)

    def start_reply(self, voice: Voice, client: str = "") -> Reply:
        """Begin an answer in a voice that some engine can speak, for a client's address."""
        for begins in self._begins:
            begins()
        reply = Reply(self._chooser, voice, client, self._numbers, self._cache, self.looks)
        if self._cache is None:
            reply.wake()  # now: its text may take its time
        return reply

    async def wait_loaded(self) -> None:
        """Wait until an engine is ready, or none can be before long."""
        await self._chooser.until(lambda: self.status.phase not in PENDING)

    async def start(self) -> None:
        """Start every engine; returns at once."""
        for engine in self._chooser.engines:
            await engine.start()

    async def stop(self) -> None:
        """End every engine."""
        await asyncio.gather(*(engine.stop() for engine in self._chooser.engines))

    def _changed(self) -> None:
        self._voices = None
        self._chooser.changed()
        if self.status.phase not in HEALTHY:
            for engine in self._chooser.engines:
                engine.hurry()

    def _described(self, owner: Engine, voice: Voice) -> Voice:
        if voice.fault:
            return _saying(voice, f"cannot be used: {_cut(voice.fault, LONG)}")
        alike = self._chooser.alike(owner)
        if any(one.status.phase in HEALTHY for one in alike):
            return voice
        last = not voice.clips and all(one.status.unsuited for one in alike)
        voice = replace(voice, last=last)
        order = self._chooser.order(voice)
        if (choice := self._chooser.first_able(order, voice, [Phase.READY])) is None:
            return voice
        speaker = choice[1].description or choice[1].name
        return _saying(voice, f"now spoken by {speaker}: {_briefly(owner)}")


def _saying(voice: Voice, what: str) -> Voice:
    return replace(voice, description=f"{voice.description or voice.name} ({what})")


def _briefly(engine: Engine) -> str:
    """Say why it does not speak, without the cure: for a list of voices."""
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
