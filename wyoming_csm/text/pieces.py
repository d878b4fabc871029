"""What the text path hands on: sentences to be spoken, and pauses between them."""

from dataclasses import dataclass
from enum import Enum


class Joint(Enum):
    """What stands between two sentences."""

    PHRASE = "phrase"  # nothing: what stands before goes on, only in another manner
    SENTENCE = "sentence"  # a sentence's or a clause's end, or a pause that the text asks for
    ITEM = "item"  # the end of a line, of a list's item, of a table's row
    PARAGRAPH = "paragraph"  # a blank line, a heading's end


SLOWEST, FASTEST = 0.25, 4.0  # rates


@dataclass(frozen=True)
class Speak:
    """One sentence (or clause of a long one), clean enough to be read aloud as it stands."""

    text: str
    gain: float = 0.0  # dB that its sound is made louder; -inf: as long, but silent
    voice: str = ""  # the name of another voice than the request's, if there is one
    rate: float = 1.0  # so many times as fast as usual, SLOWEST to FASTEST
    language: str = ""  # of the words, if the text says it, as in "de-CH"
    inner: bool = False  # the language is asked for inside of that voice's words
    before: Joint = Joint.SENTENCE  # between the sentence before it and this one


@dataclass(frozen=True)
class Pause:
    """Silence that the text asks for; that of a whole pause, with the sentence's own."""

    seconds: float


Piece = Speak | Pause


def bounded(rate: float) -> float:
    """Return the rate, or the nearest that there is."""
    return min(max(rate, SLOWEST), FASTEST)
