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
AT_ONCE = 2  # frames of sound: what ends after these is begun again, though they may be sent
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

    A sentence that ends at once, after a frame or two of sound, is begun again as well. Nobody
    knows of that end before the next frame is there: a listener that waits for the first sound
    gets those frames as they come, and hears up to 160 ms before the sentence begins anew. For
    one that is `patient`, as it has sound left to play, they wait, and it notices nothing.
    """

    def __init__(
        self, usual: Usual, text: str, limit: int, rules: RulesName, patient: bool = False
    ) -> None:
        """Take what is usual of the voice, and `limit`, frames of one try at most."""
        self._made_of = usual, text, limit, rules
        self._guard = Guard(*self._made_of)
        self._waiting: list[bytes] = []
        self._sent = False  # a part of this try
        self._patience = AT_ONCE if patient and rules != "none" else 0
        self._try = 1

    def frame(self, pcm: bytes, codes: "Tensor | None" = None) -> Outcome:
        """Take a frame with sound."""
        verdict = self._guard.judge(pcm, codes)
        self._waiting.append(pcm)
        if verdict.level is Level.BAD:
            return self._went_bad(verdict)
        if verdict.level is Level.GOOD:
            at_once = not self._sent and self._guard.sounding <= self._patience
            return self._send(0 if at_once else len(self._waiting))
        return self._send(len(self._waiting) - LOOK_AHEAD if self._guard.sounded else 0)

    def end(self) -> Outcome:
        """Take the frame that ends it."""
        if not (self._sent or self._guard.sounded):
            return self._went_bad(Verdict(Level.BAD, "it ended before it sounded"))
        if not self._guard.ended_early:
            self._guard.learn()
            return self._send(len(self._waiting))._replace(then=Then.ENDED)
        if not self._sent:
            return self._went_bad(Verdict(Level.BAD, _EARLY))
        if self._guard.sounding <= AT_ONCE and self._try < MOST_TRIES:
            return self._again(_EARLY)
        return self._send(len(self._waiting))._replace(then=Then.CUT, reason=_EARLY)

    def _went_bad(self, verdict: Verdict) -> Outcome:
        waiting = self._waiting
        if self._sent:
            return Outcome([_fade_out(waiting[0])], Then.CUT, verdict.reason)
        if self._try < MOST_TRIES:
            return self._again(verdict.reason)
        # The best of what there is; silence is nothing, and another engine speaks.
        sound = [*waiting[:-1], _fade_out(waiting[-1])] if self._guard.sounded else []
        return Outcome(sound, Then.CUT, verdict.reason)

    def _again(self, reason: str) -> Outcome:
        self._try += 1
        self._sent, self._waiting = False, []
        self._guard = Guard(*self._made_of)
        return Outcome([], Then.AGAIN, reason)

    def _send(self, count: int) -> Outcome:
        sound = self._waiting[: max(count, 0)]
        self._waiting = self._waiting[len(sound) :]
        self._sent = self._sent or bool(sound)
        return Outcome(sound)


def _fade_out(pcm: bytes) -> bytes:
    samples = from_pcm(pcm)
    curve = np.cos(np.linspace(0, np.pi / 2, len(samples), dtype=np.float32)) ** 2
    return to_pcm(samples * curve)
