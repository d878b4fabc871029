"""What is written but not read aloud: taken out, so that only words and their stops are left.

Marks of emphasis, of lists and headings go; brackets become commas, since CSM may hang at them.
What reaches further than one sentence (tags, links, reasoning) went before: `markup`. Each
pattern is linear on hostile text: none can begin at many characters and run far from every one of
them.
"""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re

from wyoming_csm.config import ReadingConfig
from wyoming_csm.text.addresses import spoken_addresses
from wyoming_csm.text.characters import PAUSE, plain_characters

_PASSES = 8  # what one uncovers, the next takes; ordinary text needs one, and one to see that


_ORDINARY = re.compile(
    r"(?:\d{1,3}\. )?"
    r"[A-Za-z0-9]+(?:,? [A-Za-z0-9]+|'[A-Za-z]+|(?<=\d)[.:,]\d+|-[A-Za-z]+)*[.!?,;:]?"
)
_FENCE = re.compile(r"^ *(?:`{3,}|~{3,}) *[\w+#.-]*(?: *\{[^}\n]*\})? *$", re.M)
_ESCAPE = re.compile(r"\\+(?=[!-/:-@\[-`{-~])")
_BACKSLASH = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]:(?:\\[\w-][\w.-]{0,63})+|\\")  # or C:\\temp
# Between words without blanks it is as well the end of an emphasis: "un*believ*able".
_OPERAND = r"(?<=\d)|(?<![A-Za-z0-9_*][A-Za-z])(?<=[A-Za-z])"
_POWER = re.compile(rf"(?:{_OPERAND}) ?\*\* ?(?=\d)")
_LIST_ON_A_LINE = ": * "
_TIMES = re.compile(
    r"(?<=[A-Za-z0-9)]) \* (?=[A-Za-z0-9(])"
    r"|(?<=[%°€]) \* (?=\d)"
    rf"|(?:{_OPERAND}|(?<=\)))\*(?=[A-Za-z0-9(])|(?<=[A-Za-z0-9)])\*(?=\d|[A-Za-z](?![A-Za-z0-9_*]))"
)
# A dot in the middle parts what stands on a card, but multiplies bare numbers.
_MIDDLE_DOT = re.compile(r" [·⋅] ?|[·⋅] ")
_BARE_NUMBER = re.compile(
    r"[\d.,]+(?! ?[\d°%‰€$£µ/:]| ?(?!(?:is|are|equals|ist|sind|est|font|es|son|è|fa)\b)[^\W\d_])"
)
_UNKNOWN = re.compile(r"[a-zπ](?!\w)")
# The minus of a key or a button.
_KEY = re.compile(
    r"(?<!\w)(?P<before>(?:press|push|tap|hit|click|hold|drücken?|drück|taste|appuyez sur"
    r"|appuie sur|touche|pulsa|pulse|presiona|presione|tecla|botón|premi|premere|tasto|druk op"
    r"|toets|knop)(?: the| die| la| il| de)?"
    r"|\+[^\n.!?;+-]{0,30}(?:,| (?:or|and|oder|und|ou|et|o|y|e|of|en))) -(?=[ .,;!?]|\Z)",
    re.I,
)
_QUOTED_MINUS = re.compile(r"(?<![\w])(?P<quote>[\"'])-(?P=quote)(?!\w)")
_PER_BOTH = re.compile(r"(?<=[A-Za-z]/)\((\w{1,4})[·⋅*.](\w{1,4})\)")  # J/(kg·K)
_EMPHASIS = re.compile(r"[*`]+|~{2,}")
_LINE_MARKS = re.compile(r"^ *(?:(?:(?:#{1,6}|>+|[-+—])(?: +|$))+(?:\[[ xX]\] )?|\[[ xX]\] )", re.M)
_LINK_TAIL = re.compile(
    r"\]\((?=\)|[^()\s./:#]*+[./:#])[^()\s]*+\)"
)  # of a link round other brackets
_MACHINES = re.compile(r":contentReference\b|\{index=\d{1,4}\}")
_EMOTICON = re.compile(r"(?<!\S)[:;=]-?[()DP](?!\w)")
_INSIDE_WORD = re.compile(r"(?<=[^\W_])[(\[]([^\W\d_]{1,3})[)\]](?!\w)")  # "call(s)"
_UNDERSCORES = re.compile(r"_+")
_COMPARED = re.compile(r"<=(?![=>])|(?<![-=>])>=(?!=)|!=(?!=)")
_COMPARISONS = {"<=": "≤", ">=": "≥", "!=": "≠"}
_BREAKS = re.compile(
    r"(?<![-=])[-=]+>|<(?:-+(?!\d)|[-=]{2,})|[\[\](){}|]+|—+|-{2,}"
    # but "5 - 3", "1 - Mar 31"
    r"|(?<!\S)-(?!\S)(?! [$€£]?\d| [A-Z][a-z]{2,8}\.? \d)|(?<![\d$€£%°] )(?<!\S)-(?!\S)"
)
_BLANKS = re.compile(r"[ \n]+")
_COLOR = r"(?=[A-Fa-f]{1,5}\d)[0-9A-Fa-f]{6}(?!\w)"
_HASHES = re.compile(rf"(?<!\S)#+(?!\S)|(?<!\w)#+(?=[^\W\d_])(?!{_COLOR}|[A-Z]{{1,4}}-?\d)")
_DOTS = re.compile(r"\.{2,}")
_CRIES = re.compile(r"[!?]{2,}")
_STRAY_CRY = re.compile(r"(?<!\S)!(?=\w)")  # of a picture
_REPEATED = re.compile(r"([^\w\s.★])\1{2,}")
_SEPARATORS = re.compile(rf"[\s,{PAUSE}]+")
_GLUED = re.compile(r"(?<=[^\W\d_])[,;](?=\w)|(?<=\w)[,;](?=[^\W\d_])|(?<=[a-z]):(?=[A-Z][a-z])")
_TWO_STOPS = re.compile(rf"\.{PAUSE}(?=\.(?:\s|$))\.")  # (from Nov.).
_PAUSE_AT_STOP = re.compile(rf"{PAUSE}(?=[.;:!?])|(?<=[;:!?]){PAUSE}|(?<=\.){PAUSE}(?!\d)")
_SPACE_BEFORE_STOP = re.compile(r" (?=[.,;:!?](?!\w))")
_LEADING = re.compile(
    rf"^(?:[\s,;:!?{PAUSE}}}」』》〉。、，！？；：]|\.(?!\d)|[#—\"'](?=\s|$)|-(?=\s+[^\s\d]|\s*$))+"
)


def clean(text: str, style: ReadingConfig | None = None, *, begins_line: bool = True) -> str:
    """Return `text` as it can be read aloud, on one line, in NFC; "" without a letter or digit.

    Cleaning twice changes nothing more. Only odd text comes out longer: a bracket becomes two
    characters. Where the text does not begin a line, "+ 5" is no item of a list.
    """
    style = style or ReadingConfig()
    named = style.emoji == "named"
    for _ in range(_PASSES):
        if _ORDINARY.fullmatch(text := text.strip()):
            return text
        if not named and not any(map(str.isalnum, text)):
            return ""
        before = text
        text = _punctuation(_markup(plain_characters(text, named), style, begins_line))
        if text == before:
            break
    return text if any(map(str.isalnum, text)) else ""


def _markup(text: str, style: ReadingConfig, begins_line: bool) -> str:
    """Take out Markdown; its pauses become PAUSE."""
    if begins_line:
        text = _FENCE.sub("", text)
    text = _MACHINES.sub("", _BACKSLASH.sub(_path_or_blank, _ESCAPE.sub("", text)))
    if _LIST_ON_A_LINE not in text:
        text = _TIMES.sub(_times, _POWER.sub("^", text))
    text = _PER_BOTH.sub(r"\1/\2", text)
    text = _QUOTED_MINUS.sub(r"\g<quote>−\g<quote>", _KEY.sub(r"\g<before> −", text))
    text = _MIDDLE_DOT.sub(_dot_or_pause, text)
    text = _EMPHASIS.sub("", text)
    if begins_line:
        text = _LINE_MARKS.sub(PAUSE, text)
    text = _LINK_TAIL.sub(" ", text)
    text = spoken_addresses(text, dropped=style.addresses == "dropped")
    text = _INSIDE_WORD.sub(r"\1", _EMOTICON.sub(" ", text))
    text = _UNDERSCORES.sub(" ", text)
    text = _BLANKS.sub(" ", text)
    text = _COMPARED.sub(lambda found: _COMPARISONS[found[0]], text)
    text = _BREAKS.sub(PAUSE, text)
    return _HASHES.sub("", text)


def _path_or_blank(found: re.Match[str]) -> str:
    return " " if found[0] == "\\" else found[0]


def _dot_or_pause(found: re.Match[str]) -> str:
    """Return the dot between two bare numbers, or a number and an x; else a pause."""
    text, end = found.string, found.end()
    if not text[max(0, found.start() - 1) : found.start()].isdigit():
        return PAUSE
    operand = _BARE_NUMBER.match(text, end) or _UNKNOWN.match(text, end)
    return found[0] if operand else PAUSE


def _times(found: re.Match[str]) -> str:
    return found[0].replace("*", "×")


def _punctuation(text: str) -> str:
    """Leave each stop once, and white space only where words part."""
    text = _DOTS.sub("...", text)
    text = _CRIES.sub(lambda found: "?" if "?" in found[0] else "!", text)
    text = _REPEATED.sub(r"\1", _STRAY_CRY.sub("", text))
    text = _GLUED.sub(r"\g<0> ", text)
    text = _SEPARATORS.sub(_separator, text)
    text = _PAUSE_AT_STOP.sub(" ", _TWO_STOPS.sub(".", text))
    text = _SPACE_BEFORE_STOP.sub("", text)
    text = _LEADING.sub("", text).rstrip(" " + PAUSE)
    return text.replace(PAUSE, ", ")


def _separator(run: re.Match[str]) -> str:
    if PAUSE in run[0]:
        return PAUSE
    if "," in run[0]:
        return "," if run[0] == "," else ", "
    return " "
