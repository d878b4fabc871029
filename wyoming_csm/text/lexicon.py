"""A lexicon: words and phrases that are to be spoken otherwise than they are written."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wyoming_csm.errors import ConfigError

MAX_ENTRIES = 5_000
MAX_CHARACTERS = 100  # of a word or phrase, and of what is said instead
_MAX_TOKENS = 24  # of a phrase: a dozen words
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")  # every character of a text is in one
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'"})  # as sentences have them


@dataclass
class _Node:
    """The entries that go on with certain tokens; those that end here."""

    after: "dict[str, _Node]" = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)  # by what is written
    any_case: str | None = None


class Lexicon:
    """Entries to look up. One in lower case stands for any case, one with capitals for itself."""

    def __init__(self, entries: Mapping[str, str]) -> None:
        """Take checked entries (`read_entries`): what is written → what is said."""
        self._root = _Node()
        for written, said in entries.items():
            node = self._root
            for token in _folded(_TOKEN.findall(written)):
                node = node.after.setdefault(token, _Node())
            if written == written.lower():
                node.any_case = said
            else:
                node.exact[written] = said

    def longest(self, tokens: Sequence[str], folded: Sequence[str], at: int) -> tuple[int, str]:
        """Return the end of the longest entry that begins at this token, and what is said for it.

        0 if there is none.
        """
        node, found = self._root, (0, "")
        for end in range(at + 1, min(at + _MAX_TOKENS, len(tokens)) + 1):
            if (following := node.after.get(folded[end - 1])) is None:
                break
            node = following
            said = node.any_case
            if node.exact:
                said = node.exact.get(_written(tokens[at:end]), said)
            if said is not None and not _goes_on(tokens, end):
                found = end, said
        return found


def replacements(text: str, lexicons: Sequence[Lexicon]) -> list[tuple[str, str]]:
    """Return the parts of a text, each as written and as it is said: all entries' words replaced,
    from left to right, the longest first.

    Of entries for the same words that of the first lexicon counts. Whole words only; what was put
    in is not looked at again. Takes time in proportion to the text.
    """
    if not lexicons:
        return [(text, text)]
    tokens = _TOKEN.findall(text)
    folded, at = _folded(tokens), 0
    found: list[tuple[str, str]] = []
    while at < len(tokens):
        end, said = 0, ""
        if not _goes_on(tokens, at):
            matches = [lexicon.longest(tokens, folded, at) for lexicon in lexicons]
            end, said = max(matches, key=lambda match: match[0], default=(0, ""))
        end = end or at + 1
        written = "".join(tokens[at:end])
        found.append((written, said or written))
        at = end
    return found


def read_entries(document: object) -> dict[str, str]:
    """Check what a file or a setting has. Raises ConfigError with what is wrong, and its cure."""
    if not isinstance(document, Mapping):
        raise ConfigError("write a table of words, as `Wi-Fi: why fie`")
    if len(document) > MAX_ENTRIES:
        raise ConfigError(f"it has {len(document)} entries: {MAX_ENTRIES} are the most")
    return dict(_checked(document))


def _checked(document: Mapping[object, object]) -> Iterator[tuple[str, str]]:
    for key, said in document.items():
        shown = repr(key)[:60]
        if not isinstance(key, str) or not isinstance(said, str):
            raise ConfigError(f'{shown}: write both words in quotes, as "no": "know"')
        written = _plain(key).translate(_QUOTES)
        for text in (written, _plain(said)):
            if not (0 < len(text) <= MAX_CHARACTERS and text.isprintable()):
                raise ConfigError(
                    f"{shown}: on each side stand 1 to {MAX_CHARACTERS} characters in one line"
                )
        if len(_TOKEN.findall(written)) > _MAX_TOKENS:
            raise ConfigError(f"{shown}: a phrase of a dozen words is the longest")
        yield written, _plain(said)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _folded(tokens: Sequence[str]) -> list[str]:
    return [" " if token.isspace() else token.casefold() for token in tokens]


def _written(tokens: Sequence[str]) -> str:
    return "".join(" " if token.isspace() else token for token in tokens)


def _goes_on(tokens: Sequence[str], at: int) -> bool:
    """Return whether the token is a mark that belongs to the word before, as in many scripts, or
    follows such a mark."""
    near = tokens[max(0, at - 1) : at + 1] if at else tokens[:1]
    word = at < len(tokens) and (tokens[at][0].isalnum() or _is_mark(tokens[at]))
    return word and any(_is_mark(token) for token in near)


def _is_mark(token: str) -> bool:
    return unicodedata.category(token[0])[0] == "M"
