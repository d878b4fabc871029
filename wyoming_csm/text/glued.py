"""Sentences written without a blank between them ("for you.It is", "Done!The"): it is put in.

Language models' messages before and after a call of a tool are joined like that. What only looks
so stays: "Node.js", "e.g.", "3.14", "U.S.Army", addresses.
"""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

import re

_STOPS = ".!?…‽"
_SURE = "!?‽"
_CLOSERS = "'\")]}’”»*_`"
_UP_TO_STOP = re.compile(r"[^.!?…‽]*")
_ENDS_A_SENTENCE = re.compile(r"(?:[^\W\d_]{2}|[\d%°)\]}»”\"']|°[CF])\Z")
_DOTTED = re.compile(r"\w\.\w")
# Of names like Node.Js and Booking.Com; not the words that a sentence may begin with (it, es, de).
_SUFFIXES = frozenset(
    "js ts net com org io uk eu py css html json xml pdf doc txt csv yaml php exe zip wav jpg"
    " png".split()
)
_LONGEST_WORD = 64  # of which more is not looked at
_LONGEST_NEXT = 20


class Gluing:
    """Reads one text; what comes out is the text with the blanks that it lacks."""

    def __init__(self) -> None:
        self._word = ""  # since the last white space, up to and with what came last
        self._stop = ""  # the kind of the stop that came just before, perhaps with quotes
        self._before = ""  # the word up to that stop
        self._next = ""  # the letters after a full stop, while they are in doubt

    @property
    def in_doubt(self) -> bool:
        """Return whether letters are held back."""
        return bool(self._next)

    def push(self, text: str) -> str:
        """Read on; return the text up to what is in doubt."""
        said: list[str] = []
        at = 0
        while at < len(text):
            if not self._stop and not self._next:
                found = _UP_TO_STOP.match(text, at)
                if found and found[0]:
                    said.append(found[0])
                    self._pass(found[0])
                    at = found.end()
                    continue
            said.append(self._take(text[at]))
            at += 1
        return "".join(said)

    def finish(self) -> str:
        """End the text; return what was in doubt."""
        said = self._decided()
        self._stop = self._word = ""
        return said

    def _pass(self, text: str) -> None:
        """Remember the word that `text` ends with."""
        last = text.split()[-1:] if not text[-1].isspace() else [""]
        whole = not any(map(str.isspace, text))
        self._word = (self._word + text if whole else last[0])[-_LONGEST_WORD:]

    def _take(self, char: str) -> str:
        if self._next:
            if char.isalpha() and len(self._next) < _LONGEST_NEXT:
                self._next += char
                return ""
            return self._decided() + self._take(char)
        if char in _STOPS:
            if not self._stop:
                self._before = self._word
            self._stop = char if not self._stop or char in _SURE else self._stop
        elif self._stop and char in _CLOSERS:
            pass
        elif self._stop and char.isalpha() and self._may_end(char):
            if self._stop in _SURE:
                return self._apart(char)
            self._next = char
            return ""
        elif self._stop and char in "¿¡" and self._before:
            return self._apart(char)
        else:
            self._stop = ""
        self._word = "" if char.isspace() else (self._word + char)[-_LONGEST_WORD:]
        return char

    def _apart(self, text: str) -> str:
        self._stop, self._word = "", text
        return " " + text

    def _may_end(self, following: str) -> bool:
        before = self._before
        if not _ENDS_A_SENTENCE.search(before[-2:]) or _is_address(before):
            return False
        if following.isupper():
            return True
        return self._stop in _SURE and self._word[-1:] not in "'’" and not _DOTTED.search(before)

    def _decided(self) -> str:
        """Return the letters after a full stop, with a blank if they begin a sentence."""
        word, self._next = self._next, ""
        if word and not _DOTTED.search(self._before) and _is_word(word):
            return self._apart(word)
        self._stop = ""
        if word:
            self._pass(word)
        return word


def _is_address(word: str) -> bool:
    if "/" in word and ("." in word or word[0] == "/" or "://" in word):
        return True
    return "@" in word or "=" in word or "\\" in word or word[:4].lower() == "www."


def _is_word(letters: str) -> bool:
    """Tell whether a sentence may begin with them: not with the JS of "Node.JS"."""
    if len(letters) == 1:
        return letters in "IA"
    return letters[1:].islower() and letters.lower() not in _SUFFIXES
