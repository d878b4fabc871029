"""A stage that only counts, and a frame loop on it with a clock that only its steps move."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.protocol import Audio, Done, Failed, FromChild, Late, Say, ToChild, Working

VOICE = Voice(name="v", language="en", description="", engine="csm")


@dataclass
class CountingStage:
    """A sentence of n characters lasts n frames; frame i of request r is the bytes (r, i)."""

    slots: int = 2
    ahead: int = 0
    step: float = 0.01  # seconds for each
    measured: bool = True
    each: float = 0.0  # seconds for a position of a prompt
    now: float = 100.0
    unprepared: set[int] = field(default_factory=set)
    begun: dict[int, tuple[Say, int]] = field(default_factory=dict)
    heard: list[tuple[int, int]] = field(default_factory=list)  # request, positions
    steps: list[list[int]] = field(default_factory=list)
    over: list[int] = field(default_factory=list)
    pieces: int = 0  # of idle work
    room: int = 99  # more slots than these in one launch are too many
    wake: Callable[[], None] | None = None
    flying: list[list[Frame]] = field(default_factory=list)

    def prepare(self, voices: Sequence[Voice]) -> None:
        """They are ready."""

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        self.wake = wake
        return say.sentence not in self.unprepared

    def idle(self) -> bool:
        self.pieces -= 1
        return self.pieces >= 0

    def begin(self, slot: int, say: Say) -> int:
        assert slot not in self.begun
        if say.text == "bad":
            raise EngineError("a bad text")
        self.begun[slot] = (say, 0)
        return 100

    def prefill(self, slot: int, positions: int) -> bool:
        say, _ = self.begun[slot]
        self.heard.append((say.sentence, positions))
        self.now += self.each * positions
        if say.text == "long":
            raise EngineError("a long text")
        return sum(n for request, n in self.heard if request == say.sentence) >= 100

    def launch(self, active: Sequence[int]) -> None:
        if len(active) > self.room:
            raise EngineError("no memory")
        self.steps.append([self.begun[slot][0].sentence for slot in active])
        self.flying.append([self._frame(slot) for slot in active])

    def collect(self) -> list[Frame]:
        frames = self.flying.pop(0)
        self.now += self.step * len(frames)
        return frames

    def _frame(self, slot: int) -> Frame:
        say, done = self.begun[slot]
        self.begun[slot] = (say, done + 1)
        if done < len(say.text):
            return Frame(bytes([say.sentence, done]))
        return Frame(b"", last=True, ended=True)

    def release(self, slot: int) -> None:
        del self.begun[slot]

    def end_reply(self, reply: int) -> None:
        self.over.append(reply)

    def step_seconds(self, n: int) -> float:
        return self.step * n if self.measured else math.inf

    def prefill_seconds(self, positions: int) -> float:
        return self.each * positions


class House:
    """A loop, its inbox, its clock and everything it sent."""

    def __init__(self, stage: CountingStage, least_limit: float = 15.0) -> None:
        self.inbox: SimpleQueue[ToChild | None] = SimpleQueue()
        self.sent: list[FromChild] = []
        self.stage = stage
        self.loop = FrameLoop(
            self.inbox, self.sent.append, stage, lambda: stage.now, least_limit=least_limit
        )

    def say(self, request: int, text: str, reply: int | None = None, client: str = "") -> None:
        self.inbox.put(Say(request, reply or request, client, text, VOICE))

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.inbox.put(None)  # nobody waits a second for a message
            self.loop.turn()

    def sound(self, request: int) -> list[int]:
        return [m.pcm[1] for m in self.sent if isinstance(m, Audio) and m.sentence == request]

    def done(self) -> list[int]:
        return [m.sentence for m in self.sent if isinstance(m, Done)]

    def limits(self) -> list[float]:
        return [message.limit for message in self.sent if isinstance(message, Working)]

    def late(self) -> list[int]:
        return [message.sentence for message in self.sent if isinstance(message, Late)]

    def failed(self) -> list[Failed]:
        return [message for message in self.sent if isinstance(message, Failed)]
