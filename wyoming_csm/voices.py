"""What a voice is: one entry of the list that a user picks from.

A recording is a file of sound. A clip is a recording and exactly the words spoken in it: from it
CSM takes how a person sounds. A recorded voice has such a clip; all other voices have none.
"""

import hashlib

import msgspec

from wyoming_csm.text.pieces import bounded

BARE_SPEAKERS = 4  # voices of CSM without a clip: speaker_0 to speaker_3


class Clip(msgspec.Struct, frozen=True):
    """A recording and its words. `version` changes when the file at `path` does; `content` is the
    same for the same bytes, wherever they are."""

    path: str
    text: str
    version: str = ""
    content: str = ""


class Manner(msgspec.Struct, frozen=True):
    """How a preset's voice is spoken: CSM's temperature, how many times as fast, dB to add, and
    seconds of silence after a sentence; None: as configured."""

    temperature: float | None = None
    rate: float = 1.0
    gain: float = 0.0
    pause: float | None = None


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """A name to pick, and what an engine needs to speak with it.

    `engine` names the engine that the voice belongs to. `speaker` is CSM's speaker number, or the
    name of a speaker in a model of several; `speakers` are the names that a request may choose
    among. `fault` says why the voice cannot be used: another voice speaks instead. `base` is the
    name of the voice that a preset is made of, `manner` what is its own. `rates`: how slowly
    and how fast its engine can speak with it, of 1.0; any other rate is made of its sound. `speed`
    is a factor of every rate, as configured. `last`: this machine is not made for it, and it comes
    behind the others.
    """

    name: str
    language: str
    description: str
    engine: str
    speaker: str = ""
    speakers: tuple[str, ...] = ()
    clips: tuple[Clip, ...] = ()
    fault: str = ""
    base: str = ""
    manner: Manner = Manner()
    rates: tuple[float, float] = (1.0, 1.0)
    speed: float = 1.0
    last: bool = False

    @property
    def content(self) -> str:
        """Return a mark of what is its own of its sound: clips, their words, a preset's manner, the
        speed; "" if nothing is. Voices that are alike in these have the same one everywhere."""
        own = [[(clip.content, clip.text) for clip in self.clips], self.manner, self.speed]
        if own == [[], Manner(), 1.0]:
            return ""
        return hashlib.sha256(msgspec.json.encode([self.speaker, *own])).hexdigest()[:8]

    def full_rate(self, rate: float) -> float:
        """Return how many times as fast as its engine's usual it is at a rate, as configured."""
        return bounded(rate * self.speed)

    def own_rate(self, rate: float) -> float:
        """Return the nearest to that which its engine can speak at."""
        slowest, fastest = self.rates
        return min(max(self.full_rate(rate), slowest), fastest)
