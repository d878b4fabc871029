"""Which sentences have slots, and what the next step computes: by deadlines, without tensors.

A listener's buffer is its reply's: it plays 80 ms a frame from the moment the first one was sent,
and must never run empty. All times are the caller's, in seconds of one clock.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wyoming_csm.worker.csm import cost
from wyoming_csm.worker.fair_queue import MOST_WAITING, FairQueue
from wyoming_csm.worker.protocol import Say

if TYPE_CHECKING:
    from torch import Tensor

    from wyoming_csm.worker.csm.ending import Ending

_STALL_SECONDS = 0.5  # without a chunk of its prompt, after which one is read whatever it delays
_WHOLE = 1 << 30  # positions: more than any prompt has


@dataclass(eq=False)
class Sentence:
    """The one record of a sentence in the child, from its arrival to its last frame."""

    say: Say
    deadline: float  # of its next frame, as long as none is in flight
    slot: int = -1
    positions: int = 0  # of its prompt
    prefilled: int = 0  # so many of them, the first, are in the slot's KV cache
    advanced: float = 0.0  # when they last became more
    in_flight: int = 0  # frames that are planned and not delivered
    work: float = 0.0  # of the device, when the last of these is there (see Scheduler)
    seconds: float = 0.0  # it was computed for so long: its chunks' and its frames' steps
    finished: bool = False  # its slot is free again, and frames in flight are dropped

    # What a runner made of it.
    prompt: "Tensor" = field(init=False)  # [positions, codebooks + 1]
    voice_positions: int = 0  # the first, which are the voice's
    text_positions: int = 0  # the last, which are the text to speak
    repeatable: bool = False  # it goes on from nothing that another reply does not have
    max_frames: int = 0  # after which it is cut
    seed: int = 0
    codes: "list[Tensor]" = field(default_factory=list)  # of each frame, [codebooks]
    ending: "Ending" = field(init=False)  # what is sent of it
    stale: int = 0  # frames in flight that are those of a try before
    whole: bool = False  # it is worth to be heard again; see `Done`
    frames: bytes = b""  # its codes, if it is; see `Done`

    @property
    def frame_seconds(self) -> float:
        """Return for how long a frame of it is played."""
        return cost.FRAME_SECONDS / self.say.stretch


@dataclass(eq=False)
class Step:
    """What is computed together: perhaps a chunk of one prompt, then a frame of each in `decode`.

    Those are in the order of their admission.
    """

    start: float
    prefill: tuple[Sentence, int, int] | None  # and the positions: the first, and one after them
    decode: list[Sentence]
    work: float  # of the device, when the frames are there


class Scheduler:
    """Sentences that wait, and those that have slots.

    - Admission: as fair as `FairQueue`, as long as one more can be served in real time, one
      newcomer's prompt after the other. One that may not begin does not hold up those behind it.
    - Prefill: beside others' frames, as many positions of the most urgent prompt as there is time
      for before a buffer is empty; without others, the whole prompt.
    - Decode: all whose prompt is read; if a buffer would be empty before that is done, fewer, the
      most urgent first.

    The device does one thing after the other. Its work is counted in expected seconds, `_given`
    in all, and the `_offset` from that count to the clock is corrected by what is seen. As an
    example: the device has been given 7.00 s of work, and is to be done at 107.00 on the clock
    (offset 100). A frame that was to be there at a work of 6.98 arrives at 107.01: the offset
    becomes 100.03, so what was launched behind it is expected at 107.03.
    """

    def __init__(
        self, slots: int, step: cost.Cost, prefill: cost.Cost, is_prepared: Callable[[Say], bool]
    ) -> None:
        """`step`, `prefill`: seconds of a step for n and of n positions, as they are expected."""
        self._pace = cost.StepPace(step)
        self._prefill_seconds = prefill
        self._is_prepared = is_prepared
        self._queue: FairQueue[Sentence] = FairQueue(slots + MOST_WAITING)
        self._count = slots
        self._slots: dict[int, Sentence] = {}  # in the order of admission
        self._given = 0.0
        self._offset = 0.0
        self._landed = 0.0  # when the last frames were there

    @property
    def is_idle(self) -> bool:
        """True if no sentence waits or has a slot."""
        return not self._slots and not len(self._queue)

    @property
    def is_computing(self) -> bool:
        """True if a sentence has a slot."""
        return bool(self._slots)

    def turn_seconds(self, positions: int) -> float:
        """Return what a step takes that reads so many positions and makes a frame for each slot."""
        return self._prefill_seconds(positions) + self._pace.cost(self._count)

    def add(self, say: Say, now: float) -> None:
        """Let a sentence wait. Raises EngineError if too many do."""
        self._queue.push(Sentence(say, self._queue.first_deadline(say.reply, now)))

    def stop(self, number: int) -> Sentence | None:
        """Forget a sentence that waits; return the one that has a slot and is to `leave` it."""
        self._queue.remove(number)
        return next((one for one in self._slots.values() if one.say.sentence == number), None)

    def end_reply(self, reply: int) -> None:
        """Forget a reply's listener."""
        self._queue.end_reply(reply)

    def late(self, now: float) -> list[Sentence]:
        """Return those that another engine may speak sooner by now; each of them once."""
        return self._queue.late(now, lambda one: self._is_ready(one, now))

    def admit(self, now: float) -> Iterator[Sentence]:
        """Yield those that begin now, each in its `slot`; its prompt is known before the next."""
        while self._has_room():
            sentence = self._queue.pop(lambda one: self._is_ready(one, now))
            if sentence is None:
                return
            sentence.slot = min(set(range(self._count)) - self._slots.keys())
            sentence.advanced = now
            self._slots[sentence.slot] = sentence
            yield sentence

    def leave(self, sentence: Sentence) -> None:
        """Free its slot: it is over, spoken to its end or not."""
        sentence.finished = True
        del self._slots[sentence.slot]
        self._queue.ended(sentence.say.client)

    def plan(self, now: float) -> Step:
        """Return what to compute next, counted as given to the device."""
        prefill = self._next_chunk(now)
        if prefill is not None:
            sentence, start, end = prefill
            sentence.prefilled, sentence.advanced = end, now
            seconds = self._prefill_seconds(end - start)
            self._give(seconds, now)
            if end < sentence.positions:  # else it is counted with the frame that it gets
                sentence.seconds += seconds
        decode = self._batch(now)
        self._give(self._pace.cost(len(decode)) if decode else 0.0, now)
        for sentence in decode:
            sentence.in_flight += 1
            sentence.work = self._given
        return Step(now, prefill, decode, self._given)

    def failed(self, step: Step) -> None:
        """Note that the frames of a step were not launched."""
        for sentence in step.decode:
            sentence.in_flight -= 1
        step.decode = []

    def landed(self, step: Step, now: float) -> None:
        """Note that the frames of the oldest step in flight are there."""
        took = now - max(step.start, self._landed)
        self._pace.observe(len(step.decode), took, now - self._landed, step.prefill is None)
        self._landed = now
        self._offset = now - step.work
        for sentence in step.decode:
            sentence.in_flight -= 1
            sentence.seconds += took

    def sounded(self, sentence: Sentence, now: float) -> None:
        """Note that a frame was sent; a buffer that had run empty plays on from now."""
        sentence.deadline = self._queue.sounded(sentence.say.reply, sentence.frame_seconds, now)

    def _has_room(self) -> bool:
        """Return whether one more can begin; the prompt of each newcomer takes from all."""
        n = len(self._slots) + 1
        reads = any(one.prefilled < one.positions for one in self._slots.values())
        return n <= self._count and not reads and self._pace.fits(n)

    def _is_ready(self, sentence: Sentence, now: float) -> bool:
        if self._is_prepared(sentence.say):
            return True
        sentence.deadline = self._queue.first_deadline(sentence.say.reply, now)
        return False

    def _give(self, seconds: float, now: float) -> None:
        """Count work for the device, which begins with it now if it has nothing to do."""
        self._offset = max(self._offset, now - self._given)
        self._given += seconds

    def _deadline(self, sentence: Sentence) -> float:
        """Return when a buffer is empty if nothing more is launched.

        As an example: a listener has sound until 10.00, and two frames are in flight for it, the
        second of which is expected at 10.03. The first makes it sound until 10.08, the second
        until 10.16. Were the second expected at 10.20, there would be a gap, and then sound until
        10.28.
        """
        if not sentence.in_flight:
            return sentence.deadline
        before = self._queue.empty_at.get(sentence.say.reply, 0.0)
        before += sentence.frame_seconds * (sentence.in_flight - 1)
        return max(self._offset + sentence.work, before) + sentence.frame_seconds

    def _next_chunk(self, now: float) -> tuple[Sentence, int, int] | None:
        reading = [one for one in self._slots.values() if one.prefilled < one.positions]
        if not reading:
            return None
        sentence = min(reading, key=self._deadline)
        deadlines = sorted(map(self._deadline, self._speaking()))
        positions = _WHOLE
        if deadlines:
            # The one that is read may join them.
            spare = cost.slack(deadlines, self._ready(now), lambda n: self._pace.cost(n + 1))
            positions = cost.longest_chunk(spare, self._prefill_seconds)
        if not positions and now >= sentence.advanced + _STALL_SECONDS:
            positions = cost.PREFILL_CHUNK
        start = sentence.prefilled
        return (sentence, start, min(start + positions, sentence.positions)) if positions else None

    def _batch(self, now: float) -> list[Sentence]:
        """Return those that get a frame, in the order of admission."""
        urgent = sorted(self._speaking(), key=self._deadline)
        deadlines = list(map(self._deadline, urgent))
        count = cost.how_many(deadlines, self._ready(now), self._pace.cost) if urgent else 0
        chosen = set(urgent[:count])
        return [one for one in self._slots.values() if one in chosen]

    def _speaking(self) -> list[Sentence]:
        return [one for one in self._slots.values() if one.prefilled == one.positions]

    def _ready(self, now: float) -> float:
        """Return when the device is done with all that it was given."""
        return max(now, self._offset + self._given)
