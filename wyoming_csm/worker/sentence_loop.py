"""The child's loop for engines that speak one sentence after another."""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from wyoming_csm.arenas import trim_arenas
from wyoming_csm.audio import BYTES_PER_SECOND, SAMPLE_WIDTH, SAMPLES_PER_FRAME
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker import protocol
from wyoming_csm.worker.fair_queue import MOST_WAITING, FairQueue
from wyoming_csm.worker.pipe import HEARTBEAT_SECONDS, Child, limit_seconds

_LOGGER = logging.getLogger(__name__)

# 4 s: what is made whole arrives whole, and its loudness is known before any of it is sent.
MAX_CHUNK_BYTES = 50 * SAMPLES_PER_FRAME * SAMPLE_WIDTH
_UNKNOWN = 0.02  # seconds for each character, where nothing was measured yet
_FORGOTTEN = 0.2  # of a slower pace, with each sentence that was faster


class Speaker(Protocol):
    """An engine that is loaded."""

    detail: str  # one line for people: model and device
    voices: tuple[Voice, ...]  # those that only loading told
    # Sentences to be made before all others and sent nowhere: what they load is loaded then, and
    # how long they take is known.
    warm_up: Sequence[tuple[str, Voice]]
    identity: str  # what its sound depends on beside text and voice; "": none need be stored

    def say(self, text: str, voice: Voice, rate: float = 1.0) -> Iterator[bytes]:
        """Yield 24 kHz mono s16le in chunks of any size, so many times as fast as usual: a rate
        within the voice's `rates`. May raise anything; is closed if it can be."""


def run(child: Child, speaker: Speaker) -> None:
    """Speak for ever: the process ends with the pipe."""
    loop = SentenceLoop(child.inbox, child.send, speaker)
    loop.warm_up()
    if speaker.identity:
        child.send(protocol.Identified(speaker.identity))
    child.send(protocol.Ready(speaker.detail, slots=1, voices=speaker.voices))
    while True:
        loop.turn()


@dataclass(eq=False)
class _Waiting:
    say: protocol.Say
    deadline: float  # by the loop's clock


class SentencePace:
    """How long the longest computation of a sentence takes for each character, by voice."""

    def __init__(self) -> None:
        self._each: dict[str, float] = {}  # seconds, by voice

    def expected(self, voice: str, text: str, rate: float) -> float:
        """Return seconds; a voice that said nothing yet counts as the slowest that did."""
        each = self._each.get(voice) or max(self._each.values(), default=_UNKNOWN)
        return each * len(text) / rate

    def observe(self, voice: str, text: str, rate: float, seconds: float) -> None:
        """Note one that was made. Slower counts at once, faster little by little."""
        each = seconds * rate / max(1, len(text))
        known = self._each.get(voice, each)
        self._each[voice] = max(each, known + _FORGOTTEN * (each - known))


class SentenceLoop:
    """One slot: a sentence that is stopped while it is spoken ends at its next chunk."""

    def __init__(
        self,
        inbox: SimpleQueue[protocol.ToChild | None],
        send: Callable[[protocol.FromChild], None],
        speaker: Speaker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what the engine asks for from `inbox`, in which None only wakes."""
        self._inbox = inbox
        self._send = send
        self._speaker = speaker
        self._clock = clock
        self._pace = SentencePace()
        self._queue: FairQueue[_Waiting] = FairQueue(1 + MOST_WAITING)
        self._speaking: protocol.Say | None = None
        self._left_memory = True  # loading did

    def warm_up(self) -> None:
        """Speak what is sent nowhere, before it is ready. What fails here does no harm: it is
        reported when it fails for a listener."""
        for text, voice in self._speaker.warm_up:
            try:
                for _ in self._sound(text, voice):
                    pass
            except Exception as error:  # the child's edge, as below
                _LOGGER.warning("%s could not be warmed up: %s", voice.name, error)

    def turn(self) -> None:
        """Take what was asked for, and speak one sentence. After a second without any, the memory
        that those before it left is given back, once."""
        came = self._receive()
        if (waiting := self._queue.pop()) is not None:
            self._speak(waiting.say)
            self._left_memory = True
        elif self._left_memory and not came:
            trim_arenas()
            self._left_memory = False

    def _receive(self) -> bool:
        """Take what has arrived; without work, beat and wait a second at the most for it. False:
        nothing came."""
        busy = bool(self._speaking or len(self._queue))
        if not busy:
            self._send(protocol.Working(limit_seconds(0)))
        came = False
        try:
            self._take(self._inbox.get(not busy, HEARTBEAT_SECONDS))
            came = True
            while True:
                self._take(self._inbox.get_nowait())
        except Empty:
            pass
        for waiting in self._queue.late(self._clock()):
            self._send(protocol.Late(waiting.say.sentence))
        return came

    def _take(self, message: protocol.ToChild | None) -> None:
        match message:
            case protocol.Say(sentence, reply):
                deadline = self._queue.first_deadline(reply, self._clock())
                try:
                    self._queue.push(_Waiting(message, deadline))
                except EngineError as error:
                    self._send(protocol.Failed(sentence, str(error)))
            case protocol.Stop(sentence):
                self._queue.remove(sentence)
                if self._speaking and self._speaking.sentence == sentence:
                    self._speaking = None
            case protocol.EndReply(reply):
                self._queue.end_reply(reply)

    def _speak(self, say: protocol.Say) -> None:
        self._speaking = say
        self._send(protocol.Begun(say.sentence))
        try:
            self._deliver(say)
        except EngineError as error:
            self._send(protocol.Failed(say.sentence, str(error)))
        except Exception as error:  # the child's edge: one sentence's fault is not the next one's
            _LOGGER.exception("A sentence failed")
            self._send(protocol.Failed(say.sentence, type(error).__name__))
        self._speaking = None
        self._queue.ended(say.client)

    def _deliver(self, say: protocol.Say) -> None:
        began = self._clock()
        expected = self._pace.expected(say.voice.name, say.text, say.rate)
        self._send(protocol.Working(limit_seconds(expected)))
        with closing(self._sound(say.text, say.voice, say.rate)) as chunks:
            for pcm in chunks:
                self._receive()
                if self._speaking is None:
                    return
                self._send(protocol.Audio(say.sentence, pcm))
                seconds = len(pcm) / BYTES_PER_SECOND / say.stretch
                self._queue.sounded(say.reply, seconds, self._clock())
        self._send(protocol.Done(say.sentence, self._clock() - began, whole=True))

    def _sound(self, text: str, voice: Voice, rate: float = 1.0) -> Generator[bytes, None, None]:
        """Yield what the speaker makes, each step measured, in chunks small enough to stop
        between."""
        longest, begin = 0.0, self._clock()
        sound = self._speaker.say(text, voice, rate)
        try:
            for pcm in sound:
                longest = max(longest, self._clock() - begin)
                for start in range(0, len(pcm), MAX_CHUNK_BYTES):
                    yield pcm[start : start + MAX_CHUNK_BYTES]
                begin = self._clock()
        finally:
            if close := getattr(sound, "close", None):
                close()
        self._pace.observe(voice.name, text, rate, max(longest, self._clock() - begin))
