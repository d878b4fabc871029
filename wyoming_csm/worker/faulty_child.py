"""A child's end of the pipe on which things go wrong, as the fault switch says."""

import os
import signal
from threading import Event

from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.faults import Switch
from wyoming_csm.worker.pipe import Child
from wyoming_csm.worker.protocol import Audio, Done, FromChild, Ready

_MORE, _MORE_BYTES = 100, 2 * BYTES_PER_SECOND  # chunks of a sentence without end: minutes


class FaultyChild(Child):
    """Speaks for a child, which goes on reading and beating by itself."""

    def __init__(self, child: Child, switch: Switch) -> None:
        """Take over what `child` would send from now on."""
        super().__init__(child.source, child.sink, child.gone)
        self.inbox = child.inbox
        self._switch = switch
        self._last = Audio(0, b"")
        self._chunk = 0  # of its sentence

    def send(self, message: FromChild) -> None:
        """Send a message, or what comes of it."""
        match message:
            case Ready() if self._switch.number("unready") is not None:
                os._exit(3)
            case Audio(sentence):
                self._chunk = self._chunk + 1 if sentence == self._last.sentence else 0
                self._last = message
                self._trouble()
            case Done() if self._switch.number("endless") is not None:
                pcm = self._last.pcm
                long = (pcm * (_MORE_BYTES // max(1, len(pcm)) + 1))[:_MORE_BYTES]
                for _ in range(_MORE):
                    super().send(Audio(self._last.sentence, long))
                return
        super().send(message)

    def _trouble(self) -> None:
        for fault in ("die", "hang", "stop", "garbage"):
            if self._switch.number(fault) == self._chunk:
                go_wrong(fault, self)
        if (milliseconds := self._switch.number("slow")) is not None:
            Event().wait(milliseconds / 1000)


def go_wrong(fault: str, child: Child) -> None:
    """Do now what a child that is at its end does: `die`, `hang`, `stop`, or send `garbage`."""
    match fault:
        case "die":
            os._exit(3)
        case "hang":  # it beats, but its working loop does not go round
            Event().wait()
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "garbage":
            child.sink.write(b"\x05\x00\x00\x00hello")
            child.sink.flush()
