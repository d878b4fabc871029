"""A child process without a model: CSM's own frame loop over a runner that only waits.

Started by `COMMAND`; `Configure.settings` are `FakeSettings`. `fault` names what goes wrong, in
frame `fault_at` of a sentence (0: before its first sound) or while it starts.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Literal, NoReturn

import msgspec

from benchmarks.scripted_runner import Clock, Device, Script, ScriptedRunner
from tests.frames import frame
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.frame_loop import Frame, FrameLoop
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.pipe import Child
from wyoming_csm.worker.protocol import (
    Configure,
    Prepare,
    Prepared,
    Ready,
    Starting,
    Unavailable,
)

ROOT = Path(__file__).parents[2]
COMMAND = (  # from whatever folder it is started
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    "from tests.worker.fake_child import main; main()",
)

Fault = Literal[
    "none",
    "die",  # in a frame
    "hang",  # in a frame: it beats, but its working loop does not go round
    "stop",  # in a frame, as by SIGSTOP
    "fail",  # before the first frame: this sentence only
    "noise",  # in a frame: prints, from Python and from a process of its own
    "rubbish",  # in a frame: bytes that are no message
    "huge",  # in a frame: a message over the limit
    "silent",  # stopped while it starts
    "loading",  # for ever, beating
    "unavailable",
    "stubborn",  # speaks, but ignores the end of its input and SIGTERM
    "grandchild",  # starts a process that waits for ever, before it is ready
]


class FakeSettings(msgspec.Struct, kw_only=True):
    fault: Fault = "none"
    fault_at: int = 0
    once: str = ""  # a file: the fault happens only while it is missing, and makes it
    only_in: str = ""  # the text of the sentences it happens in; all, if empty
    frames: int = 5
    step_seconds: float = 0.0
    limit_seconds: float = 15.0  # of one computation
    slots: int = 4
    stamp: bool = False  # each frame begins with the time it was made, time.monotonic_ns()
    voices: tuple[Voice, ...] = ()


class RealClock(Clock):
    """The machine's time, in which waiting takes its time."""

    def __call__(self) -> float:
        return time.monotonic()

    def wait_until(self, moment: float) -> None:
        time.sleep(max(0.0, moment - time.monotonic()))


class FakeRunner(ScriptedRunner):
    """A step each `step_seconds`, and what goes wrong."""

    def __init__(self, child: Child, settings: FakeSettings) -> None:
        step = Device(lambda n: settings.step_seconds, lambda _: 0.0, 1.0, settings.slots, ahead=0)
        super().__init__(step, lambda say: Script(settings.frames, positions=1), RealClock())
        self._child = child
        self._settings = settings

    def prepare(self, voices: Sequence[Voice]) -> None:
        """A recording that is there can be used."""
        for clip in (clip for voice in voices for clip in voice.clips):
            fault = "" if Path(clip.path).exists() else "it is not there"
            self._child.send(Prepared(clip, fault))

    def prefill(self, sentence: Sentence, start: int, end: int) -> None:
        if self._settings.fault == "fail" and self._concerns(sentence):
            raise EngineError("told to fail")
        super().prefill(sentence, start, end)

    def frame(self, sentence: Sentence, number: int) -> Frame:
        here = self._concerns(sentence) and number == self._settings.fault_at
        if here and misbehaves(self._settings):
            go_wrong(self._settings.fault, self._child)
        if super().frame(sentence, number).is_end:
            return Frame(b"", is_end=True)
        stamp = time.monotonic_ns().to_bytes(8, "little") if self._settings.stamp else b""
        return Frame(stamp + frame(number)[len(stamp) :])

    def _concerns(self, sentence: Sentence) -> bool:
        return self._settings.only_in in ("", sentence.say.text)


def misbehaves(settings: FakeSettings) -> bool:
    """Whether the fault is to happen; it takes its one chance."""
    if not settings.once:
        return settings.fault != "none"
    marker = Path(settings.once)
    first = not marker.exists()
    marker.touch()
    return first


def go_wrong(fault: Fault, child: Child) -> None:
    pipe = child._sink
    match fault:
        case "die":
            os._exit(3)
        case "hang":
            wait_for_ever()
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "noise":
            print("a library's print")
            os.write(1, b"a library's write\n")
            subprocess.run([sys.executable, "-c", "print(input())"], check=False)
        case "rubbish":
            pipe.write(b"\x05\x00\x00\x00hello")
            pipe.flush()
        case "huge":
            pipe.write(b"\xff\xff\xff\x7f")
            pipe.flush()


def wait_for_ever() -> NoReturn:
    while True:
        Event().wait()


def start_wrong(settings: FakeSettings, child: Child) -> None:
    match settings.fault:
        case "silent":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "loading":
            child.send(Starting("loading for ever"))
            wait_for_ever()
        case "unavailable" if misbehaves(settings):
            child.send(Unavailable("it has no mouth", "give it one", passing=bool(settings.once)))
            sys.exit()
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child._gone = wait_for_ever
        case "grandchild":
            subprocess.Popen([sys.executable, "-c", "import threading as t; t.Event().wait()"])


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = Child.over_stdio()
    child.start()
    while isinstance(configure := child.inbox.get(), Prepare):
        pass
    assert isinstance(configure, Configure)
    settings = msgspec.convert(configure.settings, FakeSettings)
    child.send(Starting("warming up"))
    start_wrong(settings, child)
    child.send(Ready("fake child", settings.slots, settings.voices))
    runner = FakeRunner(child, settings)
    FrameLoop(child.inbox, child.send, runner, least_limit=settings.limit_seconds).run()
