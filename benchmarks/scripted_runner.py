"""A runner without a model: sentences do what their scripts say, and take a device's time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.frame_loop import Frame, Wait
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.protocol import Say


@dataclass
class Clock:
    """Simulated seconds; whatever works or waits moves them."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def wait_until(self, moment: float) -> None:
        """Let the time be that late."""
        self.now = max(self.now, moment)


@dataclass(frozen=True)
class Device:
    """Seconds of a step for n and of a prefill; `really` how much longer they take than told."""

    step: Callable[[int], float] = lambda n: 0.010 + 0.006 * n
    prefill: Callable[[int], float] = lambda positions: 0.030 + 0.0001 * positions
    really: float = 1.0
    slots: int = 8
    ahead: int = 1
    most: int = 1 << 30  # sentences in a step; with more its memory is too full
    measured: bool = True  # else what a step takes is not told


@dataclass(frozen=True)
class Script:
    """What a sentence does."""

    frames: int
    positions: int = 200  # of its prompt that nothing is cached of
    bad: bool = False  # it cannot begin
    unreadable: bool = False  # its prompt cannot be read


@dataclass(frozen=True)
class Launched:
    """A step: which sentences by their number, and when its frames are there."""

    sentences: list[int]
    at: float


@dataclass(eq=False)
class ScriptedRunner:
    """A `Runner` that notes what it is asked, and checks that it may be asked that.

    A device that is `ahead` works while the loop does not wait. Frame i of sentence s is 8 bytes:
    (s << 16) + i, little-endian.
    """

    device: Device
    script: Callable[[Say], Script]
    clock: Clock = field(default_factory=Clock)
    prepared_at: dict[int, float] = field(default_factory=dict)  # by sentence, if not at once
    idle_steps: int = 0  # of idle work
    steps: list[Launched] = field(default_factory=list)
    chunks: list[tuple[int, int]] = field(default_factory=list)  # sentence, positions
    ended: list[int] = field(default_factory=list)  # replies
    _slots: dict[int, tuple[Sentence, Script]] = field(default_factory=dict, init=False)
    _frames: dict[int, int] = field(default_factory=dict, init=False)  # launched, by sentence
    _read: dict[int, int] = field(default_factory=dict, init=False)  # positions, by sentence
    _in_flight: int = 0
    _free_at: float = 0.0

    def __post_init__(self) -> None:
        self.slots, self.ahead = self.device.slots, self.device.ahead

    @property
    def is_empty(self) -> bool:
        """True if no slot is taken and no frame is in flight."""
        return not self._slots and not self._in_flight

    @property
    def taken(self) -> int:
        """Return how many slots are taken."""
        return len(self._slots)

    @property
    def is_reading(self) -> bool:
        """True if a prompt is not read to its end."""
        return any(self._read[one.say.sentence] < one.positions for one, _ in self._slots.values())

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Do nothing: they are ready."""

    def is_prepared(self, say: Say) -> bool:
        """Return whether it is that late."""
        return self.clock() >= self.prepared_at.get(say.sentence, 0.0)

    def idle(self) -> bool:
        """Do one of the `idle_steps`."""
        self.idle_steps -= 1
        return self.idle_steps >= 0

    def start(self, sentence: Sentence) -> None:
        """Take a free slot."""
        assert sentence.slot in range(self.slots)
        assert sentence.slot not in self._slots
        script = self.script(sentence.say)
        if script.bad:
            raise EngineError("a bad text")
        sentence.positions = script.positions
        self._slots[sentence.slot] = sentence, script
        self._read[sentence.say.sentence] = self._frames[sentence.say.sentence] = 0

    def prefill(self, sentence: Sentence, start: int, end: int) -> None:
        """Take the time of a prefill."""
        assert self._read[sentence.say.sentence] == start < end <= sentence.positions
        self._read[sentence.say.sentence] = end
        self.chunks.append((sentence.say.sentence, end - start))
        self._work(self.device.prefill(end - start))
        if self._script_of(sentence).unreadable:
            raise EngineError("a long text")

    def launch(self, sentences: Sequence[Sentence]) -> Wait:
        """Take the time of a step."""
        assert len(set(sentences)) == len(sentences)
        assert self._in_flight <= self.ahead
        if len(sentences) > self.device.most:
            raise EngineError("no memory")
        made = []
        for sentence in sentences:
            assert self._read[sentence.say.sentence] == sentence.positions
            made.append(self.frame(sentence, self._frames[sentence.say.sentence]))
            self._frames[sentence.say.sentence] += 1
        self._work(self.device.step(len(sentences)))
        self.steps.append(Launched([one.say.sentence for one in sentences], self._free_at))
        self._in_flight += 1
        at = self._free_at
        return lambda: self._arrive(at, made)

    def read(self, sentence: Sentence, frame: Frame) -> tuple[list[bytes], bool]:
        """Return a frame as it is."""
        assert self._slots[sentence.slot][0] is sentence
        return [frame.pcm] if frame.pcm else [], frame.is_end

    def release(self, sentence: Sentence) -> None:
        """Free its slot."""
        assert self._slots.pop(sentence.slot)[0] is sentence

    def end_reply(self, reply: int) -> None:
        """Note it."""
        self.ended.append(reply)

    def step_seconds(self, n: int) -> float:
        """Return what was measured at the start."""
        return self.device.step(n) if self.device.measured else float("inf")

    def prefill_seconds(self, positions: int) -> float:
        """Return what it really takes: that is learned."""
        return self.device.prefill(positions) * self.device.really

    def frame(self, sentence: Sentence, number: int) -> Frame:
        """Make a sentence's frame of that number."""
        if number >= self._script_of(sentence).frames:
            return Frame(b"", is_end=True)
        return Frame(((sentence.say.sentence << 16) + number).to_bytes(8, "little"))

    def _arrive(self, at: float, frames: list[Frame]) -> list[Frame]:
        self._in_flight -= 1
        self.clock.wait_until(at)
        return frames

    def _script_of(self, sentence: Sentence) -> Script:
        holder, script = self._slots[sentence.slot]
        assert holder is sentence
        return script

    def _work(self, seconds: float) -> None:
        self._free_at = max(self._free_at, self.clock()) + seconds * self.device.really
        if not self.ahead:
            self.clock.wait_until(self._free_at)
