"""The child's loop for CSM: hear, admit, step; each step makes one frame for all who speak.

It knows slots and sentences but no tensors: a `Stage` owns those.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from wyoming_csm.errors import EngineError
from wyoming_csm.worker.protocol import (
    Audio,
    Done,
    EndReply,
    Failed,
    FromChild,
    Heartbeat,
    Say,
    Stop,
    ToChild,
)

_LOGGER = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0


@dataclass(frozen=True)
class Frame:
    """What one step made for one slot."""

    pcm: bytes  # 80 ms as s16le; empty in the frame that only says "the end"
    last: bool = False  # nothing follows
    ended: bool = False  # of a last frame: the model ended it, not the sentence's limit


class Stage(Protocol):
    """The model and the codec, driven slot by slot. Raises EngineError for one sentence's fault."""

    @property
    def slots(self) -> int:
        """How many sentences it makes at the same time."""

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        """Whether `begin` can start at once; if not, it is being prepared and `wake` will be
        called, from any thread."""

    def begin(self, slot: int, say: Say) -> None:
        """Put a sentence into a free slot: voice prompt, the reply so far, the text."""

    def step(self, active: list[int]) -> list[Frame]:
        """The next frame of each active slot, in their order."""

    def release(self, slot: int) -> None:
        """The slot's sentence is over, spoken to its end or not."""

    def end_reply(self, reply: int) -> None:
        """Forget what was said in this reply."""


class FrameLoop:
    """Sentences from `inbox` join free slots between frames; `None` in it only wakes the loop."""

    def __init__(
        self,
        inbox: "SimpleQueue[ToChild | None]",
        send: Callable[[FromChild], None],
        stage: Stage,
    ) -> None:
        self._inbox = inbox
        self._send = send
        self._stage = stage
        self._free = list(reversed(range(stage.slots)))
        self._waiting: dict[int, Say] = {}  # by request, in order of arrival
        self._speaking: dict[int, Say] = {}  # by slot
        self._next_beat = 0.0

    def run(self) -> None:
        """For ever: the process ends with the pipe."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Hear what came, let sentences in, make one frame; without work, wait for a message."""
        self._beat()
        self._hear(wait=not self._speaking)
        self._admit()
        if self._speaking:
            self._step()

    def _beat(self) -> None:
        now = time.monotonic()
        if now >= self._next_beat:
            self._send(Heartbeat())
            self._next_beat = now + HEARTBEAT_SECONDS

    def _hear(self, wait: bool) -> None:
        try:
            message = (
                self._inbox.get(timeout=HEARTBEAT_SECONDS) if wait else self._inbox.get_nowait()
            )
            while True:
                self._take(message)
                message = self._inbox.get_nowait()
        except Empty:
            return

    def _take(self, message: ToChild | None) -> None:
        match message:
            case Say():
                self._waiting[message.request] = message
            case Stop(request):
                self._waiting.pop(request, None)
                for slot, say in list(self._speaking.items()):
                    if say.request == request:
                        self._leave(slot)
            case EndReply(reply):
                self._stage.end_reply(reply)

    def _admit(self) -> None:
        """First come, first served, but nobody waits for another's voice to be prepared."""
        for say in list(self._waiting.values()):
            if not self._free:
                return
            try:
                if not self._stage.is_prepared(say, self._wake):
                    continue
                del self._waiting[say.request]
                self._stage.begin(self._free[-1], say)
            except EngineError as error:
                self._waiting.pop(say.request, None)
                self._send(Failed(say.request, str(error)))
            else:
                self._speaking[self._free.pop()] = say

    def _wake(self) -> None:
        self._inbox.put(None)

    def _step(self) -> None:
        active = list(self._speaking)
        for slot, frame in zip(active, self._stage.step(active), strict=True):
            request = self._speaking[slot].request
            if frame.pcm:
                self._send(Audio(request, frame.pcm))
            if frame.last:
                self._leave(slot)
                self._send(Done(request, frame.ended))

    def _leave(self, slot: int) -> None:
        del self._speaking[slot]
        self._free.append(slot)
        self._stage.release(slot)
