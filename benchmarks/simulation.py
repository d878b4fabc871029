"""Listeners and a frame loop in simulated time: minutes of theirs in milliseconds of ours.

Nothing here asks the loop what it thinks: what a listener hears is counted from what was sent.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue

from benchmarks.scripted_runner import Clock, Device, Script, ScriptedRunner
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.protocol import (
    Audio,
    Begun,
    Done,
    EndReply,
    Failed,
    FromChild,
    Late,
    Preparing,
    Say,
    Stop,
    ToChild,
    Working,
)

FRAME = 0.08
PIPE_SECONDS = 0.005  # from a sentence's end to its reply's next
_LONGEST = 600.0  # seconds that a world may take
VOICE = Voice(name="v", language="en", description="", engine="csm")


@dataclass(frozen=True)
class Line(Script):
    """A sentence of a listener."""

    after: float = PIPE_SECONDS  # since the end of the one before, or since the listener came
    stopped: float | None = None  # so long after it was asked for
    prepared: float = 0.0  # its voice is ready so long after it was asked for


@dataclass
class Told:
    """What became of one sentence, in seconds since the beginning."""

    line: Line
    reply: int
    client: str
    asked: float
    begun: float | None = None
    late: float | None = None
    stopped: float | None = None
    sound: list[float] = field(default_factory=list)  # when each frame came
    done: float | None = None
    failed: float | None = None
    reason: str = ""
    computed: float = 0.0  # seconds, as the child says

    def is_over(self, now: float) -> bool:
        """Return whether nothing more is to come."""
        left = self.stopped is not None and self.stopped <= now
        return left or self.done is not None or self.failed is not None


class Mail(SimpleQueue[ToChild | None]):
    """An inbox that knows what will come; waiting moves the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._order = count()
        self._coming: list[tuple[float, int, ToChild | None]] = []

    def post(self, at: float, message: ToChild | None) -> None:
        """Let a message come at that time."""
        heappush(self._coming, (at, next(self._order), message))

    def empty(self) -> bool:
        """Return whether nothing has come yet."""
        return not (self._coming and self._coming[0][0] <= self._clock.now)

    def get_nowait(self) -> ToChild | None:
        """Return what has come first."""
        if self.empty():
            raise Empty
        return heappop(self._coming)[2]

    def get(self, block: bool = True, timeout: float | None = None) -> ToChild | None:
        """Wait for what comes first, or for the time."""
        assert timeout is not None
        if block:
            until = self._clock.now + timeout
            if self._coming:
                until = min(until, self._coming[0][0])
            self._clock.wait_until(until)
        return self.get_nowait()


class World:
    """Runs listeners, each a reply of sentences, against a FrameLoop; `told` by sentence."""

    def __init__(
        self, device: Device, listeners: Sequence[Sequence[Line]], clients: Sequence[str] = ()
    ) -> None:
        """Take listeners, and as `clients` whose each is; by default each is its own."""
        self.clock = Clock()
        self.mail = Mail(self.clock)
        self.told: dict[int, Told] = {}
        self.beats: list[float] = []
        self.runner = ScriptedRunner(device, lambda say: self.told[say.sentence].line, self.clock)
        self.loop = FrameLoop(self.mail, self._receive, self.runner, self.clock)
        self._clients = clients or [str(number) for number in range(len(listeners))]
        self._served: list[str] = []  # clients, the last one last
        self._left = {reply: list(lines) for reply, lines in enumerate(listeners)}
        for reply in self._left:
            self._ask_next(reply, 0.0)

    @property
    def sizes(self) -> list[int]:
        """Return how many sentences were in each step."""
        return [len(step.sentences) for step in self.runner.steps]

    @property
    def is_over(self) -> bool:
        """True if all is said."""
        over = all(told.is_over(self.clock.now) for told in self.told.values())
        return over and not any(self._left.values())

    @property
    def begun(self) -> int:
        """Return how many sentences have had a slot."""
        return sum(told.begun is not None for told in self.told.values())

    def run(self) -> "World":
        """Turn the loop until all is said."""
        while not self.is_over:
            self.turn()
        for _ in range(3):  # what is in flight lands
            self.loop.turn()
        return self

    def turn(self) -> None:
        """Turn the loop once."""
        before = self.clock.now
        assert before < _LONGEST, "a sentence starves"
        self.loop.turn()
        self.clock.wait_until(before + 0.0002)  # Python's own time

    def waiting(self) -> list[Told]:
        """Return the sentences that have come, whose voice is ready, and that have not begun."""
        now = self.clock.now
        return [
            told
            for told in self.told.values()
            if told.asked + told.line.prepared <= now
            and told.begun is None
            and not told.is_over(now)
        ]

    def frames_after_stop(self, number: int) -> int:
        """Return how many frames of a sentence were there after it was stopped."""
        stopped = self.told[number].stopped
        return sum(
            stopped is not None and step.at > stopped and number in step.sentences
            for step in self.runner.steps
        )

    def _check_fair(self, told: Told) -> None:
        """The one that leaves the queue is of the client with the fewest being spoken; among those
        of the one that was served the longest ago."""
        now = self.clock.now
        spoken = Counter(
            one.client
            for one in self.told.values()
            if one.begun is not None and not one.is_over(now)
        )
        rank = {client: number for number, client in enumerate(self._served)}
        order = {
            one.client: (spoken[one.client], rank.get(one.client, -1)) for one in self.waiting()
        }
        assert order[told.client] == min(order.values())
        self._served = [client for client in self._served if client != told.client]
        self._served.append(told.client)

    def _ask_next(self, reply: int, now: float) -> None:
        lines = self._left[reply]
        if not lines:
            self.mail.post(now + PIPE_SECONDS, EndReply(reply))
            return
        line = lines.pop(0)
        number = len(self.told) + 1
        at = now + line.after
        client = self._clients[reply]
        self.told[number] = told = Told(line, reply, client, at)
        self.mail.post(at, Say(number, reply, client, "", VOICE))
        self.runner.prepared_at[number] = at + line.prepared
        self.mail.post(at + line.prepared, None)
        if line.stopped is not None:
            told.stopped = at + line.stopped
            self._left[reply].clear()  # a listener that leaves asks for nothing more
            self.mail.post(told.stopped, Stop(number))
            self.mail.post(told.stopped, EndReply(reply))

    def _receive(self, message: FromChild) -> None:
        now = self.clock.now
        if isinstance(message, Working):
            self.beats.append(now)
            return
        assert isinstance(message, Begun | Preparing | Late | Audio | Done | Failed)
        told = self.told[message.sentence]
        assert told.done is None
        assert told.failed is None
        match message:
            case Begun():
                assert told.begun is None
                self._check_fair(told)
                told.begun = now
            case Late():
                assert told.begun is None
                assert told.late is None
                told.late = now
            case Audio(number, pcm):
                assert told.begun is not None
                assert int.from_bytes(pcm, "little") == (number << 16) + len(told.sound)
                told.sound.append(now)
            case Done(_, seconds):
                assert len(told.sound) == told.line.frames
                told.done, told.computed = now, seconds
                if told.stopped is None:
                    self._ask_next(told.reply, now)
            case Failed(_, reason):
                if told.begun is None:
                    self._check_fair(told)
                told.failed, told.reason = now, reason
                if told.stopped is None:
                    self._left[told.reply].clear()
                    self._ask_next(told.reply, now)


def gaps(world: World) -> tuple[list[float], list[float]]:
    """Return the seconds without sound each time a listener's buffer was empty: inside a sentence,
    and between two sentences of a reply the second of which was asked for at once."""
    inside, between = [], []
    empty_at: dict[int, float] = {}
    for told in world.told.values():
        for number, at in enumerate(told.sound):
            late = at - empty_at.get(told.reply, at)
            if late > 0 and number:
                inside.append(late)
            elif late > 0 and told.line.after == PIPE_SECONDS:
                between.append(late)
            empty_at[told.reply] = max(at, empty_at.get(told.reply, at)) + FRAME
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
    """Run replies of one to three sentences of 1 to `longest` seconds, the first asked for within
    `spread` seconds; of prompts of 30 to 500 positions, later ones of 20 to 60. `leaving`: the
    share of listeners that go."""
    chance = random.Random(seed)

    def line(first: bool) -> Line:
        return Line(
            frames=round(chance.uniform(1, longest) / FRAME),
            positions=chance.randint(30, 500) if first else chance.randint(20, 60),
            after=chance.uniform(0, spread) if first else PIPE_SECONDS,
            stopped=chance.uniform(0, 8) if chance.random() < leaving else None,
        )

    replies = [
        [line(number == 0) for number in range(chance.choice((1, 1, 2, 3)))]
        for _ in range(listeners)
    ]
    return World(device, replies).run()
