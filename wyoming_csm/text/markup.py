"""Text as it was written, to its words: HTML, SSML, links, citations, reasoning and tokens out.

Each construct is read character by character by a small generator, which is begun at the
character that may open it and decides as early as can be. So what comes out cannot depend on how
the text was cut, what is only text is held back no longer than it is in doubt, and each
character is read a few times at most.
"""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from collections.abc import Callable, Generator
from html import unescape
from html.entities import html5
from typing import Any

from wyoming_csm.errors import RequestError
from wyoming_csm.text.brackets import (
    Nothing,
    Words,
    fence,
    lozenge,
    private,
    round_bracket,
    source,
    square,
)
from wyoming_csm.text.elements import html, is_element
from wyoming_csm.text.pieces import Pause
from wyoming_csm.text.ssml import Elements, Spoken
from wyoming_csm.text.stream import NEWLINES, SENTENCE_END
from wyoming_csm.text.tags import (
    CharacterData,
    Comment,
    ControlToken,
    DocumentType,
    Reading,
    Tag,
    angle,
    cut_off,
)
from wyoming_csm.text.unspoken import (
    COMMENT,
    DEFINITIONS,
    LONGEST_END,
    Silence,
    silence_of_element,
    silence_of_token,
)

_LONGEST_ENTITY = 33
_LINE_ENDS = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")
_SCRIPTS = {
    "sup": str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"),
    "sub": str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋"),
}
_SPEECH = ("speak", "break", "prosody", "say-as", "lang")  # of SSML, and of nothing else
_SLICE = 256  # characters at a time, so that reading some again is cheap


class Entity:
    """A character by its name or number, or the & of another one."""

    def __init__(self, char: str, unread: str) -> None:
        self.char = char
        self.unread = unread


def _entity() -> Reading[Entity]:
    """Read what follows an "&"; &amp;lt; is what was escaped twice."""
    name, more = "", ""
    while (more := (yield)) and (more.isalnum() or (more == "#" and not name)):
        name += more
        if len(name) > _LONGEST_ENTITY:
            return None
    end = "" if more == ";" else more
    if name.startswith("#"):
        char = unescape(f"&{name};")
        return None if char.startswith("&") else Entity(char, end)
    known = html5.get(name + ";") if more == ";" else None if more == "=" else html5.get(name)
    if name.lower() == "amp" and known:
        return Entity("", "&" + end)
    return None if known is None else Entity(known, end)


def _data_end() -> Reading[CharacterData]:
    """Read what follows a "]" inside of CDATA."""
    return CharacterData() if (yield) == "]" and (yield) == ">" else None


_OPENERS: dict[str, Callable[[], Generator[None, str, Any]]] = {
    "<": angle,
    "&": _entity,
    "[": square,
    "(": round_bracket,
    "【": source,
    "\ue200": private,
    "◁": lozenge,
    "`": fence,
}
# An opener, unless the character after it shows that it is only text: that saves reading it.
_OPENER = re.compile(
    r"<(?=[A-Za-z/!?|｜]|\Z)|&(?=[#\w]|\Z)|\[(?=[^\[\]\n]*(?:\]|\Z))|\((?=\[[^\[(\n]|\[?\Z)"
    r"|【(?!【)|\ue200(?!\ue200)|◁(?=[/\w]|\Z)|`(?=``[a-z]|`{0,2}\Z)"
)


class Markup:
    """Reads one text; what it says stands in the order of the text."""

    def __init__(self, language: str = "", *, ssml: bool = False) -> None:
        self._declared = ssml
        self._ssml = ssml  # white space is only white space, unknown elements are silent
        self._elements = Elements(language)
        self._reading: Generator[None, str, Any] | None = None
        self._held = ""  # read, and in doubt
        self._silence: Silence | None = None
        self._tail = ""  # of what is silent
        self._raw = False  # inside CDATA
        self._script: dict[int, int] = {}  # digits, as they are raised or lowered here
        self._began = False  # with more than white space
        self._last = ""  # the last character that was said
        self._ended = True  # a sentence, before what comes next
        self._spoken: list[Spoken] = []

    @property
    def silenced_by(self) -> str:
        """What began the silence that the text is in; "" while it is spoken."""
        return self._silence.began if self._silence else ""

    def push(self, text: str) -> list[Spoken]:
        """Read on; return what is to be said: text, pauses, other manners. Raises RequestError."""
        for begin in range(0, len(text), _SLICE):
            self._read(text[begin : begin + _SLICE])
        return self._taken()

    def finish(self) -> list[Spoken]:
        """End the text; return what is left to say. Raises RequestError."""
        while self._reading is not None:
            again = self._send("")
            if again is not None:
                self._read(again)
        self._spoken += self._elements.finish()
        return self._taken()

    def break_off(self) -> list[Spoken]:
        """End the text in its middle: what is in doubt is left out."""
        self._reading, self._held = None, ""
        return self._taken()

    def _taken(self) -> list[Spoken]:
        spoken, self._spoken = self._spoken, []
        return spoken

    def _read(self, text: str) -> None:
        at = 0
        while at < len(text):
            if self._silence is not None:
                at = self._skip(self._silence, text, at)
            elif self._reading is None:
                at = self._plain(text, at)
            else:
                again = self._send(text[at])
                at += 1
                if again:
                    text, at = again + text[at:], 0

    def _skip(self, silence: Silence, text: str, at: int) -> int:
        """Pass over what is silent, to its end; return where reading goes on."""
        for end in range(at, len(text)):
            self._tail = self._tail[1 - LONGEST_END :] + text[end]
            if text[end] in ">▷]`\n" and silence.end.search(self._tail):
                self._silence, self._tail = None, ""
                self._say(silence.after)
                return end + 1
        return len(text)

    def _plain(self, text: str, at: int) -> int:
        """Say what no construct is, up to where one may begin."""
        if self._raw:
            end = text.find("]", at)
        else:
            found = _OPENER.search(text, at)
            end = found.start() if found else -1
        if end < 0:
            self._words(text[at:])
            return len(text)
        self._words(text[at:end])
        self._held = text[end]
        self._reading = _data_end() if self._raw else _OPENERS[text[end]]()
        next(self._reading)
        return end + 1

    def _send(self, char: str) -> str | None:
        """Give the construct that is read its next character, "" for the text's end; return what
        is to be read again, None while it is in doubt."""
        assert self._reading is not None
        self._held += char
        try:
            self._reading.send(char)
            return None
        except StopIteration as stop:
            held, self._held, self._reading = self._held, "", None
            if stop.value is None:  # it was only text
                if not char and held[0] == "<" and (words := self._cut_off(held)) is not None:
                    return words
                self._words(held[0])
                return held[1:]
            return self._found(stop.value, held)

    def _found(self, found: Any, held: str) -> str:
        """Do what a construct asks for; return what is to be read again."""
        match found:
            case Tag():
                self._tag(found, held)
            case ControlToken():
                self._silence = silence_of_token(found.name, opens=found.opens)
                self._say(" ")
            case Silence():
                self._silence = found
            case Comment():
                self._silence = COMMENT
            case CharacterData():
                self._raw = not self._raw
            case DocumentType():
                if self._ssml and found.is_open:
                    raise RequestError(
                        "SSML that defines entities is refused: leave out <!DOCTYPE … […]>"
                    )
                self._silence = DEFINITIONS if found.is_open else None
            case Pause():
                self._spoken.append(found)
            case Words():
                return found.text + found.unread
            case Entity():
                self._words(found.char)
                return found.unread
            case Nothing():
                return found.unread
        return ""

    def _cut_off(self, held: str) -> str | None:
        """Return the words in what the text's end cuts off, None if it may be text itself."""
        name, words = cut_off(held)
        if not self._ssml and (
            name not in _SPEECH or ("=" not in held and (self._began or name != "speak"))
        ):
            return None
        return "" if held[1:2] in ("!", "?") else words

    def _tag(self, tag: Tag, held: str) -> None:
        if tag.name == "speak":
            self._ssml = self._declared or (not tag.closes and (self._ssml or not self._began))
        silence = silence_of_element(tag.name, self._ended or tag.closes or "=" in tag.written)
        if silence and not tag.empty:
            self._silence = None if tag.closes else silence
            self._say(SENTENCE_END)
        elif self._ssml or tag.name in _SPEECH or "alias" in tag.attributes:
            self._speech(tag)
        elif is_element(tag):
            self._script = {} if tag.closes else _SCRIPTS.get(tag.name, {})
            self._say(html(tag))
            self._elements.end(tag.name)
        elif tag.closes or "=" in tag.written:
            self._say(" ")  # what an unknown end began was read as a word
        elif self._last.isalnum():
            self._say(held)
        else:
            self._say(f" ({tag.written.strip('/ ')}) ")

    def _speech(self, tag: Tag) -> None:
        """Do what an element of SSML asks for."""
        self._spoken += self._elements.end(tag.name) if tag.closes else self._elements.start(tag)

    def _words(self, text: str) -> None:
        """Say text that stands inside of what is open."""
        if self._ssml:
            text = _LINE_ENDS.sub(" ", text)
        self._began |= bool(text.strip())
        self._say(self._elements.words(text.translate(self._script)))

    def _say(self, text: str) -> None:
        if text:
            self._last = text[-1]
            if end := text.strip(" \t")[-1:]:
                self._ended = end in NEWLINES or end in ".!?:…"
            self._spoken.append(text)
