"""What several engines as one need: a reply that stays with the one that works, and waiting."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from typing import Protocol

from wyoming_csm.audio import BYTES_PER_SECOND, silence
from wyoming_csm.engines.base import Engine, Phase, Reply
from wyoming_csm.errors import EngineError, NoSound, WorkerDied
from wyoming_csm.text.pieces import Pause, Piece
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)


class Chooser(Protocol):
    """Who knows which engine is the next."""

    async def choose(
        self,
        voice: Voice,
        failed: Mapping[Engine, str],
        before: Engine | None,
        lost: Collection[Engine] = (),
    ) -> tuple[Engine, Voice]:
        """Who speaks now, after `before` spoke. None of `failed`, unless it is `lost`: its process
        ended or hung, and a new one may do it. Raises EngineError."""


class SteadyReply:
    """One answer, by one engine as long as that works.

    With `least_seconds`, one that gives less sound for letters or digits has failed at them.
    """

    def __init__(self, chooser: Chooser, voice: Voice, least_seconds: float = 0.0) -> None:
        self._chooser = chooser
        self._voice = voice
        self._least_bytes = round(least_seconds * BYTES_PER_SECOND)
        self._engine: Engine | None = None
        self._reply: Reply | None = None

    @property
    def spoken_by(self) -> str:
        """Who spoke last; `none` before the first sentence."""
        return self._reply.spoken_by if self._reply else "none"

    async def in_charge(self) -> Engine:
        engine, _ = await self._choose({})
        return engine

    async def speak(self, piece: Piece) -> AsyncGenerator[bytes]:
        """Raises EngineError if all fail, or one does when a part was heard: nobody splices."""
        if isinstance(piece, Pause):
            yield silence(piece.seconds)
            return
        least = self._least_bytes if any(c.isalnum() for c in piece.text) else 0
        failed: dict[Engine, str] = {}  # in this sentence: reasons
        silent = 0  # so many of them, but for that, did what they were asked to
        lost: set[Engine] = set()  # of those who failed; may try again, if nobody else can speak
        again = False  # one of them did: if a sentence ends two processes, that is enough
        while True:
            try:
                engine, reply = await self._choose(failed, lost)
            except EngineError as error:
                if failed and silent == len(failed):
                    _LOGGER.warning("No engine gave sound for %d characters", len(piece.text))
                    return
                if lost:
                    raise WorkerDied(str(error)) from error
                raise
            if engine in failed:
                lost, again = set(), True
            heard = False
            try:
                async with aclosing(reply.speak(piece)) as sound:
                    async for pcm in _audible(sound, least):
                        heard = heard or bool(pcm)
                        yield pcm
                return
            except EngineError as error:
                if heard:
                    raise
                failed[engine] = str(error)
                silent += isinstance(error, NoSound)
                if isinstance(error, WorkerDied) and not again:
                    lost.add(engine)

    async def aclose(self) -> None:
        if self._reply is not None:
            await self._reply.aclose()

    async def _choose(
        self, failed: Mapping[Engine, str], lost: Collection[Engine] = ()
    ) -> tuple[Engine, Reply]:
        """The engine of the sentence before, or the next that can. Raises EngineError."""
        before, reply = self._engine, self._reply
        if before and reply and is_ready(before) and before not in failed:
            return before, reply
        engine, voice = await self._chooser.choose(self._voice, failed, before, lost)
        await self.aclose()
        if engine in failed:
            speaker = f"{engine.name}/{voice.name}"
            _LOGGER.warning("%s speaks a sentence anew: %s", speaker, failed[engine])
        elif failed or (before and before is not engine):
            reason = "; ".join(failed.values()) or (before and why(before))
            _LOGGER.warning("%s/%s takes over a reply: %s", engine.name, voice.name, reason)
        self._engine, self._reply = engine, engine.start_reply(voice)
        return self._engine, self._reply


async def _audible(sound: AsyncGenerator[bytes], least: int) -> AsyncGenerator[bytes]:
    """The same, held back until there are `least` bytes. Raises NoSound if there never are."""
    held = b""
    async for pcm in sound:
        if len(held) >= least:
            yield pcm
            continue
        held += pcm
        if len(held) >= least:
            yield held
    if len(held) < least:
        raise NoSound("it gave no sound")


def is_ready(engine: Engine) -> bool:
    return engine.status.phase is Phase.READY


def why(engine: Engine) -> str:
    """It does not speak."""
    return engine.status.detail or engine.status.phase.value


class Changes:
    """What any of several engines became, one change after the other, for all who wait."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def happened(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def next(self) -> None:
        await self._next.wait()
