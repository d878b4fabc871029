"""The child's loop for engines that speak one sentence after another."""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from queue import Empty, SimpleQueue
from typing import Protocol

from wyoming_csm.audio import SAMPLE_WIDTH, SAMPLES_PER_FRAME
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.child import HEARTBEAT_SECONDS
from wyoming_csm.worker.protocol import (
    Audio,
    Done,
    Failed,
    FromChild,
    Heartbeat,
    Ready,
    Say,
    Stop,
    ToChild,
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

    def say(self, text: str, voice: Voice) -> Iterator[bytes]:
        """24 kHz mono s16le in chunks of any size. May raise anything; is closed if it can be."""


def run(child: Pipe, speaker: Speaker) -> None:
    """For ever: the process ends with the pipe."""
    child.send(Ready(speaker.detail, slots=1, voices=speaker.voices))
    loop = SentenceLoop(child, speaker)
    while True:
        loop.turn()


class SentenceLoop:
    """Sentences in order of arrival. What is stopped is not begun, or ends at the next chunk.

    A beat means that the loop goes round: there is none during one long computation.
    """

    def __init__(self, child: Pipe, speaker: Speaker) -> None:
        self._child = child
        self._speaker = speaker
        self._asked: dict[int, Say] = {}  # by request; the first is the one being spoken

    def turn(self) -> None:
        """Speak the next sentence; without one, beat and wait for a message."""
        if self._asked:
            self._speak(next(iter(self._asked.values())))
        else:
            self._child.send(Heartbeat())
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
        with closing(_cut(self._speaker.say(say.text, say.voice))) as chunks:
            for pcm in chunks:
                self._hear(wait=False)
                if say.request not in self._asked:
                    return
                self._child.send(Audio(say.request, pcm))
        self._child.send(Done(say.request))


def _cut(sound: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The same sound in chunks small enough to stop between them."""
    try:
        for pcm in sound:
            for start in range(0, len(pcm), MAX_CHUNK_BYTES):
                yield pcm[start : start + MAX_CHUNK_BYTES]
    finally:
        if close := getattr(sound, "close", None):
            close()
