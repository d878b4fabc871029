"""A device that takes simulated time, and a stage on it that counts what it is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.protocol import Say

PIPE_SECONDS = 0.005  # from a sentence's end to its reply's next


@dataclass
class Clock:
    """Seconds since the beginning; whoever works moves it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Sentence:
    frames: int
    positions: int = 200  # of its prompt that nothing is kept of
    after: float = PIPE_SECONDS  # since the end of the one before, or since the listener came
    stopped: float | None = None  # so long after it was asked for
    bad: bool = False


@dataclass(frozen=True)
class Device:
    """Seconds: of a step for n, of a prefill; `really` how much longer they take than told."""

    step: Callable[[int], float] = lambda n: 0.010 + 0.006 * n
    prefill: Callable[[int], float] = lambda positions: 0.030 + 0.0001 * positions
    really: float = 1.0
    slots: int = 8
    ahead: int = 1


@dataclass
class Told:
    """What became of one sentence, in seconds since the beginning."""

    sentence: Sentence
    reply: int
    asked: float
    begun: float | None = None
    stopped: float | None = None
    sound: list[float] = field(default_factory=list)  # when each frame came
    done: float | None = None
    late: float | None = None
    failed: float | None = None
    reason: str = ""
    nobody: int = 0  # frames launched after it was stopped, and the one under way then

    def is_over(self, now: float) -> bool:
        left = self.stopped is not None and self.stopped < now
        return left or self.done is not None or self.failed is not None


@dataclass
class _Slot:
    request: int
    told: Told
    heard: int = 0  # positions
    frames: int = 0  # launched


class SimulatedStage:
    """Counts, and takes the device's time; a device that is `ahead` works while the loop does not
    wait."""

    def __init__(self, device: Device, clock: Clock, told: Mapping[int, Told]) -> None:
        self.slots = device.slots
        self.ahead = device.ahead
        self.launched: list[list[int]] = []  # requests
        self.pieces: list[tuple[int, int]] = []  # request, positions
        self._device = device
        self._clock = clock
        self._told = told
        self._taken: dict[int, _Slot] = {}
        self._flights: list[tuple[float, list[tuple[_Slot, int]]]] = []
        self._free_at = 0.0

    @property
    def steps(self) -> list[int]:
        """How many stepped together."""
        return [len(requests) for requests in self.launched]

    @property
    def is_empty(self) -> bool:
        return not self._taken and not self._flights

    def prepare(self, voices: Sequence[Voice]) -> None:
        """They are ready."""

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        return True

    def idle(self) -> bool:
        return False

    def begin(self, slot: int, say: Say) -> int:
        assert slot in range(self.slots)
        assert slot not in self._taken
        told = self._told[say.sentence]
        if told.sentence.bad:
            raise EngineError("a bad text")
        told.begun = self._clock.now
        self._taken[slot] = _Slot(say.sentence, told)
        return told.sentence.positions

    def prefill(self, slot: int, positions: int) -> bool:
        taken = self._taken[slot]
        assert taken.heard < taken.told.sentence.positions
        piece = min(positions, taken.told.sentence.positions - taken.heard)
        taken.heard += piece
        self.pieces.append((taken.request, piece))
        self._work(self._device.prefill(piece))
        return taken.heard == taken.told.sentence.positions

    def launch(self, active: Sequence[int]) -> None:
        assert len(set(active)) == len(active) <= self.slots
        assert len(self._flights) <= self.ahead
        made = []
        for slot in active:
            taken = self._taken[slot]
            assert taken.heard == taken.told.sentence.positions
            made.append((taken, taken.frames))
            taken.frames += 1
        self.launched.append([self._taken[slot].request for slot in active])
        self._work(self._device.step(len(active)))
        self._flights.append((self._free_at, made))

    def collect(self) -> list[Frame]:
        ready, made = self._flights.pop(0)
        self._clock.now = max(self._clock.now, ready)
        for taken, _ in made:
            if taken.told.stopped is not None and ready > taken.told.stopped:
                taken.told.nobody += 1
        return [self._frame(taken, number) for taken, number in made]

    def release(self, slot: int) -> None:
        del self._taken[slot]

    def end_reply(self, reply: int) -> None:
        pass

    def step_seconds(self, n: int) -> float:
        return self._device.step(n)

    def prefill_seconds(self, positions: int) -> float:
        return self._device.prefill(positions) * self._device.really  # it learns

    def _work(self, seconds: float) -> None:
        self._free_at = max(self._free_at, self._clock.now) + seconds * self._device.really
        if not self.ahead:
            self._clock.now = self._free_at

    def _frame(self, taken: _Slot, number: int) -> Frame:
        frames = taken.told.sentence.frames
        if number >= frames:
            return Frame(b"", last=number == frames, ended=number == frames)
        return Frame(((taken.request << 16) + number).to_bytes(8, "little"))
