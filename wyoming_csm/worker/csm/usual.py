"""What is usual of each voice: how long it takes for words, how loud it is; and how long is too
long."""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.cost import FRAME_SECONDS, FRAMES_PER_SECOND

# People do not speak slower than this: what is longer is babble that does not end.
_SECONDS = 4.0
_SECONDS_PER_CHARACTER = 0.2
_SECONDS_PER_WORD = 0.75  # 80 a minute, where a slow reader has 100
# A digit, a word, or a symbol that is read out, as % and +.
_SPOKEN = re.compile(r"\d|[^\W\d_]+|[%&+@#/*=<>°§$\u00a3\u20ac]")

_KNOWN = 3  # sentences from which on a voice's own pace and level count
_MARGIN_SECONDS, _MARGIN = 2.0, 2.0  # a sentence takes so much longer than is usual at most
_NEW_SECONDS, _NEW_PACE = 4.0, 0.6  # of a voice that is not known yet: 90 words a minute
_QUICKEST_PACE = 0.12  # nobody speaks three times as quick as people do
_LEAST_FRAMES = 2  # of a word: the shortest of Pico's sound for 0.13 s
_LEAST_WEIGHT = 1 / 16  # of the newest sentence in a mean
_MOST_VOICES = 256


@dataclass
class Usual:
    """Means over a voice's sentences that ended well."""

    sentences: int = 0
    pace: float = 0.0  # seconds for what `_slowest` calls a second
    level: float = -22.0  # dB below full scale, of what sounds
    variety: float = 0.0  # different first codes in a window (see guard.py)

    @property
    def is_known(self) -> bool:
        """True once enough was said to tell what is unusual."""
        return self.sentences >= _KNOWN

    def limit(self, text: str, most: int) -> int:
        """Return the frames after which `text` does not end any more, at most `most`."""
        slowest = _slowest(text)
        seconds = _NEW_SECONDS + _NEW_PACE * slowest
        if self.is_known:
            seconds = _MARGIN_SECONDS + _MARGIN * self.pace * slowest
        return min(most, int(seconds * FRAMES_PER_SECOND))

    def too_short(self, text: str, frames: int) -> bool:
        """Return whether nobody can say `text` in so many frames; one word takes two at least."""
        if (words := _words(text)) <= 3:
            return words > 0 and frames < _LEAST_FRAMES
        return frames * FRAME_SECONDS < _QUICKEST_PACE * _slowest(text)

    def learn(self, text: str, frames: int, level: float, variety: float) -> None:
        """Count a sentence that ended well: its frames, the level and the variety of it."""
        self.sentences += 1
        weight = max(1 / self.sentences, _LEAST_WEIGHT)
        self.pace += weight * (frames * FRAME_SECONDS / max(_slowest(text), 0.1) - self.pace)
        self.level += weight * (level - self.level)
        self.variety += weight * (variety - self.variety)


class UsualVoices:
    """What is usual, by voice; of the voices that spoke last."""

    def __init__(self, make: Callable[[], Usual] = Usual) -> None:
        """Begin with `make` for each."""
        self._make = make
        self._known: OrderedDict[Voice, Usual] = OrderedDict()

    def of(self, voice: Voice) -> Usual:
        """Return what is usual of a voice: it goes on learning in it."""
        usual = self._known.setdefault(voice, self._make())
        self._known.move_to_end(voice)
        if len(self._known) > _MOST_VOICES:
            self._known.popitem(last=False)
        return usual


def frame_limit(text: str, most_seconds: float, room: int) -> int:
    """Return the frames after which `text` is cut whoever speaks, at most `most_seconds`.

    4 s and 0.2 s a character: for words that is plenty. Digits and lone capitals are whole
    words: for these it is more, as far as there are `room` frames.
    """
    least = min(_SECONDS + _SECONDS_PER_CHARACTER * len(text), most_seconds)
    slowly = min(_SECONDS + _SECONDS_PER_WORD * _words(text), most_seconds)
    return max(int(least * FRAMES_PER_SECOND), min(int(slowly * FRAMES_PER_SECOND), room))


def repeats(text: str) -> int:
    """Return how often a word of the text follows itself: "no, no, no" is 2."""
    words = [word.lower() for word in _SPOKEN.findall(text)]
    most = run = 0
    for before, word in pairwise(words):
        run = run + 1 if word == before else 0
        most = max(most, run)
    return most


def _slowest(text: str) -> float:
    """Return the seconds that the slowest voice takes for the words alone."""
    return max(_SECONDS_PER_CHARACTER * len(text), _SECONDS_PER_WORD * _words(text))


def _words(text: str) -> int:
    return sum(len(word) if word.isupper() else 1 for word in _SPOKEN.findall(text))
