"""A child process in simulated time: the real loops over a runner and a speaker that only wait."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.scripted_runner import Clock, Script, ScriptedRunner
from benchmarks.scripted_runner import Device as Machine
from tests.fakes import fake_voice
from tests.simulated_time import PIPE_SECONDS, Worker
from wyoming_csm.errors import WorkerDied
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.frame_loop import Frame, FrameLoop
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.protocol import (
    PREFIX_BYTES,
    Configure,
    FromChild,
    Heartbeat,
    Ready,
    Say,
    Stop,
    ToChild,
    decode_from_child,
    decode_to_child,
    encode,
)
from wyoming_csm.worker.sentence_loop import SentenceLoop

FRAME_SAMPLES = 1_920
LEAVE_SECONDS = 2.0  # until a stopped process is killed
ANNA = fake_voice("anna", engine="csm")
SLOW = fake_voice("slow", engine="csm")  # its clip takes `Device.preparing` seconds
PICO = fake_voice("pico", engine="system")


_LETTERS = str.maketrans("0123456789", "abcdefghij")  # digits would become words on the way
_DIGITS = str.maketrans("abcdefghij", "0123456789")


def sentence(number: int, frames: int) -> str:
    """A text by whose number it is known again, and that is spoken in so many frames."""
    return f"Say {number:05} for {frames} frames.".translate(_LETTERS)


def frames_of(text: str) -> int:
    return int(text.split()[3].translate(_DIGITS))


def number_of(text: str) -> int:
    return int(text.split()[1].translate(_DIGITS))


def pcm(text: str, frame: int) -> bytes:
    """The sound of one frame, by which sentence and frame are known again."""
    return (number_of(text) << 16 | frame).to_bytes(8, "little").ljust(2 * FRAME_SAMPLES, b"\1")


@dataclass(frozen=True)
class Device:
    """A child's machine: how long things take on it."""

    slots: int = 1
    step: float = 0.010
    reading: float = 0.0  # a prompt
    loading: float = 0.0
    preparing: float = 5.0


class Moment(NamedTuple):
    """Something that a child or one of its slots did."""

    at: float
    what: str  # asked, taken back, begins, ends; of the child: stops, goes on, dismissed, dies
    text: str = ""


Note = Callable[[str, str], None]  # what, and with which sentence


class WorkersClock(Clock):
    """The time of a worker's thread."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __call__(self) -> float:
        return self._worker.now()

    def wait_until(self, moment: float) -> None:
        if moment > self._worker.now():
            self._worker.sleep(moment - self._worker.now())


class SimulatedRunner(ScriptedRunner):
    """A frame for everyone in each step; it notes what the slots do."""

    def __init__(self, device: Device, worker: Worker, note: Note) -> None:
        takes = Machine(
            lambda _: device.step, lambda _: device.reading, slots=device.slots, ahead=0
        )
        clock = WorkersClock(worker)
        super().__init__(takes, lambda say: Script(frames_of(say.text), positions=1), clock)
        self._worker, self._note = worker, note
        self._preparing = device.preparing
        self._slow_at: float | None = None  # when that voice's clip is prepared

    def is_prepared(self, say: Say) -> bool:
        if say.voice.name != SLOW.name:
            return True
        if self._slow_at is None:
            self._slow_at = self._worker.now() + self._preparing
            self._worker.call_later(self._preparing, lambda: self._worker.inbox.put(None))
        return self._worker.now() >= self._slow_at

    def start(self, sentence: Sentence) -> None:
        super().start(sentence)
        self._note("begins", sentence.say.text)

    def release(self, sentence: Sentence) -> None:
        super().release(sentence)
        self._note("ends", sentence.say.text)

    def frame(self, sentence: Sentence, number: int) -> Frame:
        if super().frame(sentence, number).is_end:
            return Frame(b"", is_end=True)
        return Frame(pcm(sentence.say.text, number))


class SimulatedSpeaker:
    """One sentence after the other, a frame each step."""

    detail = "simulated"
    voices: tuple[Voice, ...] = ()
    warm_up: Sequence[tuple[str, Voice]] = ()
    identity = ""

    def __init__(self, device: Device, worker: Worker, note: Note) -> None:
        self._device, self._worker, self._note = device, worker, note

    def say(self, text: str, voice: Voice, rate: float = 1.0) -> Iterator[bytes]:
        self._note("begins", text)
        try:
            self._worker.sleep(self._device.reading)
            for number in range(frames_of(text)):
                self._worker.sleep(self._device.step)
                yield pcm(text, number)
        finally:
            self._note("ends", text)


class SimulatedChild:
    """A child process and the pipe to it: a `ChildProcess` for the front, its end for its loop."""

    pid = 1

    def __init__(self, name: str, device: Device) -> None:
        self.name, self._device = name, device
        self.moments: list[Moment] = []
        self.dead = False
        self.clients: dict[str, str] = {}  # of the texts it was asked for
        self._texts: dict[int, str] = {}
        self._loop = asyncio.get_running_loop()
        self._from_child: asyncio.Queue[bytes] = asyncio.Queue()
        self._worker = Worker(self._act)
        self._stopped = False
        self._load: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        # Timers of one moment go off in any order, and what goes into a pipe comes out in its own.
        self._to_child: deque[ToChild] = deque()
        self._to_front: deque[bytes] = deque()

    # -- for the front

    def send(self, message: ToChild) -> None:
        if self.dead:
            raise WorkerDied("its process ended")
        if isinstance(message, Configure):
            self._load = self._loop.call_later(self._device.loading, self._worker.begin)
            self._beats()
            return
        self._to_child.append(decode_to_child(encode(message)[PREFIX_BYTES:]))
        self._loop.call_later(PIPE_SECONDS, self._arrives)

    async def receive(self) -> FromChild:
        if not (body := await self._from_child.get()):
            raise WorkerDied("its process ended")
        return decode_from_child(body)

    def kill(self) -> None:
        if not self.dead:
            self.dead = True
            for timer in (self._load, self._beat):
                if timer is not None:
                    timer.cancel()
            self._note("dies")
            self._worker.kill()
            self._deliver(b"")

    async def end(self) -> str:
        if not self.dead:
            self._note("dismissed")
            await asyncio.sleep(LEAVE_SECONDS if self._stopped else 0)  # it is asked, and told
        self.kill()
        return "ended"

    @property
    def lost_at(self) -> float:
        """When nothing more was to come of it; inf: it lives."""
        gone = (one.at for one in self.moments if one.what in ("dismissed", "dies"))
        return next(gone, math.inf)

    # -- what may go wrong

    def stop(self) -> None:
        """As by SIGSTOP: it does nothing until it goes on."""
        self._stopped = True
        self.hang()

    def hang(self) -> None:
        """It beats, and does nothing else until it goes on."""
        if not self.dead:
            self._worker.pause()
            self._note("stops")

    def go_on(self) -> None:
        self._stopped = False
        if self.lost_at < math.inf:
            self.kill()  # its input has ended
        else:
            self._note("goes on")
            self._worker.go_on()

    def _beats(self) -> None:
        if not self._stopped:
            self._deliver(encode(Heartbeat())[PREFIX_BYTES:])
        self._beat = self._loop.call_later(1.0, self._beats)

    def _arrives(self) -> None:
        message = self._to_child.popleft()
        if isinstance(message, Say):
            self._texts[message.sentence] = message.text
            self.clients[message.text] = message.client
            self._note("asked", message.text)
        elif isinstance(message, Stop):
            self._note("taken back", self._texts[message.sentence])
        self._worker.inbox.put(message)

    def _deliver(self, body: bytes) -> None:
        self._to_front.append(body)
        self._loop.call_later(PIPE_SECONDS, self._comes_out)

    def _comes_out(self) -> None:
        self._from_child.put_nowait(self._to_front.popleft())

    def _note(self, what: str, text: str = "") -> None:
        self.moments.append(Moment(self._loop.time(), what, text))

    # -- for its loop

    def _act(self) -> None:
        pipe = ChildEnd(self._worker, self._tell)
        self._tell(Ready(self.name, self._device.slots))
        if self.name.startswith("csm"):
            runner = SimulatedRunner(self._device, self._worker, self._note)
            FrameLoop(pipe.inbox, pipe.send, runner, self._worker.now).run()
        speaker = SimulatedSpeaker(self._device, self._worker, self._note)
        loop = SentenceLoop(pipe.inbox, pipe.send, speaker, self._worker.now)
        while True:
            loop.turn()

    def _tell(self, message: FromChild) -> None:
        self._to_front.append(encode(message)[PREFIX_BYTES:])
        self._worker.call_later(PIPE_SECONDS, self._comes_out)


class ChildEnd:
    """What a loop needs of its pipe."""

    def __init__(self, worker: Worker, send: Callable[[FromChild], None]) -> None:
        self.inbox, self.send = worker.inbox, send
