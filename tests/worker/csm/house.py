"""A frame loop over a scripted runner, with a clock that only its steps move."""

from queue import SimpleQueue

from benchmarks.scripted_runner import Clock, Device, Script, ScriptedRunner
from benchmarks.simulation import VOICE
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.protocol import (
    Audio,
    Begun,
    Done,
    Failed,
    FromChild,
    Late,
    Say,
    ToChild,
    Working,
)


def device(
    slots: int = 2, ahead: int = 0, step: float = 0.01, each: float = 0.0, most: int = 99
) -> Device:
    """`step` for each sentence, `each` for each position of a prompt."""
    return Device(lambda n: step * n, lambda positions: each * positions, 1.0, slots, ahead, most)


class House:
    """A sentence of n characters lasts n frames; "bad" cannot begin, "long" cannot be read."""

    def __init__(self, runs_on: Device | None = None, least_seconds: float = 15.0) -> None:
        self.inbox: SimpleQueue[ToChild | None] = SimpleQueue()
        self.sent: list[FromChild] = []
        self.clock = Clock(100.0)
        self.runner = ScriptedRunner(runs_on or device(), self._script, self.clock)
        self.loop = FrameLoop(
            self.inbox, self.sent.append, self.runner, self.clock, least_seconds=least_seconds
        )

    def say(self, number: int, text: str, reply: int | None = None, client: str = "") -> None:
        self.inbox.put(Say(number, reply or number, client or str(number), text, VOICE))

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.inbox.put(None)  # it waits for no message
            self.loop.turn()

    @property
    def steps(self) -> list[list[int]]:
        return [step.sentences for step in self.runner.steps]

    def sound(self, number: int) -> list[int]:
        """The numbers of a sentence's frames."""
        frames = [m.pcm for m in self.sent if isinstance(m, Audio) and m.sentence == number]
        whole = [int.from_bytes(pcm, "little") for pcm in frames]
        assert all(frame >> 16 == number for frame in whole)
        return [frame & 0xFFFF for frame in whole]

    def begun(self) -> list[int]:
        return [message.sentence for message in self.sent if isinstance(message, Begun)]

    def done(self) -> list[int]:
        return [message.sentence for message in self.sent if isinstance(message, Done)]

    def late(self) -> list[int]:
        return [message.sentence for message in self.sent if isinstance(message, Late)]

    def failed(self) -> list[Failed]:
        return [message for message in self.sent if isinstance(message, Failed)]

    def limits(self) -> list[float]:
        return [message.limit_seconds for message in self.sent if isinstance(message, Working)]

    def _script(self, say: Say) -> Script:
        return Script(len(say.text), 100, bad=say.text == "bad", unreadable=say.text == "long")
