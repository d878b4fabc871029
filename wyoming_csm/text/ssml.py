"""SSML to pieces: its words and its pauses; nothing in it is ever fetched or expanded."""

import re
from xml.parsers import expat

from wyoming_csm.errors import RequestError
from wyoming_csm.text.clean import mended
from wyoming_csm.text.pieces import Pause, Piece, Speak
from wyoming_csm.text.stream import SentenceSplitter

LONGEST_PAUSE = 10.0  # seconds; what stands between two words counts as one
LONGEST_SILENCE = 60.0  # seconds in one text
_DEPTH = 64

_BREAKS = {"none": 0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2}
_APART = frozenset({"p", "s", "paragraph", "sentence", "voice", "speak"})  # a sentence ends there
_MUTE = frozenset({"sub", "desc", "metadata"})  # what they contain is not spoken
_TIME = re.compile(r"\+?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(ms|s)")
_AMPERSAND = re.compile(r"&(?!(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)")
_TAG = re.compile(r"<[^<>]*>")
_HALF_A_TAG = re.compile(r"<[^<>]*\Z")
_DOCUMENT = re.compile(r"\s*(?:<\?xml\b|<!|<speak\b)")


def ssml_pieces(text: str, language: str = "", cut: bool = False) -> list[Piece]:
    """Turn a whole SSML text, with or without its `<speak>`, into pieces.

    Where its end was `cut` off they go to the last sentence. Broken XML is read as text without
    its tags.

    Raises RequestError for a document type and for absurd nesting.
    """
    text = _AMPERSAND.sub("&amp;", mended(text))
    reader = _Reader(language)
    try:
        if _DOCUMENT.match(text) is None:
            text = f"<speak>{text}" if cut else f"<speak>{text}</speak>"
        return reader.read(text, cut)
    except expat.ExpatError:
        splitter = SentenceSplitter(language)
        pieces = splitter.push(_TAG.sub(" ", _HALF_A_TAG.sub("", text) if cut else text))
        return pieces + (splitter.break_off(bool(pieces)) if cut else splitter.finish())


class _Reader:
    """Takes what expat finds while it reads one text."""

    def __init__(self, language: str) -> None:
        self._splitter = SentenceSplitter(language)
        self._pieces: list[Piece] = []
        self._silence = 0.0
        self._depth = 0
        self._mute_from = 0  # depth of the element whose content is not spoken; 0: none
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, text: str, cut: bool) -> list[Piece]:
        """Read the text. Raises ExpatError, RequestError."""
        self._parser.Parse(text, not cut)
        if not cut:
            return [*self._pieces, *self._splitter.finish()]
        said = any(isinstance(piece, Speak) for piece in self._pieces)
        return [*self._pieces, *self._splitter.break_off(said)]

    def _doctype(self, *_: object) -> None:
        raise RequestError("SSML with a document type is refused: leave out <!DOCTYPE …>")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise RequestError(f"SSML nested deeper than {_DEPTH} is refused: flatten it")
        name = _local(name)
        if self._mute_from:
            return
        if name == "break":
            self._pause(_seconds(attributes))
        elif name in _APART:
            self._pieces += self._splitter.finish()
        elif name in _MUTE:
            self._characters(attributes.get("alias", ""))
            self._mute_from = self._depth

    def _end(self, name: str) -> None:
        if self._mute_from == self._depth:
            self._mute_from = 0
        elif not self._mute_from and _local(name) in _APART:
            self._pieces += self._splitter.finish()
        self._depth -= 1

    def _characters(self, text: str) -> None:
        if not self._mute_from:  # a line's end is only white space in XML
            self._pieces += self._splitter.push(text.replace("\n", " "))

    def _pause(self, seconds: float) -> None:
        if not seconds:
            return
        self._pieces += self._splitter.finish()
        before = 0.0
        if self._pieces and isinstance(last := self._pieces[-1], Pause):
            before = last.seconds
            self._pieces.pop()
        seconds = min(seconds, LONGEST_PAUSE - before, LONGEST_SILENCE - self._silence)
        self._silence += seconds
        if before + seconds > 0:
            self._pieces.append(Pause(before + seconds))


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _seconds(attributes: dict[str, str]) -> float:
    """Return how long a `<break>` is; an unreadable time is a medium one."""
    found = _TIME.fullmatch(attributes.get("time", "").strip())
    if found:
        return float(found[1]) / (1000 if found[2] == "ms" else 1)
    return _BREAKS.get(attributes.get("strength", ""), _BREAKS["medium"])
