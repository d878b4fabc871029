"""Listeners and a frame loop in simulated time: minutes of theirs in milliseconds of ours.

Nothing here asks the loop what it thinks: what a listener hears is counted from what was sent.
"""

import random
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue

from tests.worker.csm.simulated_stage import (
    PIPE_SECONDS,
    Clock,
    Device,
    Sentence,
    SimulatedStage,
    Told,
)
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.protocol import (
    Audio,
    Done,
    EndReply,
    Failed,
    FromChild,
    Late,
    Say,
    Stop,
    ToChild,
    Working,
)

FRAME = 0.08
VOICE = Voice(name="v", language="en", description="", engine="csm")


class Mail(SimpleQueue[ToChild | None]):
    """An inbox that knows what will come; waiting moves the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._order = count()
        self._coming: list[tuple[float, int, ToChild]] = []

    def post(self, at: float, message: ToChild) -> None:
        heappush(self._coming, (at, next(self._order), message))

    def empty(self) -> bool:
        return not (self._coming and self._coming[0][0] <= self._clock.now)

    def get_nowait(self) -> ToChild | None:
        if self.empty():
            raise Empty
        return heappop(self._coming)[2]

    def get(self, block: bool = True, timeout: float | None = None) -> ToChild | None:
        assert block
        assert timeout is not None
        until = self._clock.now + timeout
        if self._coming:
            until = min(until, self._coming[0][0])
        self._clock.now = max(self._clock.now, until)
        return self.get_nowait()


class World:
    """Runs listeners, each a reply of sentences, against a FrameLoop; `told` by request."""

    def __init__(self, device: Device, listeners: Sequence[Sequence[Sentence]]) -> None:
        self.clock = Clock()
        self.mail = Mail(self.clock)
        self.told: dict[int, Told] = {}
        self.beats: list[float] = []
        self.stage = SimulatedStage(device, self.clock, self.told)
        self.loop = FrameLoop(self.mail, self._hear, self.stage, self.clock)
        self._left = {reply: list(sentences) for reply, sentences in enumerate(listeners)}
        for reply in self._left:
            self._ask_next(reply, 0.0)

    def run(self, limit: float = 600.0) -> "World":
        """Until all is said."""
        while any(self._left.values()) or not all(
            one.is_over(self.clock.now) for one in self.told.values()
        ):
            assert self.clock.now < limit, "somebody starves"
            before = self.clock.now
            self.loop.turn()
            self.clock.now = max(self.clock.now, before + 0.0002)  # Python's own time
        for _ in range(3):  # what is under way lands
            self.loop.turn()
        return self

    def _ask_next(self, reply: int, now: float) -> None:
        sentences = self._left[reply]
        if not sentences:
            self.mail.post(now + PIPE_SECONDS, EndReply(reply))
            return
        sentence = sentences.pop(0)
        request = len(self.told) + 1
        at = now + sentence.after
        self.told[request] = Told(sentence, reply, at)
        self.mail.post(at, Say(request, reply, f"10.0.0.{reply}", "", VOICE))
        if sentence.stopped is not None:
            self.mail.post(at + sentence.stopped, Stop(request))
            self.told[request].stopped = at + sentence.stopped
            self._left[reply].clear()  # who leaves asks for nothing more
            self.mail.post(at + sentence.stopped, EndReply(reply))

    def _hear(self, message: FromChild) -> None:
        now = self.clock.now
        match message:
            case Audio(request, pcm):
                told = self.told[request]
                assert told.done is None
                assert int.from_bytes(pcm, "little") == (request << 16) + len(told.sound)
                told.sound.append(now)
            case Done(request):
                told = self.told[request]
                assert told.done is None
                assert told.failed is None
                assert len(told.sound) == told.sentence.frames
                told.done = now
                if told.stopped is None:
                    self._ask_next(told.reply, now)
            case Failed(request, reason):
                told = self.told[request]
                assert told.done is None
                assert told.failed is None
                told.failed, told.reason = now, reason
                if told.stopped is None:
                    self._left[told.reply].clear()
                    self._ask_next(told.reply, now)
            case Late(request):
                told = self.told[request]
                assert told.begun is None
                assert told.late is None
                told.late = now
            case Working():
                self.beats.append(now)


def gaps(world: World) -> tuple[list[float], list[float]]:
    """Seconds without sound each time a listener ran dry: inside a sentence, and between two
    sentences of a reply the second of which was asked for at once."""
    inside, between = [], []
    dry: dict[int, float] = {}
    for told in world.told.values():
        for number, at in enumerate(told.sound):
            late = at - dry.get(told.reply, at)
            if late > 0 and number:
                inside.append(late)
            elif late > 0 and told.sentence.after == PIPE_SECONDS:
                between.append(late)
            dry[told.reply] = max(at, dry.get(told.reply, at)) + FRAME
    return inside, between


def crowd(
    seed: int,
    device: Device,
    listeners: int = 16,
    *,
    spread: float = 2.0,
    longest: float = 15.0,
    leaving: float = 0.0,
) -> World:
    """Replies of one to three sentences of 1 to `longest` seconds, the first asked for within
    `spread` seconds; of prompts of 30 to 500 positions, later ones of 20 to 60. `leaving`: the
    share of listeners who go."""
    chance = random.Random(seed)

    def sentence(first: bool) -> Sentence:
        return Sentence(
            frames=round(chance.uniform(1, longest) / FRAME),
            positions=chance.randint(30, 500) if first else chance.randint(20, 60),
            after=chance.uniform(0, spread) if first else PIPE_SECONDS,
            stopped=chance.uniform(0, 8) if chance.random() < leaving else None,
        )

    replies = [
        [sentence(number == 0) for number in range(chance.choice((1, 1, 2, 3)))]
        for _ in range(listeners)
    ]
    return World(device, replies).run()
