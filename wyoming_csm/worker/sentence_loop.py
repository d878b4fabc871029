"""The child's loop for engines that speak one sentence after another."""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from queue import Empty, SimpleQueue
from typing import Protocol

from wyoming_csm.audio import SAMPLE_WIDTH, SAMPLES_PER_FRAME
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.limits import SentencePace, limit
from wyoming_csm.worker.pipe import HEARTBEAT_SECONDS
from wyoming_csm.worker.protocol import (
    Audio,
    Done,
    Failed,
    FromChild,
    Ready,
    Say,
    Stop,
    ToChild,
    Working,
)

_LOGGER = logging.getLogger(__name__)

MAX_CHUNK_BYTES = 2 * SAMPLES_PER_FRAME * SAMPLE_WIDTH  # 160 ms


class Pipe(Protocol):
    """What the loop needs of a `Child`."""

    @property
    def inbox(self) -> SimpleQueue[ToChild | None]:
        """What the engine asks, as it comes; None only wakes."""

    def send(self, message: FromChild) -> None:
        """To the engine."""


class Speaker(Protocol):
    """An engine that is loaded."""

    @property
    def detail(self) -> str:
        """One line for people: model, device."""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """What only loading told, or none."""

    @property
    def rehearsal(self) -> Sequence[tuple[str, Voice]]:
        """Sentences said to nobody first: what they load, and how long they take, is known then."""

    def say(self, text: str, voice: Voice) -> Iterator[bytes]:
        """24 kHz mono s16le in chunks of any size. May raise anything; is closed if it can be."""


def run(child: Pipe, speaker: Speaker) -> None:
    """For ever: the process ends with the pipe."""
    loop = SentenceLoop(child, speaker)
    loop.rehearse()
    child.send(Ready(speaker.detail, slots=1, voices=speaker.voices))
    while True:
        loop.turn()


class SentenceLoop:
    """Sentences in order of arrival. What is stopped is not begun, or ends at the next chunk."""

    def __init__(
        self, child: Pipe, speaker: Speaker, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._child = child
        self._speaker = speaker
        self._clock = clock
        self._pace = SentencePace()
        self._asked: dict[int, Say] = {}  # by request; the first is the one being spoken

    def rehearse(self) -> None:
        """Before it is ready. What fails here does no harm: a listener's sentence will say so."""
        for text, voice in self._speaker.rehearsal:
            try:
                for _ in self._sound(text, voice):
                    pass
            except Exception as error:  # the child's edge, as below
                _LOGGER.warning("%s could not be rehearsed: %s", voice.name, error)

    def turn(self) -> None:
        """Speak the next sentence; without one, beat and wait for a message."""
        if self._asked:
            self._speak(next(iter(self._asked.values())))
        else:
            self._child.send(Working(limit(0)))
            self._hear(wait=True)

    def _hear(self, wait: bool) -> None:
        """Whatever has arrived; with `wait`, for a second at the most."""
        inbox = self._child.inbox
        try:
            self._take(inbox.get(timeout=HEARTBEAT_SECONDS) if wait else inbox.get_nowait())
            while True:
                self._take(inbox.get_nowait())
        except Empty:
            return

    def _take(self, message: ToChild | None) -> None:
        match message:
            case Say():
                self._asked[message.request] = message
            case Stop(request):
                self._asked.pop(request, None)

    def _speak(self, say: Say) -> None:
        try:
            self._deliver(say)
        except EngineError as error:
            self._child.send(Failed(say.request, str(error)))
        except Exception as error:  # the child's edge: one sentence's fault is not the next one's
            _LOGGER.exception("A sentence failed")
            self._child.send(Failed(say.request, type(error).__name__))
        self._asked.pop(say.request, None)

    def _deliver(self, say: Say) -> None:
        expected = self._pace.expected(say.voice.name, say.text)
        self._child.send(Working(limit(expected)))
        with closing(self._sound(say.text, say.voice)) as chunks:
            for pcm in chunks:
                self._hear(wait=False)
                if say.request not in self._asked:
                    return
                self._child.send(Audio(say.request, pcm))
        self._child.send(Done(say.request))

    def _sound(self, text: str, voice: Voice) -> Generator[bytes, None, None]:
        """As the speaker makes it, each step measured, in chunks small enough to stop between."""
        longest, begin = 0.0, self._clock()
        sound = self._speaker.say(text, voice)
        try:
            for pcm in sound:
                longest = max(longest, self._clock() - begin)
                for start in range(0, len(pcm), MAX_CHUNK_BYTES):
                    yield pcm[start : start + MAX_CHUNK_BYTES]
                begin = self._clock()
        finally:
            if close := getattr(sound, "close", None):
                close()
        self._pace.observe(voice.name, text, max(longest, self._clock() - begin))
