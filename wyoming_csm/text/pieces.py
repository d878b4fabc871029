"""What the text path hands on: sentences to be spoken, and pauses between them."""

from dataclasses import dataclass
from enum import Enum


class Joint(Enum):
    """What stands between two sentences."""

    SENTENCE = "sentence"  # nothing, or a pause that the text asks for
    ITEM = "item"  # the end of a line, of a list's item, of a table's row
    PARAGRAPH = "paragraph"  # a blank line, a heading's end


@dataclass(frozen=True)
class Speak:
    """One sentence (or clause of a long one), clean enough to be read aloud as it stands."""

    text: str
    gain: float = 0.0  # dB that its sound is made louder; -inf: as long, but silent
    voice: str = ""  # the name of another voice than the request's, if there is one
    before: Joint = Joint.SENTENCE  # between the sentence before it and this one


@dataclass(frozen=True)
class Pause:
    """Silence that the text asks for."""

    seconds: float


Piece = Speak | Pause
