"""A child process in simulated time: the real loops over a runner and a speaker that only wait."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    ToChild,
    decode_from_child,
    decode_to_child,
    encode,
)
from wyoming_csm.worker.sentence_loop import SentenceLoop

FRAME_SAMPLES = 1_920
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
    loading: float = 0.0
    preparing: float = 5.0


class Diary(Protocol):
    """Where is noted what slots do."""

    def begins(self, child: str, text: str, now: float) -> None:
        """A sentence got a slot."""

    def ends(self, child: str, text: str, now: float) -> None:
        """Its slot is free again."""


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
    """A frame for everyone in each step, and a diary of the slots."""

    def __init__(self, name: str, device: Device, worker: Worker, diary: Diary) -> None:
        takes = Machine(lambda _: device.step, lambda _: 0.0, 1.0, device.slots, ahead=0)
        clock = WorkersClock(worker)
        super().__init__(takes, lambda say: Script(frames_of(say.text), positions=1), clock)
        self._name, self._worker, self._diary = name, worker, diary
        self._preparing = device.preparing
        self._slow_at: float | None = None  # when that voice's clip is prepared

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        if say.voice.name != SLOW.name:
            return True
        if self._slow_at is None:
            self._slow_at = self._worker.now() + self._preparing
            self._worker.call_later(self._preparing, wake)
        return self._worker.now() >= self._slow_at

    def start(self, sentence: Sentence) -> None:
        super().start(sentence)
        self._diary.begins(self._name, sentence.say.text, self._worker.now())

    def release(self, sentence: Sentence) -> None:
        super().release(sentence)
        self._diary.ends(self._name, sentence.say.text, self._worker.now())

    def frame(self, sentence: Sentence, number: int) -> Frame:
        if super().frame(sentence, number).is_end:
            return Frame(b"", is_end=True)
        return Frame(pcm(sentence.say.text, number))


class SimulatedSpeaker:
    """One sentence after the other, a frame each step."""

    detail = "simulated"
    voices: tuple[Voice, ...] = ()
    warm_up: Sequence[tuple[str, Voice]] = ()

    def __init__(self, name: str, device: Device, worker: Worker, diary: Diary) -> None:
        self._name, self._device, self._worker, self._diary = name, device, worker, diary

    def say(self, text: str, voice: Voice) -> Iterator[bytes]:
        self._diary.begins(self._name, text, self._worker.now())
        try:
            for number in range(frames_of(text)):
                self._worker.sleep(self._device.step)
                yield pcm(text, number)
        finally:
            self._diary.ends(self._name, text, self._worker.now())


class SimulatedChild:
    """A child process and the pipe to it: a `ChildProcess` for the front, its end for its loop."""

    pid = 1

    def __init__(self, name: str, device: Device, diary: Diary) -> None:
        self._loop = asyncio.get_running_loop()
        self._from_child: asyncio.Queue[bytes] = asyncio.Queue()
        self._worker = Worker(self._act)
        self._name, self._device, self._diary = name, device, diary
        self._beat: asyncio.TimerHandle | None = None
        self.sent: list[FromChild] = []
        self.stopped = False  # as by SIGSTOP
        self._held: list[bytes] = []
        # Timers of one moment go off in any order, and what goes into a pipe comes out in its own.
        self._to_child: deque[ToChild] = deque()
        self._to_front: deque[bytes] = deque()

    # -- for the front

    def send(self, message: ToChild) -> None:
        if isinstance(message, Configure):
            self._loop.call_later(self._device.loading, self._worker.begin)
            self._beats()
            return
        self._to_child.append(decode_to_child(encode(message)[PREFIX_BYTES:]))
        self._loop.call_later(
            PIPE_SECONDS, lambda: self._worker.inbox.put(self._to_child.popleft())
        )

    async def receive(self) -> FromChild:
        if not (body := await self._from_child.get()):
            raise WorkerDied("its process ended")
        return decode_from_child(body)

    def kill(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
        self._worker.kill()
        self._from_child.put_nowait(b"")

    async def end(self) -> str:
        self.kill()
        return "ended"

    def stop(self) -> None:
        """As by SIGSTOP: nothing more comes from it until it goes on."""
        self.stopped = True

    def go_on(self) -> None:
        self.stopped = False
        for body in self._held:
            self._from_child.put_nowait(body)
        self._held.clear()

    def _beats(self) -> None:
        self._deliver(encode(Heartbeat())[PREFIX_BYTES:])
        self._beat = self._loop.call_later(1.0, self._beats)

    def _deliver(self, body: bytes) -> None:
        if self.stopped:
            self._held.append(body)
        else:
            self._from_child.put_nowait(body)

    # -- for its loop

    def _act(self) -> None:
        pipe = ChildEnd(self._worker, self._tell)
        self._tell(Ready(self._name, self._device.slots))
        if self._name.startswith("csm"):
            runner = SimulatedRunner(self._name, self._device, self._worker, self._diary)
            FrameLoop(pipe.inbox, pipe.send, runner, self._worker.now).run()
        speaker = SimulatedSpeaker(self._name, self._device, self._worker, self._diary)
        loop = SentenceLoop(pipe.inbox, pipe.send, speaker, self._worker.now)
        while True:
            loop.turn()

    def _tell(self, message: FromChild) -> None:
        self.sent.append(message)
        self._to_front.append(encode(message)[PREFIX_BYTES:])
        self._worker.call_later(PIPE_SECONDS, lambda: self._deliver(self._to_front.popleft()))


class ChildEnd:
    """What a loop needs of its pipe."""

    def __init__(self, worker: Worker, send: Callable[[FromChild], None]) -> None:
        self.inbox, self.send = worker.inbox, send
