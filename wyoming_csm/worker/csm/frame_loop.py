"""The child's loop for CSM: hear, admit, prefill, launch, collect; a turn is a frame for a batch.

It knows slots, sentences and time but no tensors: a `Runner` owns those, `schedule` decides.
"""

import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from wyoming_csm.errors import EngineError
from wyoming_csm.worker.csm.audience import Audience, Flight, Sentence
from wyoming_csm.worker.csm.cost import Load
from wyoming_csm.worker.csm.schedule import PIECE, how_many, longest_piece, slack
from wyoming_csm.worker.csm.stage import Frame, Runner
from wyoming_csm.worker.limits import LEAST_SECONDS, limit
from wyoming_csm.worker.protocol import (
    Audio,
    Begun,
    Done,
    EndReply,
    Failed,
    FromChild,
    Late,
    Learn,
    Say,
    Stop,
    ToChild,
    Working,
)

HEARTBEAT_SECONDS = 1.0

_STALL_SECONDS = 0.5  # without a piece of its prompt, after which a sentence hears one
_WHOLE = 1 << 30  # positions: more than any prompt has


class FrameLoop:
    """Sentences from `inbox` join free slots between frames; `None` in it only wakes the loop.

    - Admission: in the queue's order, as long as one more can be kept in real time. Others wait;
      what is beyond the queue's bound is refused, of one that is late the engine is told.
    - Prefill: while others speak, a turn hears as many positions of one prompt as there is time
      for before a listener would run dry; if nobody speaks, the whole prompt.
    - Launch: all who speak; if the most urgent would run dry then, fewer, the most urgent first.
    """

    def __init__(
        self,
        inbox: "SimpleQueue[ToChild | None]",
        send: Callable[[FromChild], None],
        stage: Runner,
        clock: Callable[[], float] = time.monotonic,
        least_limit: float = LEAST_SECONDS,
    ) -> None:
        """`least_limit`: no computation that takes less seconds counts as hung."""
        self._inbox = inbox
        self._send = send
        self._stage = stage
        self._clock = clock
        self._least_limit = least_limit
        self._audience = Audience(stage.slots)
        self._load = Load(stage.step_seconds)
        self._flights: deque[Flight] = deque()
        self._ready = 0.0  # when the device is done with all that it was given
        self._collected = 0.0
        self._next_beat = 0.0

    def run(self) -> None:
        """For ever: the process ends with the pipe."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Hear what came, let sentences in, make frames; without work, wait for a message."""
        self._beat()
        self._hear()
        self._admit()
        start = self._clock()
        pure = not self._prefill()
        launched = self._launch(start, pure)
        if len(self._flights) > (self._stage.ahead if launched else 0):
            self._collect()

    def _beat(self) -> None:
        now = self._clock()
        if now >= self._next_beat:
            self._announce(PIECE)
            self._next_beat = now + HEARTBEAT_SECONDS

    def _announce(self, positions: int) -> None:
        """Before a turn: it may hear so many of a prompt, and make a frame for all."""
        frame = self._load.cost(self._stage.slots)
        expected = self._stage.prefill_seconds(positions) + frame
        self._send(Working(limit(expected, self._least_limit)))

    def _hear(self) -> None:
        busy = bool(self._audience.taken or self._flights)
        if not (busy or len(self._audience.waiting)) and self._inbox.empty():
            busy = self._stage.idle()
        try:
            message = (
                self._inbox.get_nowait() if busy else self._inbox.get(timeout=HEARTBEAT_SECONDS)
            )
            while True:
                self._take(message)
                message = self._inbox.get_nowait()
        except Empty:
            return

    def _take(self, message: ToChild | None) -> None:
        match message:
            case Say(sentence):
                try:
                    self._audience.ask(message, self._clock())
                except EngineError as error:
                    self._send(Failed(sentence, str(error)))
            case Stop(sentence):
                self._audience.waiting.remove(sentence)
                if (slot := self._audience.slot_of(sentence)) is not None:
                    self._leave(slot)
            case Learn(voices):
                self._stage.prepare(voices)
            case EndReply(reply):
                self._audience.end(reply)
                self._stage.end_reply(reply)

    def _admit(self) -> None:
        """Nobody waits for another's voice to be prepared."""
        now = self._clock()
        waiting = self._audience.waiting
        while self._audience.has_room(self._load.fits):
            if (sentence := waiting.pop(lambda one: self._is_prepared(one, now))) is None:
                break
            say = sentence.say
            try:
                sentence.left = self._stage.begin(self._audience.next_slot, say)
            except EngineError as error:
                waiting.ended(say.client)
                self._send(Failed(say.sentence, str(error)))
                continue
            self._audience.admit(sentence, now)
            self._send(Begun(say.sentence))
        for sentence in waiting.late(now):
            self._send(Late(sentence.say.sentence))

    def _is_prepared(self, sentence: Sentence, now: float) -> bool:
        if self._stage.is_prepared(sentence.say, lambda: self._inbox.put(None)):
            return True
        sentence.since = now
        return False

    def _prefill(self) -> bool:
        """A piece of the most urgent prompt; whether there was one."""
        listening = {one: slot for slot, one in self._audience.taken.items() if not one.speaks}
        if not listening:
            return False
        sentence = self._audience.by_due(listening)[0]
        now = self._clock()
        start = max(now, self._ready)
        positions = min(sentence.left, self._positions(start))
        if not positions and now < sentence.advanced + _STALL_SECONDS:
            return False
        positions = positions or min(sentence.left, PIECE)
        if positions > PIECE:
            self._announce(positions)
            self._next_beat = 0.0  # what is usual holds again after it
        try:
            sentence.speaks = self._stage.prefill(listening[sentence], positions)
        except EngineError as error:
            self._fail(listening[sentence], error)
        sentence.left -= positions
        sentence.advanced = self._clock()
        self._ready = start + self._stage.prefill_seconds(positions)
        return True

    def _positions(self, start: float) -> int:
        """Of a prompt, as many as there is time for."""
        speaking = [one for one in self._audience.taken.values() if one.speaks]
        dues = sorted(map(self._audience.due, speaking))
        spare = slack(dues, start, lambda n: self._load.cost(n + 1))  # who hears it may join them
        return longest_piece(spare, self._stage.prefill_seconds) if dues else _WHOLE

    def _launch(self, start: float, pure: bool) -> bool:
        """A frame of as many as there is time for; whether there is any."""
        speaking = [one for one in self._audience.taken.values() if one.speaks]
        if not speaking:
            return False
        speaking = self._audience.by_due(speaking)
        ready = max(self._clock(), self._ready)
        dues = [self._audience.due(one) for one in speaking]
        chosen = set(speaking[: how_many(dues, ready, self._load.cost)])
        active = {slot: one for slot, one in self._audience.taken.items() if one in chosen}
        try:
            self._stage.launch(list(active))
        except EngineError as error:
            self._fail(list(active)[-1], error)
            return False
        self._ready = ready + self._load.cost(len(active))
        flight = Flight(active, start, self._ready, pure)
        self._flights.append(flight)
        for sentence in active.values():
            sentence.flights.append(flight)
        return True

    def _collect(self) -> None:
        flight = self._flights.popleft()
        frames = self._stage.collect()
        now = self._clock()
        self._load.observe(
            len(flight.sentences),
            now - max(flight.start, self._collected),
            now - self._collected,
            flight.pure,
        )
        self._collected = now
        self._ready += now - flight.lands
        for later in self._flights:
            later.lands += now - flight.lands
        for (slot, sentence), frame in zip(flight.sentences.items(), frames, strict=True):
            sentence.flights.popleft()
            if self._audience.taken.get(slot) is sentence:  # else it is over: nobody listens
                self._deliver(slot, sentence, frame)

    def _deliver(self, slot: int, sentence: Sentence, frame: Frame) -> None:
        say = sentence.say
        if frame.pcm:
            self._send(Audio(say.sentence, frame.pcm))
            self._audience.heard(say.reply, self._clock())
        if frame.last:
            self._leave(slot)
            self._send(Done(say.sentence, self._clock() - sentence.begun))

    def _fail(self, slot: int, error: EngineError) -> None:
        sentence = self._audience.taken[slot].say.sentence
        self._leave(slot)
        self._send(Failed(sentence, str(error)))

    def _leave(self, slot: int) -> None:
        self._audience.leave(slot)
        self._stage.release(slot)
