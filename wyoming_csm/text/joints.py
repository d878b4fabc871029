"""What stands between two sentences: a list's next item, a new paragraph, or nothing special; or
nothing at all, where a phrase goes on in another voice, or was too long for one breath.

A blank line, a heading, <p> and the like part paragraphs. Other lines, items of a list (also with
blank lines between them) and rows of a table are only apart. Line ends beside a block of HTML mean
nothing: there they are only how it was written.
"""

import re

from wyoming_csm.config import SoundConfig
from wyoming_csm.text.pieces import Joint
from wyoming_csm.text.stream import BREAK, LINE_END, NEWLINES, PARAGRAPH_END, goes_on

PHRASE_PAUSE = 0.01  # seconds, where a phrase goes on: with an onset, as between two words
ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
_HEADING = re.compile(r"\s*#{1,6}\s")


def pause_at(joint: Joint, config: SoundConfig, after_sentences: float | None = None) -> float:
    """Return the seconds of silence that a joint asks for; 0: none.

    There may be more, for what the sentence before ends with, but not inside a phrase.

    Where a voice has a pause of its own after its sentences, the others differ from it as they do
    from the configured one.
    """
    usual = config.sentence_pause
    if usual is None or joint is Joint.SENTENCE:
        return 0.0
    if joint is Joint.PHRASE:
        return min(PHRASE_PAUSE, usual if after_sentences is None else after_sentences)
    longer = config.item_pause if joint is Joint.ITEM else config.paragraph_pause
    return longer if after_sentences is None else longer - usual + after_sentences


class Joints:
    """Follows one text's fragments, each of which ends with at most one end of a line."""

    def __init__(self) -> None:
        self._lines = self._breaks = 0  # ends since the last words: as written, by <br>
        self._block = self._paragraph = False  # so ended an element of HTML
        self._last = "\n"  # the last character
        self._item = self._heading = False  # the line of the last words
        self._goes_on = False  # no sentence or clause has ended since

    @property
    def begins_line(self) -> bool:
        """Tell whether what is read next begins a line."""
        return self._last in NEWLINES

    def words(self, written: str) -> Joint:
        """Take a fragment with words; return what stands before it."""
        item, heading = self._item, self._heading
        if self.begins_line:
            self._item = ITEM.match(written) is not None
            self._heading = _HEADING.match(written) is not None
        joint = self._joint(apart=heading or self._heading, items=item and self._item)
        self._lines = self._breaks = 0
        self._block = self._paragraph = False
        if joint is Joint.SENTENCE and self._goes_on:
            joint = Joint.PHRASE
        self._goes_on = goes_on(written)
        self._end(written)
        return joint

    def nothing(self, written: str) -> None:
        """Take a fragment without words: a blank line, a rule, the line below a table's head."""
        self._goes_on &= goes_on(written)
        if "|" not in written:
            self._end(written)
        else:
            self._last = written[-1:]

    def _joint(self, *, apart: bool, items: bool) -> Joint:
        if not (self._lines or self._breaks or self._block or self._paragraph):
            return Joint.SENTENCE
        if items:
            return Joint.ITEM
        if apart or self._paragraph or self._breaks > 1:
            return Joint.PARAGRAPH
        return Joint.PARAGRAPH if self._lines > 1 and not self._block else Joint.ITEM

    def _end(self, written: str) -> None:
        end = written[-1:]
        match end:
            case "\n" | "\r" | "\f":
                self._lines += not (end == "\n" and self._last == "\r" and len(written) == 1)
            case _ if end == LINE_END:
                self._block = True
            case _ if end == BREAK:
                self._block, self._breaks = True, self._breaks + 1
            case _ if end == PARAGRAPH_END:
                self._paragraph = True
        self._last = end
