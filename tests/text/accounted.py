"""A plain definition of what of a text may be left out, and whether all else of it is spoken.

It shares nothing with the code: whole texts, no streams, and where in doubt it allows more.
"""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from html.entities import html5

SIGNS = frozenset("%°€$£¥+=&§±÷µ<>#@/^↑↓↔✓✔✗✘★♯♭")  # each is a word, or changes one
SAME = {"≤": "<=", "≥": ">=", "≠": "=", "μ": "µ"}

REASONING = "think|thinking|thought|thoughts|reasoning|reason|reflection|scratchpad|analysis"
SILENT = (
    REASONING + "|inner_monologue|antthinking|tool_\\w+|function_\\w+|function|invoke|tools|tool"
    "|script|style|svg|head|template|noscript|metadata|desc"
)
ELEMENTS = (
    "a|b|i|s|u|p|q|br|hr|em|li|ul|ol|td|th|tr|div|img|pre|sub|sup|code|span|table|strong|h[1-6]"
    "|answer|output|result|final|user|speak|break|prosody|say-as|voice"
)
OPTIONAL = [
    re.compile(pattern, re.I | re.S | re.M)
    for pattern in (
        rf"<(?:\w+:)?(?:{SILENT})\b[^<>]*>.*?(?:</(?:\w+:)?(?:{SILENT})\s*>|\Z)",
        r"<!--.*?(?:-->|\Z)",
        r"<!doctype[^>]*>|<\?.*?\?>|<!\[CDATA\[|\]\]>",
        r"<!doctype[^>]*\[.*?(?:\]\s*>|\Z)",
        rf"</?(?:{ELEMENTS})\b[^<>]*>",
        r"</[a-z][^<>]*>|<[a-z][^<>]*=[^<>]*>",  # with attributes, or an end
        r"<[a-z_][^<>]*>",  # its words may not go, but its signs
        r"<[|｜][^\s<>]*>|<\w*\|>",
        r"<[|｜][^\s<>]*(?:think|thought|tool|reason|function|python_tag)[^\s<>]*>.*",
        r"<[|｜](?:im_start|start|start_header_id|channel|turn)[|｜]?>.*",
        r"\[TOOL_CALLS\].*?(?:\n|\Z)",
        r"\[(?:THINK|AVAILABLE_TOOLS|TOOL_RESULTS)\].*?(?:\[/\w+\]|◁/\w+▷|</\w+>|\Z)",
        r"\[/?(?:INST|SYSTEM_PROMPT|THINK|AVAILABLE_TOOLS|TOOL_RESULTS)\]",
        r"◁\w+▷.*?(?:◁/\w+▷|</\w+>|\Z)|◁/?\w+▷",
        r"```(?:homeassistant|tool_\w+)\n.*?(?:```|\Z)",
        r"\[oaicite:\d+\]|:contentReference|\{index=\d+\}",
        r"\ue200[^\ue200\ue201]*\ue201",
        r"\[\^?\d{1,3}(?:\s*[,;–-]\s*\^?\d{1,3})*\]",
        r"\[\^[\w-]+\]",
        r"【[^】]*(?:†[^】]*)?】",
        r"\]\(\S*\)|\]\([^)\n]*\)*",
        r"\]\[[^\]\n]*\]",
        r"\[[^\]\n]*\]: *<?https?://\S*",
        r"[(\[](?:\[[^\[\]\n]*\]\([^()\s]*\)[,; ]*)+[)\]]",
        r"\[\s*pause[^\]]*\]",
        r"(?:(?:https?|ftp):/|www\.)\S*",
        r"(?<![^\W_])(?<![<=-])[:;=]-?[()dp](?![^\W_])",
        r"(?:`{3,}|~{3,})[^`\n]*$",
        r"([^\w\s.])\1{2,}|(?:[<>!]=){3,}",
        r"(?<![^\W_])#+(?!\d)",
        r"[™℠®ℹ🅪🅫🅬]",
        r"[↑↓↔✓✔✗✘★♭]\ufe0f",  # as a picture
    )
]
ARROWS = re.compile(r"<?[-–—−‐‑=]+>|<[-–—−‐‑=]{2,}|<[-–—−‐‑]")
# Marks of lists, headings and quotations.
LINE_MARKS = re.compile(r"^(?:_|[^\w%°€$£¥&=<@/^±÷§↑↓↔✓✔✗✘★♯♭])+", re.M)
# A stretch of signs between two stops, without a letter or digit: no sentence.
NO_SENTENCE = re.compile(r"(?:\A|(?<=[.!?…\n]))[\W_]*(?=[.!?…\n]|\Z)")
ENTITY = re.compile(r"&(#?\w+;|#\w+|\w+(?![\w=;]))")
LINE_ENDS = re.compile("[\v\f\r\x85\u2028\u2029]")


def counted(text: str) -> Iterator[str]:
    """Yield the Latin letters, digits and signs of a text, without accents and shapes."""
    plain = unicodedata.normalize("NFKD", text.replace("≠", "=").replace("↮", ""))
    for char in "".join(SAME.get(char, char) for char in plain):
        name = unicodedata.name(char, "")
        if name.startswith("LATIN ") or char in SIGNS or (char.isdecimal() and char.isascii()):
            yield char


def mended(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def allowed(text: str) -> list[tuple[str, bool]]:
    """Return what counts of a text, each with whether it may be left out."""
    optional = [False] * len(text)
    for patterns in (OPTIONAL, OPTIONAL, OPTIONAL, [ARROWS]):  # each uncovers more of its kind
        left = [at for at, out in enumerate(optional) if not out]
        _mark(optional, left, "".join(text[at] for at in left), patterns)
    rest = "".join("\n" if out else char for char, out in zip(text, optional, strict=True))
    _mark(optional, range(len(text)), rest, (LINE_MARKS, NO_SENTENCE))
    return [(c, optional[at]) for at, char in enumerate(text) for c in counted(char)]


def _entity(found: re.Match[str]) -> str:
    known = found[1] in html5 or found[1].startswith("#")
    return unescape(found[0]) if known else found[0]


def _mark(
    optional: list[bool], places: Sequence[int], text: str, patterns: Iterable[re.Pattern[str]]
) -> None:
    for pattern in patterns:
        for found in pattern.finditer(text):
            for at in places[found.start() : found.end()]:
                optional[at] = True


def is_accounted(text: str, spoken: Iterable[str]) -> bool:
    """Tell whether `spoken` is the text, in order, less only what may be left out of it."""
    text = LINE_ENDS.sub("\n", mended(text))
    for _ in range(8):  # what was escaped many times
        text = ENTITY.sub(_entity, text)
    text = "".join(" " if c.isspace() and c != "\n" else c for c in text)
    text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf"))
    text = re.sub(r"\*|\\+(?=[!-/:-@\[-`{-~])|(?<!`)`{1,2}(?!`)", "", text)  # marks of emphasis
    text = text.replace("\\", " ")
    ways = {0}  # of how much of `wanted` is matched so far
    wanted = allowed(text)
    for char in counted(" ".join(spoken)):
        ways = {
            end + 1
            for end in _with_left_out(ways, wanted)
            if wanted[end : end + 1] and wanted[end][0] == char
        }
    return len(wanted) in _with_left_out(ways, wanted, to_the_end=True)


def _with_left_out(
    ways: set[int], wanted: list[tuple[str, bool]], to_the_end: bool = False
) -> set[int]:
    """Return also the ways that leave out what follows."""
    reached = set(ways)
    for at in range(min(ways, default=len(wanted)), len(wanted)):
        if at in reached and wanted[at][1]:
            reached.add(at + 1)
    return reached
