"""The child's loop for CSM: hear, admit, prefill, launch, collect; a turn is a frame for a batch.

It knows slots, sentences and time but no tensors: a `Runner` owns those, `schedule` decides.
"""

import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from wyoming_csm.errors import EngineError
from wyoming_csm.worker.csm.audience import Audience, Flight
from wyoming_csm.worker.csm.cost import Load
from wyoming_csm.worker.csm.schedule import PIECE, how_many, longest_piece, slack
from wyoming_csm.worker.csm.stage import Frame, Runner
from wyoming_csm.worker.limits import LEAST_SECONDS, limit
from wyoming_csm.worker.protocol import (
    Audio,
    Done,
    EndReply,
    Failed,
    FromChild,
    Learn,
    Say,
    Stop,
    ToChild,
    Working,
)

HEARTBEAT_SECONDS = 1.0
PATIENCE_SECONDS = 10.0  # beyond its due a waiting sentence is refused: another engine is quicker
QUEUE = 64  # sentences that wait beyond the number of slots; more are refused

_STALL_SECONDS = 0.5  # without a piece of its prompt, after which a sentence hears one
_WHOLE = 1 << 30  # positions: more than any prompt has


class FrameLoop:
    """Sentences from `inbox` join free slots between frames; `None` in it only wakes the loop.

    - Admission: earliest due first, as long as one more can be kept in real time. Others wait;
      what is beyond the queue's bound, or waits too long beyond its due, is refused.
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
        if not (busy or self._audience.waiting) and self._inbox.empty():
            busy = self._stage.idle()
        try:
            message = self._inbox.get_nowait() if busy else self._wait()
            while True:
                self._take(message)
                message = self._inbox.get_nowait()
        except Empty:
            return

    def _wait(self) -> ToChild | None:
        place = self._audience.next_place(self._clock()) if self._audience.waiting else None
        return self._inbox.get(timeout=HEARTBEAT_SECONDS if place is None else place)

    def _take(self, message: ToChild | None) -> None:
        waiting = self._audience.waiting
        match message:
            case Say(request) if len(waiting) >= self._stage.slots + QUEUE:
                self._send(Failed(request, f"{len(waiting)} sentences wait already"))
            case Say():
                self._audience.ask(message, self._clock())
            case Stop(request):
                waiting.pop(request, None)
                if (slot := self._audience.slot_of(request)) is not None:
                    self._leave(slot)
            case Learn(voices):
                self._stage.prepare(voices)
            case EndReply(reply):
                self._audience.end(reply)
                self._stage.end_reply(reply)

    def _admit(self) -> None:
        """Nobody waits for another's voice to be prepared."""
        now = self._clock()
        self._audience.next_place(now)
        for sentence in self._audience.by_due(self._audience.waiting.values()):
            say = sentence.say
            try:
                if not self._audience.has_room(sentence, self._load.fits):
                    if now > self._audience.due(sentence) + PATIENCE_SECONDS:
                        raise EngineError(f"no place came free in {now - sentence.since:.0f} s")
                elif not self._stage.is_prepared(say, lambda: self._inbox.put(None)):
                    sentence.since = now
                else:
                    sentence.left = self._stage.begin(self._audience.next_slot, say)
                    self._audience.admit(sentence, now)
            except EngineError as error:
                del self._audience.waiting[say.request]
                self._send(Failed(say.request, str(error)))

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
                self._deliver(slot, sentence.say, frame)

    def _deliver(self, slot: int, say: Say, frame: Frame) -> None:
        if frame.pcm:
            self._send(Audio(say.request, frame.pcm))
            self._audience.heard(say.reply, self._clock())
        if frame.last:
            self._leave(slot)
            self._audience.keep_place(say.reply, self._clock())
            self._send(Done(say.request, frame.ended))

    def _fail(self, slot: int, error: EngineError) -> None:
        request = self._audience.taken[slot].say.request
        self._leave(slot)
        self._send(Failed(request, str(error)))

    def _leave(self, slot: int) -> None:
        self._audience.leave(slot)
        self._stage.release(slot)
