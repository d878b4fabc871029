"""One answer, sentence by sentence: it stays with the engine that works, and moves when it must."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing

from wyoming_csm.audio import BYTES_PER_SECOND, silence
from wyoming_csm.engines.audible import LEAST_BYTES, audible
from wyoming_csm.engines.base import Engine, Sentence
from wyoming_csm.engines.choice import Choice, Chooser, is_ready, why
from wyoming_csm.engines.likeness import sounds_like
from wyoming_csm.engines.looks import Looks
from wyoming_csm.engines.recall import Recall
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.errors import EngineError, NoSound, WorkerDied
from wyoming_csm.text.pieces import Pause, Piece
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

LATE_SECONDS = 11.25  # after which a child that computes had said that it is late
_FROM_CACHE = " from the cache"
_CHUNK_BYTES = BYTES_PER_SECOND // 4  # of stored sound
MOVE_SECONDS = 0.5  # for a free slot to be given to a voice that is ready: a slow engine gives none


class Reply:
    """One voice, one tone, one engine as long as that works.

    A sentence of which no sound came yet moves to another engine

    - if it waits for a slot, and a replica of its engine has one free;
    - if it has waited beyond all patience, and another engine has a slot free;
    - if its engine's child process is silent, and another engine is ready;
    - if it fails, or its engine gives less than 0.05 s of sound for letters or digits.

    Where no other engine can speak it, it goes on waiting. Example, CSM with one slot, taken for
    20 s, and the system voice idle: a sentence asked for at 0 s should sound at 1 s, so at 11 s
    CSM's child says that it is late. The system voice is asked for it, CSM's child told to forget
    it, and the rest of the answer stays with the system voice. Had that been loading until 15 s,
    the sentence had moved at 15 s.
    """

    def __init__(
        self,
        chooser: Chooser,
        voice: Voice,
        client: str,
        numbers: Iterator[int],
        cache: SentenceCache | None,
        looks: Looks,
    ) -> None:
        self._chooser = chooser
        self._looks = looks
        self.recall = Recall(cache)
        self.wanted = voice
        self._client = client
        self._numbers = numbers
        self._reply = next(numbers)
        self._engine: Engine | None = None
        self._voice = voice  # that of the engine
        self._rate = 1.0  # of this sentence
        self._sentence: Sentence | None = None  # the last one asked for
        self.recalled = False  # the last sentence was stored
        self.sounds_like = ""  # whom it sounds like, from its first sound on
        self._failed: dict[Engine, str] = {}  # in this sentence: reasons
        self._spoken: Counter[str] = Counter()  # sentences by speaker, the first one first
        self.seconds = 0.0  # of computing, for the sentences spoken to their end

    @property
    def spoken_by(self) -> str:
        """Return `engine/voice` of the last sentence, "" before the first."""
        return f"{self._engine.title}/{self._voice.name}" if self._engine else ""

    @property
    def speakers(self) -> str:
        """Return those of all sentences that sounded, for the log: if several, with how many."""
        if len(self._spoken) < 2:
            return "".join(self._spoken)
        (first, count), *others = self._spoken.items()
        said = [f"{first} ({sentences(count)})", *(f"{one} ({n})" for one, n in others)]
        return ", then ".join(said)

    @property
    def stand_ins(self) -> list[str]:
        """Return, as `engine/voice`, those that spoke instead of the voice that was asked for."""
        own = self.wanted.base or self.wanted.name
        return [
            one for one in self._spoken if one.removesuffix(_FROM_CACHE).partition("/")[2] != own
        ]

    @property
    def stretch(self) -> float:
        """Return how many times as fast the sound of the sentence is to be made: what its rate is
        beyond those that its engine can speak at."""
        return self._voice.full_rate(self._rate) / self._voice.own_rate(self._rate)

    async def speak(
        self, piece: Piece, drop: Callable[[], bool] = lambda: False
    ) -> AsyncGenerator[bytes]:
        """Yield the sound of one piece as 24 kHz mono s16le, in chunks of any size, while it is
        made; it is still to be stretched (`stretch`). Close the generator (`aclosing`) to stop
        making it. `drop` forgets what came of the piece, for it begins anew; False: some of that
        has sounded.

        Raises EngineError if all engines fail, or one does after some sound: nothing is spliced.
        """
        if isinstance(piece, Pause):
            yield silence(piece.seconds)
            return
        self._rate = piece.rate
        choices = self._chooser.likely(self.wanted, self._engine)
        if (found := await self.recall.find(choices, piece.text, piece.rate)) is not None:
            (engine, voice), stored = found
            if self._engine is None:
                self._engine, self._voice = self._chooser.least_busy(engine), voice
            self.recalled = True
            await self._note_likeness(self._engine)
            self._spoken[self.spoken_by + _FROM_CACHE] += 1
            for begin in range(0, len(stored), _CHUNK_BYTES):
                yield stored[begin : begin + _CHUNK_BYTES]
                await asyncio.sleep(0)  # nothing is waited for; others come between
            return
        self.recalled = False
        speakable = any(c.isalnum() for c in piece.text)
        least = LEAST_BYTES if speakable else 0
        failed = self._failed = {}
        silent = 0  # so many of them, but for that, did what they were asked to
        lost: set[Engine] = set()  # of those that failed; may try again, if no other can speak
        again = False  # one of them did: if a sentence ends two processes, that is enough
        while True:
            try:
                engine = await self._choose(lost)
            except EngineError as error:
                if failed and silent == len(failed):
                    _LOGGER.warning("No engine gave sound for %d characters", len(piece.text))
                    return
                if lost:
                    raise WorkerDied(str(error)) from error
                raise
            if engine in failed:
                lost, again = set(), True
            made: list[bytes] = []
            try:
                async with aclosing(audible(self._sound(piece.text), least)) as sound:
                    async for pcm in sound:
                        if pcm and not made:
                            self._spoken[self.spoken_by] += 1
                            await self._note_likeness(self._engine or engine)
                        if pcm:
                            made.append(pcm)
                        yield pcm
                if self._engine and self._sentence:
                    self.recall.spoken(self._engine, self._sentence, b"".join(made))
                return
            except EngineError as error:
                if made and not drop():
                    raise
                if made:
                    self._spoken = +(self._spoken - Counter([self.spoken_by]))
                engine = self._engine or engine  # it may have moved
                failed[engine] = str(error).removeprefix(f"{engine.title}: ")
                silent += isinstance(error, NoSound)
                if isinstance(error, WorkerDied) and not again:
                    lost.add(engine)

    def wake(self) -> None:
        """Let the engine that would speak load, if it is asleep: its text is no stored one."""
        self._chooser.wake(self._chooser.order(self.wanted), self.wanted)

    async def aclose(self) -> None:
        """Drop the answer's context: it is over. Safe to call twice."""
        self._leave()

    async def _choose(self, lost: Collection[Engine]) -> Engine:
        """Go to the engine of the sentence before, or to the next that can. Raises EngineError."""
        before, failed = self._engine, self._failed
        if before and is_ready(before) and before not in failed:
            return before
        choice = await self._chooser.choose(self.wanted, failed, before, lost)
        self._go_to(choice)
        engine = choice[0]
        if engine in failed:
            _LOGGER.warning("%s repeats a sentence that failed: %s", self.spoken_by, failed[engine])
        elif failed or (before and before is not engine):
            level = logging.WARNING if self._sentence else logging.INFO  # it was not asked yet
            self._tell(level, failed or (before and {before: why(before)}) or {})
        return engine

    async def _sound(self, text: str) -> AsyncGenerator[bytes]:
        """Yield a sentence's sound as it arrives, from wherever it moves. Raises EngineError."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        left = set(self._failed)  # and engines that gave it no slot in time
        sentence = self._ask(text, news.set)
        timer = loop.call_later(MOVE_SECONDS, news.set)
        patience = loop.call_later(LATE_SECONDS, news.set)
        sounded = False
        try:
            with self._chooser.watched(news.set):
                while True:
                    news.clear()
                    while sentence.sound:
                        sounded = True
                        yield sentence.sound.popleft()
                    if sentence.over:
                        break
                    if not self._spoken and loop.time() > patience.when() - 0.001:
                        sentence.late |= not sentence.preparing
                    waited = loop.time() - timer.when() + MOVE_SECONDS
                    if not sounded and self._moves(sentence, left, waited):
                        sentence = self._ask(text, news.set)
                        timer.cancel()
                        timer = loop.call_later(MOVE_SECONDS, news.set)
                    else:
                        await news.wait()
        finally:
            timer.cancel()
            patience.cancel()
            if self._engine:
                self._engine.take_back(sentence)
        if sentence.fault is not None:
            raise sentence.fault
        self.seconds += sentence.seconds

    def _moves(self, sentence: Sentence, left: set[Engine], waited: float) -> bool:
        """Go to an engine that can speak the sentence now, where this one cannot; it has
        `waited` so many seconds here."""
        engine = self._engine
        assert engine is not None
        choice: Choice | None = None
        if sentence.late and not sentence.begun:
            left.add(engine)
            reason = f"no slot came free in {waited:.1f} s"
            choice = self._chooser.another(self.wanted, left, free=True)
        elif not is_ready(engine):
            reason = why(engine)
            choice = self._chooser.another(self.wanted, {engine, *self._failed}, free=False)
        elif not (sentence.begun or sentence.preparing) and (
            engine.load.free < 0 or waited > MOVE_SECONDS - 0.001
        ):
            reason = "no slot is free there"
            spare = self._chooser.spare(engine, left)
            choice = (spare, self._voice) if spare else None
            if spare and engine.load.free >= 0:
                left.add(engine)
        if choice is None:
            return False
        engine.take_back(sentence)
        self._go_to(choice)
        alike = choice[0].name == engine.name and is_ready(engine)
        self._tell(logging.DEBUG if alike else logging.INFO, {engine: reason})
        return True

    def _tell(self, level: int, reasons: Mapping[Engine, str]) -> None:
        """Say that the engine speaks instead of others, and the reason of each."""
        others = ", ".join(f"{one.title} ({reason})" for one, reason in reasons.items())
        _LOGGER.log(level, "%s goes on for %s instead of %s", self.spoken_by, self._client, others)

    def _ask(self, text: str, news: Callable[[], None]) -> Sentence:
        assert self._engine is not None
        number = next(self._numbers)
        rates, said = (self._voice.own_rate(self._rate), self.stretch), self.recall.said
        sentence = Sentence(
            number, self._reply, self._client, text, self._voice, news, *rates, said
        )
        self._sentence = sentence
        self._engine.say(sentence)
        self._chooser.wake_before_all_are_busy(self._engine)
        return sentence

    def _go_to(self, choice: Choice) -> None:
        if choice[0] is not self._engine:
            self._leave()
        if choice != (self._engine, self._voice):
            self.sounds_like = ""
        self._engine, self._voice = choice

    async def _note_likeness(self, engine: Engine) -> None:
        """Find whom it sounds like, which may take reading a file, once for all its sentences."""
        self.sounds_like = self.sounds_like or await sounds_like(engine, self._voice, self._looks)

    def _leave(self) -> None:
        if self._engine is not None:
            self._engine.end_reply(self._reply)


def sentences(count: int) -> str:
    return "1 sentence" if count == 1 else f"{count} sentences"
