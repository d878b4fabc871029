"""Text as a language model types it, to sentences: each as early as possible.

One character at a time, so what comes out cannot depend on how the text was cut into chunks,
and a chunk never costs more for what came before it.
"""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
import unicodedata
from collections import deque

from wyoming_csm.text.full_stops import LOOKBACK, FullStops

# In characters; a wide one (Chinese, Japanese, Korean) counts as three: it is a syllable or more.
FIRST_CLAUSE = 60  # from here on the first may end with a clause: a listener waits
CLAUSE = 160  # from here on later ones may
LONGEST = 250
LONGEST_ADDRESS = 2_048  # a web address is not spoken in full, so it is not cut apart

NEWLINES = frozenset("\n\r\v\f\x85\u2028\u2029")
# Of these, what stands for an element: as Unicode parts lines and paragraphs; <br>, of which two
# are a blank line; the end of a sentence alone.
LINE_END, PARAGRAPH_END, BREAK, SENTENCE_END = "\u2028", "\u2029", "\x85", "\v"
_DOTS = frozenset(".…")  # may also stand inside or after a word
_SURE = frozenset("!?‽")  # a sentence ends where white space follows
_WIDE_STOPS = frozenset("。！？｡؟।॥۔։።။។")  # a sentence ends, whatever follows
_STOPS = _DOTS | _SURE | _WIDE_STOPS
_CLOSERS = frozenset("'\")]}’”»›」』）》】〕〉］｣*_~`")
_CLAUSE_BEFORE_SPACE = frozenset(",;:)]}—–،؛")
_CLAUSE_AT_ONCE = frozenset("，、；：—､")
_ENDS = _STOPS | _CLAUSE_BEFORE_SPACE | _CLAUSE_AT_ONCE | NEWLINES
_QUOTES = _CLOSERS - _ENDS
_ADDRESS = re.compile(r"://|www\.|\]\(")
_ZWJ = "\u200d"
_LONGEST_GRAPHEME = 16

_BREATHS = frozenset(",;—–،؛，、；")  # may end a clause though no blank has come
_BEFORE_BLANK = re.compile(r"[^\W\d_]{2,}(?=\s)")  # not "5 kg", "J. Smith"
_TWO_WORDS = re.compile(r"\w\S*\s+\S*\w")
_LONGEST_WORD = 40  # characters; scripts without blanks write sentences as one
_WIDE_WORDS = 4  # characters of Chinese or Japanese that are more than a word


class SentenceSplitter:
    """Text in, fragments out, each a sentence or a clause of a long one.

    The fragments, joined, are the text, and the same for every way to cut it into pushes. A
    sentence comes out with the very character that decides its end. One of a single word does not
    count as the first: the reader joins it to the next.
    """

    def __init__(self, language: str = "") -> None:
        """Take a `language` ("de", "en-GB"): whether "3." may mean "third", which words are cut
        short."""
        self._clause_from = FIRST_CLAUSE
        self.expect(language)
        self._begin()

    def expect(self, language: str) -> None:
        """Take the language of what comes after a sentence's end."""
        self._full_stops = FullStops(language)

    @property
    def goes_on(self) -> bool:
        """Return whether the end of the text would be in the midst of a phrase."""
        return self.has_words and goes_on(self._text)

    @property
    def has_words(self) -> bool:
        """Return whether a word or a number waits for its sentence's end."""
        return any(map(str.isalnum, self._text))

    def flush(self) -> list[str]:
        """Return the fragments of a sentence that seems to be whole, though no text follows it for
        a while.

        Only this makes the sentences depend on anything but the text; "3." may become "3.14".
        """
        end, text = self._end, self._text
        if not end or (text[end - 2 : end - 1].isdigit() and not self._gap):
            return []
        if self._is_abbreviation("A"):  # as if a new sentence began now
            return []
        fragment, again = self._split(end)
        return [fragment, *self.cut(again)]

    def hurry(self) -> list[str]:
        """Return the fragments of what can be said of a sentence that has not ended: up to the end
        of a clause, or else up to a blank, of two words or more; nothing if there is no such."""
        text, at = self._text, self._clause
        if text[-1:] in _BREATHS and text[-2:-1].isalpha():
            at = len(text)
        if not any(map(str.isalpha, text[:at])):
            words = [found.end() for found in _BEFORE_BLANK.finditer(text)]
            at = words[-1] if words and not is_one_word(text[: words[-1]]) else 0
        if not at:
            return []
        fragment, again = self._split(at)
        return [fragment, *self.cut(again)]

    def cut(self, chunk: str) -> list[str]:
        """Add text; return the fragments that it completes, as they were written."""
        fragments: list[str] = []
        todo = deque(chunk)
        while todo:
            if end := self._take(todo.popleft()):
                fragment, again = self._split(end)
                fragments.append(fragment)
                todo.extendleft(reversed(again))
        return fragments

    def rest(self) -> str:
        """End the text; return the fragment that is left of it, as written."""
        rest = self._text
        self._clause_from = FIRST_CLAUSE
        self._begin()
        return rest

    def _split(self, at: int) -> tuple[str, str]:
        fragment, again = self._text[:at], self._text[at:]
        self._begin()
        if is_one_word(fragment):
            self._weight = len(fragment)  # it is spoken with what follows
        elif any(map(str.isalnum, fragment)):
            self._clause_from = CLAUSE
        return fragment, again

    def _begin(self) -> None:
        self._text = ""  # since the last cut
        self._weight = 0  # with that of a word that waits for it
        self._clause = 0  # where the last clause ended
        self._word = 0  # where the last word begins
        self._end = 0  # where a sentence has perhaps ended; what follows tells
        self._dot = -1  # that end is this single full stop
        self._sure = self._closed = self._wide = self._gap = False

    def _take(self, char: str) -> int:
        """Add one character; return where to cut now, or 0."""
        at = len(self._text)
        self._text += char
        if char in NEWLINES:
            return at + 1
        return self._sentence(char, at) or self._clause_end(char, at) or self._limit(char, at)

    def _sentence(self, char: str, at: int) -> int:
        """Return where a sentence ends, now that `char` has come at `at`; 0: not yet."""
        if self._end and self._gap:
            if char == "&" and self._dot >= 0:
                self._end = 0  # 6:30 a.m. & 7:00 a.m.
            if not char.isalnum():
                return 0  # brackets, quotes, currency: the next letter or digit tells
            end, self._end = self._end, 0
            return 0 if char.islower() or self._is_abbreviation(char) else end
        if char in _STOPS:
            alone = char == "." and not self._end
            if not self._end:
                self._sure = self._wide = self._closed = False
            self._end, self._gap, self._dot = at + 1, False, at if alone else -1
            self._sure |= char in _SURE
            self._wide |= char in _WIDE_STOPS
            return 0
        if not self._end:
            return 0
        if char.isspace():
            self._gap = True
            return self._end if self._wide or (self._sure and not self._closed) else 0
        if char in _CLOSERS or _decorates(char):
            self._end, self._closed = at + 1, True
            return 0
        end, self._end = self._end, 0
        return end if self._wide or (self._sure and _weight(char) > 1) else 0

    def _is_abbreviation(self, following: str) -> bool:
        """Tell whether the single full stop belongs to a word, before this letter or digit."""
        if self._dot < 0:
            return False
        before = self._text[max(0, self._dot - LOOKBACK) : self._dot]
        return self._full_stops.belong_to(before, following)

    def _clause_end(self, char: str, at: int) -> int:
        """Return where a fragment that is long enough ends with a clause; 0: not here."""
        if char in _CLAUSE_AT_ONCE:
            self._clause = at + 1
        elif char.isspace() and at and self._text[at - 1] in _CLAUSE_BEFORE_SPACE:
            self._clause = at
        else:
            return 0
        return self._clause if self._weight >= self._clause_from else 0

    def _limit(self, char: str, at: int) -> int:
        """Return where to cut a fragment that has become too long; 0: it has not."""
        if char.isspace():
            self._word = at + 1
        self._weight += _weight(char)
        if self._weight <= LONGEST and at < LONGEST_ADDRESS:
            return 0
        if at < LONGEST_ADDRESS and _ADDRESS.search(self._text, self._word):
            self._weight = sum(map(_weight, self._text[: self._word]))
            return 0
        if self._clause > at // 2:
            return self._clause
        if self._word and _weight(char) == 1:
            return self._word
        return _between_graphemes(self._text, at)


def goes_on(written: str) -> bool:
    """Tell whether a phrase goes on after it: no sentence or clause ends there."""
    words = written.rstrip(" \t")
    while words[-1:] in _QUOTES or _decorates(words[-1:] or " "):
        words = words[:-1]
    return words[-1:] not in _ENDS


def is_one_word(text: str) -> bool:
    """Tell whether it is one word or number alone: no model speaks that well by itself."""
    if len(text) > _LONGEST_WORD or _TWO_WORDS.search(text):
        return False
    return any(map(str.isalnum, text)) and sum(_weight(char) > 1 for char in text) < _WIDE_WORDS


def _weight(char: str) -> int:
    return 3 if char >= "\u1100" and unicodedata.east_asian_width(char) in "WF" else 1


def _decorates(char: str) -> bool:
    """Tell whether it is an emoji or a part of one."""
    return char > "\u00ff" and unicodedata.category(char) in ("So", "Sk", "Mn", "Me", "Cf")


def _between_graphemes(text: str, at: int) -> int:
    """Return where, at most a little before `at`, no character of `text` is torn apart."""
    for cut in range(at, max(at - _LONGEST_GRAPHEME, 0), -1):
        before, after = text[cut - 1], text[cut]
        joined = (
            unicodedata.category(after)[0] == "M"
            or _ZWJ in (before, after)
            or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
            or "\udc00" <= after <= "\udfff"  # half of a surrogate pair
        )
        if not joined:
            return cut
    return at
