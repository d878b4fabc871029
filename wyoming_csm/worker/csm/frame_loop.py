"""The child's loop for CSM: receive, admit, plan, launch, deliver; a turn is a step of a batch."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Protocol

from wyoming_csm.arenas import trim_arenas
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker import protocol
from wyoming_csm.worker.csm.cost import PREFILL_CHUNK
from wyoming_csm.worker.csm.scheduler import Scheduler, Sentence, Step
from wyoming_csm.worker.pipe import HEARTBEAT_SECONDS, LEAST_SECONDS, limit_seconds

if TYPE_CHECKING:
    from torch import Tensor


class Frame(NamedTuple):
    """What one step made for one sentence."""

    pcm: bytes  # 80 ms as s16le
    is_end: bool = False  # no sound: the sentence is over
    is_broken: bool = False  # it was made from what is no number
    codes: "Tensor | None" = None  # [codebooks]


Wait = Callable[[], list[Frame]]  # for a step's frames, in the order of its sentences


class Runner(Protocol):
    """The model and the codec, with a slot for each sentence (see `Sentence.slot`)."""

    slots: int  # sentences that it makes at the same time
    ahead: int  # steps that are launched before the first of them is looked at

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Begin with what makes these voices' first sentence quick; returns at once."""

    def is_prepared(self, say: protocol.Say) -> bool:
        """Return whether `start` can be called; if not, the voice is being prepared, and whoever
        made the runner wakes the loop then."""

    def start(self, sentence: Sentence) -> None:
        """Make a sentence's prompt, and put what is cached of it into its slot: `positions` and
        `prefilled`. Raises EngineError; the slot needs no `release` then."""

    def prefill(self, sentence: Sentence, start: int, end: int) -> None:
        """Read these positions of its prompt. Raises EngineError: it is to be released."""

    def launch(self, sentences: Sequence[Sentence]) -> Wait:
        """Start a frame of each. Raises EngineError if memory is short: with fewer it may do."""

    def read(self, sentence: Sentence, frame: Frame) -> tuple[list[bytes], bool]:
        """Take a sentence's next frame: return the frames to be sent now, and whether they are the
        last. Raises EngineError: it is to be released."""

    def release(self, sentence: Sentence) -> None:
        """Free what is in its slot: it is over, spoken to its end or not."""

    def end_reply(self, reply: int) -> None:
        """Forget what was said in this reply."""

    def idle(self) -> bool:
        """Use a moment without sentences for one bounded step of work; True: there is more."""

    def step_seconds(self, n: int) -> float:
        """Return what a frame of n sentences is expected to take; inf if that is unknown."""

    def prefill_seconds(self, positions: int) -> float:
        """Return what a prefill of so many positions is expected to take."""


class FrameLoop:
    """Sentences from `inbox` are spoken side by side; `None` in it only wakes the loop."""

    def __init__(
        self,
        inbox: "SimpleQueue[protocol.ToChild | None]",
        send: Callable[[protocol.FromChild], None],
        runner: Runner,
        clock: Callable[[], float] = time.monotonic,
        least_seconds: float = LEAST_SECONDS,
        memory: Callable[[], protocol.GpuMemory | None] = lambda: None,
    ) -> None:
        """Make a loop for which no computation counts as hung that takes less than
        `least_seconds`. `memory` is asked once a second, while frames are due: it must not wait
        for the GPU."""
        self._inbox = inbox
        self._send = send
        self._runner = runner
        self._clock = clock
        self._least_seconds = least_seconds
        self._memory = memory
        self._scheduler = Scheduler(
            runner.slots, runner.step_seconds, runner.prefill_seconds, runner.is_prepared
        )
        self._in_flight: deque[tuple[Step, Wait]] = deque()
        self._next_beat = 0.0
        self._left_memory = True  # by loading

    def run(self) -> None:
        """Turn for ever: the process ends with the pipe."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Receive, admit, plan, launch, deliver; without work, wait for a message."""
        self._beat()
        self._receive()
        self._admit()
        step = self._scheduler.plan(self._clock())
        if step.prefill is not None:
            self._prefill(step, *step.prefill)
        if step.decode:
            self._launch(step)
        if len(self._in_flight) > (self._runner.ahead if step.decode else 0):
            self._deliver(*self._in_flight.popleft())

    def _beat(self) -> None:
        now = self._clock()
        if now >= self._next_beat:
            self._announce(PREFILL_CHUNK)
            self._next_beat = now + HEARTBEAT_SECONDS

    def _announce(self, positions: int) -> None:
        """Tell how long a step may take that reads so many positions of a prompt."""
        expected = self._scheduler.turn_seconds(positions)
        limit = limit_seconds(expected, self._least_seconds)
        self._send(protocol.Working(limit, self._memory()))

    def _receive(self) -> None:
        busy = bool(self._in_flight) or self._scheduler.is_computing
        if not busy and self._scheduler.is_idle and self._inbox.empty():
            busy = self._runner.idle()
        came = False
        try:
            inbox = self._inbox
            message = inbox.get_nowait() if busy else inbox.get(timeout=HEARTBEAT_SECONDS)
            came = True
            while True:
                self._take(message)
                message = inbox.get_nowait()
        except Empty:
            pass
        if busy or came:
            self._left_memory = True
        elif self._left_memory:  # after a second without work, once
            trim_arenas()
            self._left_memory = False

    def _take(self, message: protocol.ToChild | None) -> None:
        match message:
            case protocol.Say():
                try:
                    self._scheduler.add(message, self._clock())
                    if not self._runner.is_prepared(message):
                        self._send(protocol.Preparing(message.sentence))
                except EngineError as error:
                    self._send(protocol.Failed(message.sentence, str(error)))
            case protocol.Stop(number):
                if (sentence := self._scheduler.stop(number)) is not None:
                    self._leave(sentence)
            case protocol.Learn(voices):
                self._runner.prepare(voices)
            case protocol.EndReply(reply):
                self._scheduler.end_reply(reply)
                self._runner.end_reply(reply)

    def _admit(self) -> None:
        now = self._clock()
        for sentence in self._scheduler.admit(now):
            try:
                self._runner.start(sentence)
            except EngineError as error:
                self._scheduler.leave(sentence)
                self._send(protocol.Failed(sentence.say.sentence, str(error)))
            else:
                self._send(protocol.Begun(sentence.say.sentence))
        for sentence in self._scheduler.late(now):
            self._send(protocol.Late(sentence.say.sentence))

    def _prefill(self, step: Step, sentence: Sentence, start: int, end: int) -> None:
        if end - start > PREFILL_CHUNK:
            self._announce(end - start)
            self._next_beat = 0.0  # what is usual holds again after it
        try:
            self._runner.prefill(sentence, start, end)
        except EngineError as error:
            step.decode = [one for one in step.decode if one is not sentence]
            self._fail(sentence, error)
        sentence.advanced = self._clock()

    def _launch(self, step: Step) -> None:
        try:
            self._in_flight.append((step, self._runner.launch(step.decode)))
        except EngineError as error:
            self._fail(step.decode[-1], error)
            self._scheduler.failed(step)  # with fewer it may do

    def _deliver(self, step: Step, wait: Wait) -> None:
        frames = wait()
        now = self._clock()
        self._scheduler.landed(step, now)
        for sentence, frame in zip(step.decode, frames, strict=True):
            if sentence.finished:  # it was stopped, or ended before this frame
                continue
            try:
                sound, last = self._runner.read(sentence, frame)
            except EngineError as error:
                self._fail(sentence, error)
                continue
            for pcm in sound:
                self._send(protocol.Audio(sentence.say.sentence, pcm))
                self._scheduler.sounded(sentence, now)
            if last:
                self._leave(sentence)
                done = protocol.Done(
                    sentence.say.sentence, sentence.seconds, sentence.whole, sentence.frames
                )
                self._send(done)

    def _fail(self, sentence: Sentence, error: EngineError) -> None:
        self._leave(sentence)
        self._send(protocol.Failed(sentence.say.sentence, str(error)))

    def _leave(self, sentence: Sentence) -> None:
        self._runner.release(sentence)
        self._scheduler.leave(sentence)
        if not self._scheduler.is_idle:
            self._inbox.put(None)  # one that waits begins now, also if no message comes
