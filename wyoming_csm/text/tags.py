"""What stands in angle brackets: tags of HTML and SSML, comments, control tokens.

`angle` reads it character by character after its "<" and decides as early as can be; whatever is
none of these ("2 < 3", "<anna@example.com>") is text.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass, field
from html import unescape
from typing import TypeVar

LONGEST_TAG = 2_048  # characters, for the pictures that stand in attributes
_LONGEST_NAMES = 80  # without any "=": no more than this is waited for

# A reader of one construct: is sent the characters after its opener, one by one, "" for the
# text's end; returns what it read, or None if it is only text.
_T = TypeVar("_T")
Reading = Generator[None, str, _T | None]


@dataclass(frozen=True)
class Tag:
    """A tag, as written; a name in lower case and without its prefix."""

    name: str
    written: str  # between the angle brackets
    attributes: dict[str, str] = field(default_factory=dict)
    closes: bool = False  # </name>
    empty: bool = False  # <name/>

    @property
    def is_bare(self) -> bool:
        """Return whether it has words where attributes would be: perhaps no tag at all."""
        return not self.closes and " " in self.written.strip(" /") and not self.attributes


@dataclass(frozen=True)
class ControlToken:
    """A language model's <|name|>, or Gemma's <|name> and <name|> round what it belongs to."""

    name: str
    opens: bool = False  # <|name>


class Comment:
    """The beginning of a comment, <!--, which is silent to its end."""


class CharacterData:
    """The beginning or the end of <![CDATA[…]]>: text in it stands for itself."""


class Instruction:
    """An instruction for a program, <?xml …?>."""


@dataclass(frozen=True)
class DocumentType:
    """A document type, <!DOCTYPE …>."""

    is_open: bool  # read to its "[" only: what it defines follows


Angle = Tag | ControlToken | Comment | CharacterData | Instruction | DocumentType

_NAME = re.compile(r"/?([A-Za-z_][\w:.-]*)(?=\s|=|/?\Z)")
_VALUE = r"(?:\"[^\">]*\"?|'[^'>]*'?|[^\s\"'>]*)"
_UNCLOSED = re.compile(rf"</?([A-Za-z_][\w:.-]*)?(?:\s+(?:[\w:-]+\s*=\s*{_VALUE})?)*/?>?")
_ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")


def angle() -> Reading[Angle]:
    """Read what follows a "<"."""
    first = yield
    if first and first in "|｜":  # noqa: RUF001
        return (yield from _control_token(first))
    if first == "!":
        return (yield from _declaration())
    if first == "?":
        return (yield from _instruction())
    if first == "/" or (first.isascii() and first.isalpha()):
        return (yield from _tag(first))
    return None


def cut_off(held: str) -> tuple[str, str]:
    """Return the name of a tag that the text's end cuts off, and what words are in it beside its
    attributes. Where a quotation mark was forgotten, the tag ends at its ">"."""
    found = _UNCLOSED.match(held)
    return (found[1] or "", f" {held[found.end() :]}") if found else ("", "")


def _tag(written: str) -> Reading[Angle]:
    quote, word = "", written  # since the last white space
    while True:
        char = yield
        if not char:
            return None
        if len(written) > LONGEST_TAG:
            return (yield from _rest_of_speak()) if written.startswith("speak ") else None
        if quote:
            quote = "" if char == quote else quote
        elif char == ">":
            return _read(written)
        elif char in "\"'":
            if not word.endswith("="):
                return None
            quote = char
        elif char.isspace():
            word = word if word.endswith("=") else ""
        elif char == "|" and written.isidentifier():
            return ControlToken(written) if (yield) == ">" else None
        elif char == "<" or not (_may_go_on(word, char) or "=" in word):
            return None
        written, word = written + char, word + char
        if len(written) > _LONGEST_NAMES and "=" not in written:
            return None


def _rest_of_speak() -> Reading[Angle]:
    """Pass over the rest of the tag round a whole text, which is surely one."""
    while (char := (yield)) and char != ">":
        pass
    return Tag("speak", "speak")


def _may_go_on(word: str, char: str) -> bool:
    """Tell whether `char` can follow `word`, the name of a tag or of an attribute."""
    return (char.isascii() and char.isalnum()) or char in "_:-=/" or (char == "." and not word)


def _read(written: str) -> Angle | None:
    found = _NAME.match(written)
    if found is None:
        return None
    given = _ATTRIBUTE.findall(written, found.end())
    attributes = {name.rpartition(":")[2].lower(): unescape(a or b or c) for name, a, b, c in given}
    name = found[1].rpartition(":")[2].lower()
    closes, empty = written.startswith("/"), written.endswith("/")
    return Tag(name, " ".join(written.split()), attributes, closes, empty)


def _control_token(bar: str) -> Reading[Angle]:
    name = ""
    while len(name) < _LONGEST_NAMES:
        char = yield
        if char == bar:
            return ControlToken(name) if (yield) == ">" else None
        if char == ">" and name:
            return ControlToken(name, opens=True)
        if not char or char in "<>" or char.isspace():
            return None
        name += char
    return None


def _declaration() -> Reading[Angle]:
    begun = ""
    while True:
        char = yield
        begun += char
        if begun == "--":
            return Comment()
        if begun == "[CDATA[":
            return CharacterData()
        if begun.upper() == "DOCTYPE":
            return (yield from _document_type())
        starts = ("--", "[CDATA[", "DOCTYPE")
        if not char or not any(start.startswith(begun.upper()) for start in starts):
            return None


def _instruction() -> Reading[Angle]:
    text = ""
    while not text.endswith("?>"):
        char = yield
        if not char or char == "<" or len(text) > LONGEST_TAG:
            return None
        text += char
    return Instruction()


def _document_type() -> Reading[Angle]:
    for _ in range(LONGEST_TAG):
        char = yield
        if char and char in "[>":
            return DocumentType(is_open=char == "[")
        if not char or char == "<":
            return None
    return None
