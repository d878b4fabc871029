"""The whole way of one text: as it was written, in any portions, to sentences and pauses.

    markup → glued → stream → clean → sentences of one word joined to their neighbours

What comes out is the same for every way to cut the text into pushes.
"""

import re

from wyoming_csm.config import ReadingConfig
from wyoming_csm.text.characters import mended
from wyoming_csm.text.clean import clean
from wyoming_csm.text.glued import Gluing
from wyoming_csm.text.joints import Joints
from wyoming_csm.text.markup import Markup
from wyoming_csm.text.pieces import Joint, Pause, Piece, Speak
from wyoming_csm.text.ssml import LONGEST_PAUSE, Manner, Spoken
from wyoming_csm.text.stream import FIRST_CLAUSE, LONGEST, SentenceSplitter, is_one_word

LONGEST_SILENCE = 60.0  # seconds, of all pauses in one text

_STOPPED = re.compile(r"[.!?…,;:。！？،؟।][\"')\]]*$")  # noqa: RUF001


class TextReader:
    """Reads one text, plain or SSML; see `push`, `flush`, `finish`."""

    def __init__(
        self, language: str = "", *, ssml: bool = False, style: ReadingConfig | None = None
    ) -> None:
        """Take the `language` ("de", "en-GB") of the voice.

        A text that begins with <speak> is SSML also if nobody said so.
        """
        self._language = language
        self._style = style or ReadingConfig()
        self._markup = Markup(language, ssml=ssml)
        self._gluing = Gluing()
        self._splitter = SentenceSplitter(language)
        self._manner = Manner()
        self._waiting = ""  # one word, which is spoken with what follows
        self._between = ""  # the two
        self._before = Joint.SENTENCE  # it
        self._pause = 0.0  # seconds asked for since the last sentence
        self._silence = 0.0  # seconds, of all pauses so far
        self._unbroken = False  # no pause is wanted where the last sentence ended
        self._half = ""  # the first half of a character, cut by a chunk's end
        self._said = False
        self._joints = Joints()

    @property
    def silenced_by(self) -> str:
        """What began a silence that has not ended; "" if the text is spoken."""
        return self._markup.silenced_by

    def push(self, text: str) -> list[Piece]:
        """Read on; return what can be spoken now.

        Raises RequestError for SSML that defines entities.
        """
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return self._all(self._markup.push(mended(text)))

    def flush(self) -> list[Piece]:
        """Return a sentence that seems to be whole though no text follows it for a while."""
        if self._gluing.in_doubt:
            return []
        pieces = self._fragments(self._splitter.flush())
        return pieces if self._splitter.has_words else pieces + self._release()

    def hurry(self) -> list[Piece]:
        """Return what can be said of a sentence that has not ended, since a listener has waited
        for it too long; the rest goes on where it stops."""
        return self._fragments(self._splitter.hurry()) + self._release()

    def finish(self) -> list[Piece]:
        """End the text; return what is left of it. Raises RequestError."""
        half, self._half = self._half, ""
        pieces = self._all(self._markup.push(mended(half)) + self._markup.finish())
        return pieces + self._end_sentence()

    def break_off(self) -> list[Piece]:
        """End the text in its middle; return its last whole sentence, or all that is left if
        nothing was said of it."""
        pieces = self._all(self._markup.break_off())
        pieces += self._fragments(self._splitter.flush()) + self._release()
        return pieces if self._said else pieces + self._end_sentence()

    def _all(self, spoken: list[Spoken]) -> list[Piece]:
        return [piece for one in spoken for piece in self._one(one)]

    def _one(self, spoken: Spoken) -> list[Piece]:
        match spoken:
            case str():
                return self._fragments(self._splitter.cut(self._gluing.push(spoken)))
            case Pause():
                return self._broken(spoken.seconds)
            case Manner():
                pieces = self._end_sentence()
                self._manner = spoken
                self._splitter.expect(spoken.language or self._language)
                return pieces

    def _end_sentence(self) -> list[Piece]:
        """End the sentence here, whatever follows."""
        rest = self._gluing.finish()
        fragments = [*self._splitter.cut(rest), self._splitter.rest()]
        return self._fragments(fragments) + self._release()

    def _fragments(self, fragments: list[str]) -> list[Piece]:
        return [piece for one in fragments for piece in self._fragment(one)]

    def _fragment(self, written: str) -> list[Piece]:
        text = clean(written, self._style, begins_line=self._joints.begins_line)
        if not text:
            self._joints.nothing(written)
            return []
        before = self._joints.words(written)
        alone, stopped = is_one_word(text), _STOPPED.search(text)
        item = before is Joint.ITEM
        if self._joins(text, before):
            text, self._waiting = self._waiting + self._between + text, ""
            before = self._before
        pieces = self._release()
        more = alone and item and len(text) <= FIRST_CLAUSE  # perhaps the next item is a word, too
        if not (more or is_one_word(text)):
            return [*pieces, self._speak(text, before)]
        # A line, as a list's item: engines pause at a stop, hardly at a comma.
        self._waiting, self._between, self._before = text, " " if stopped else ". ", before
        return pieces

    def _joins(self, text: str, before: Joint) -> bool:
        """Tell whether the word, or the items of one word, that wait are spoken with this text."""
        waiting = self._waiting
        if not waiting or before is Joint.PARAGRAPH or len(waiting) + len(text) >= LONGEST:
            return False
        return before is not Joint.ITEM or is_one_word(waiting) or is_one_word(text)

    def _release(self) -> list[Piece]:
        """Say the word that waits, alone."""
        waiting, self._waiting = self._waiting, ""
        return [self._speak(waiting, self._before)] if waiting else []

    def _speak(self, text: str, before: Joint) -> Speak:
        if not self._said or self._pause:
            before = Joint.SENTENCE
        elif self._unbroken:
            before = Joint.PHRASE
        self._said, self._pause, self._unbroken = True, 0.0, False
        manner = self._manner
        return Speak(
            text,
            gain=manner.gain,
            voice=manner.voice,
            rate=manner.rate,
            language=manner.language,
            inner=manner.inner,
            before=before,
        )

    def _broken(self, seconds: float) -> list[Piece]:
        """Return what stands before a break, and the break; one of no time takes the pause away
        that would be there."""
        pieces = self._fragments(self._splitter.cut(self._gluing.finish()))
        if not seconds and self._splitter.goes_on:
            return pieces
        pieces += self._end_sentence()
        self._unbroken = not seconds
        return pieces + self._silent(seconds)

    def _silent(self, seconds: float) -> list[Piece]:
        """Return a pause within the bounds of what one text may ask for."""
        seconds = min(seconds, LONGEST_PAUSE - self._pause, LONGEST_SILENCE - self._silence)
        self._pause += seconds
        self._silence += seconds
        return [Pause(seconds)] if seconds > 0 else []
