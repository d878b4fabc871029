"""What stands in brackets: links keep their words, citations and marks for machines go.

`square` and `round_bracket` read it character by character after the opening bracket and decide
as early as can be; brackets round anything else are left to `clean`.
"""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from dataclasses import dataclass

from wyoming_csm.text.pieces import Pause
from wyoming_csm.text.tags import Reading
from wyoming_csm.text.unspoken import (
    FENCED,
    Silence,
    is_bracket_token,
    silence_of_bracket,
    silence_of_fence,
)

LONGEST_INSIDE = 300  # characters between square brackets
LONGEST_TARGET = 2_048  # characters of an address
LONGEST_PAUSE = 10.0  # seconds; what stands between two words counts as one

_CITATION = re.compile(r"\^?\d{1,3}(?: ?[,;–-] ?\^?\d{1,3})*|\^[\w-]{1,20}|oaicite:\d+")
_SOURCE = re.compile(r"\d+(?::\d+)?(?:†.*)?|.*†.*")
_PAUSE = re.compile(r"pause[ :=]*(\d{1,5}(?:[.,]\d{1,6})?) ?(ms|s|sec|seconds?)|pause", re.I)
_ADDRESS = re.compile(r"<?(?:[a-z][a-z0-9+-]*:|[/#.?]|[\w-]+[./]).*|", re.I)
_FENCES = tuple(f"``{name}" for name in FENCED)
_USUAL_PAUSE = 0.5  # seconds


@dataclass(frozen=True)
class Words:
    """The words of a link: text that is read again."""

    text: str
    unread: str = ""  # what was read of the text after it


@dataclass(frozen=True)
class Nothing:
    """What is not spoken."""

    unread: str = ""


Bracket = Words | Nothing | Pause | Silence


def square() -> Reading[Bracket]:
    """Read what follows a "["."""
    inside = ""
    while (char := (yield)) != "]":
        if not char or char in "[\n" or len(inside) > LONGEST_INSIDE:
            return None
        inside += char
    if pause := _PAUSE.fullmatch(inside.strip()):
        return Pause(_seconds(pause))
    if silence := silence_of_bracket(inside):
        return silence
    if is_bracket_token(inside):
        return Nothing()
    citation = _CITATION.fullmatch(inside)
    following = yield
    if following == "(":
        target = yield from _target()
        if target is None:
            return None
        return Nothing() if citation else Words(inside)
    if following == "[":
        return (yield from _reference(inside, bool(citation)))
    if following == ":" and not citation:
        return (yield from _definition())
    return Nothing(following) if citation else None


def _target() -> Reading[str]:
    """Read an address and perhaps a title, to the bracket that closes them."""
    address, depth = "", 0
    while (char := (yield)) != ")" or depth:
        if not char or char in "[\n<" or depth > 1 or len(address) > LONGEST_TARGET:
            return None
        if char == " ":
            if not (yield from _title()):
                return None
            break
        depth += (char == "(") - (char == ")")
        address += char
    return address if _ADDRESS.fullmatch(address) else None


def _title() -> Reading[bool]:
    """Read the rest of an address's brackets: nothing, or a title in quotation marks."""
    while (quote := (yield)) == " ":
        pass
    if quote == ")":
        return True
    if not quote or quote not in "\"'":
        return None
    title = ""
    while (char := (yield)) != ")" or not title.rstrip().endswith(quote):
        if not char or char in "[\n" or len(title) > LONGEST_INSIDE:
            return None
        title += char
    return True


def _reference(inside: str, citation: bool) -> Reading[Bracket]:
    """Read the rest of [words][name]; of two citations the first is silent, the second read."""
    name = ""
    while (char := (yield)) != "]":
        if not char or char in "[\n" or len(name) > LONGEST_INSIDE:
            return Nothing("[" + name + char) if citation else None
        name += char
    if citation or _PAUSE.fullmatch(name.strip()):
        return Nothing(f"[{name}]") if citation else None
    return Words(inside) if re.fullmatch(r"[\w.-]*", name) else None


def _definition() -> Reading[Bracket]:
    """Read the rest of [name]: address, to the end of the address."""
    address = ""
    while (char := (yield)) and (char == " " or not char.isspace()) and len(address) < 2_048:
        if char == " " and address:
            break
        address += char.strip()
        if char == "[" or not any(
            address.startswith(scheme) or scheme.startswith(address)
            for scheme in ("http://", "https://")
        ):
            return None
    return Nothing(char) if "://" in address else None


def round_bracket() -> Reading[Bracket]:
    """Read what follows a "(": it is silent with all that it holds if that is only links."""
    char = yield
    while char == "[":
        link = yield from square()
        if isinstance(link, Words):
            char = yield
        elif isinstance(link, Nothing):
            char = link.unread or (yield)
        else:
            return None
        while char and char in ",; ":
            char = yield
        if char == ")":
            return Nothing()
    return None


def source() -> Reading[Bracket]:
    """Read what follows a "【": a source as assistants cite it is silent."""
    inside = ""
    while (char := (yield)) != "】":
        if not char or char in "【\n" or len(inside) > LONGEST_INSIDE:
            return None
        inside += char
    return Nothing() if _SOURCE.fullmatch(inside) else None


def private() -> Reading[Bracket]:
    """Read what follows U+E200: to U+E201 it is a citation for a web page to show."""
    for _ in range(LONGEST_INSIDE):
        char = yield
        if char == "\ue201":
            return Nothing()
        if not char or char == "\ue200":
            return None
    return None


def lozenge() -> Reading[Bracket]:
    """Read what follows a "◁": a token of Kimi's."""
    name = ""
    while (char := (yield)) != "▷":
        if not char or not (char.isalnum() or char in "/_") or len(name) > LONGEST_INSIDE:
            return None
        name += char
    return silence_of_bracket(name.upper()) or Nothing()


def fence() -> Reading[Bracket]:
    """Read what follows a "`": a block of code that Home Assistant is to run is silent."""
    name = ""
    while (char := (yield)) != "\n":
        name += char
        if not char or not any(start.startswith(name) for start in _FENCES):
            return None
    return silence_of_fence(name)


def _seconds(pause: re.Match[str]) -> float:
    if pause[1] is None:
        return _USUAL_PAUSE
    amount = float(pause[1].replace(",", "."))
    return min(amount / 1000 if pause[2].lower() == "ms" else amount, LONGEST_PAUSE)
