"""What is sent of a sentence while it is made: at once, a little later while it is suspicious, or
not at all; and how it ends."""

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wyoming_csm.audio import from_pcm, to_pcm
from wyoming_csm.worker.csm.guard import LOOK_AHEAD, Guard, Level, RulesName, Verdict
from wyoming_csm.worker.csm.usual import Usual

if TYPE_CHECKING:
    from torch import Tensor

MOST_TRIES = 3
_EARLY = "it ended before all can have been said"


class Then(Enum):
    """What comes after a frame."""

    MORE = "more"
    AGAIN = "again"  # from the beginning, with another seed
    ENDED = "ended"
    CUT = "cut"  # it went bad: no context for what follows


class Outcome(NamedTuple):
    """Frames to be sent now, as s16le, what comes then, and why, if that is a fault."""

    sound: list[bytes]
    then: Then = Then.MORE
    reason: str = ""


class Ending:
    """Takes a sentence's frames, of one try after another.

    Frames are sent as they come, to the bit. While the guard is suspicious they wait, at most
    LOOK_AHEAD of them; silence before the first sound waits for that. What went bad before
    anything was sent is begun again, at most twice; later it is cut where suspicion arose.
    """

    def __init__(self, usual: Usual, text: str, limit: int, rules: RulesName) -> None:
        """Take what is usual of the voice, and `limit`, frames of one try at most."""
        self._made_of = usual, text, limit, rules
        self._guard = Guard(*self._made_of)
        self._waiting: list[bytes] = []
        self._sent = False
        self._try = 1

    def frame(self, pcm: bytes, codes: "Tensor | None" = None) -> Outcome:
        """Take a frame with sound."""
        verdict = self._guard.judge(pcm, codes)
        self._waiting.append(pcm)
        if verdict.level is Level.BAD:
            return self._went_bad(verdict)
        if verdict.level is Level.GOOD:
            return self._send(len(self._waiting))
        return self._send(len(self._waiting) - LOOK_AHEAD if self._guard.sounded else 0)

    def end(self) -> Outcome:
        """Take the frame that ends it."""
        if not (self._sent or self._guard.sounded):
            return self._went_bad(Verdict(Level.BAD, "it ended before it sounded"))
        if self._guard.ended_early and not self._sent:
            return self._went_bad(Verdict(Level.BAD, _EARLY))
        if self._guard.ended_early:
            return self._send(len(self._waiting))._replace(then=Then.CUT, reason=_EARLY)
        self._guard.learn()
        return self._send(len(self._waiting))._replace(then=Then.ENDED)

    def _went_bad(self, verdict: Verdict) -> Outcome:
        waiting, self._waiting = self._waiting, []
        if self._sent:
            return Outcome([_fade_out(waiting[0])], Then.CUT, verdict.reason)
        if self._try < MOST_TRIES:
            self._try += 1
            self._guard = Guard(*self._made_of)
            return Outcome([], Then.AGAIN, verdict.reason)
        # The best of what there is; silence is nothing, and another engine speaks.
        sound = [*waiting[:-1], _fade_out(waiting[-1])] if self._guard.sounded else []
        return Outcome(sound, Then.CUT, verdict.reason)

    def _send(self, count: int) -> Outcome:
        sound = self._waiting[: max(count, 0)]
        self._waiting = self._waiting[len(sound) :]
        self._sent = self._sent or bool(sound)
        return Outcome(sound)


def _fade_out(pcm: bytes) -> bytes:
    samples = from_pcm(pcm)
    curve = np.cos(np.linspace(0, np.pi / 2, len(samples), dtype=np.float32)) ** 2
    return to_pcm(samples * curve)
