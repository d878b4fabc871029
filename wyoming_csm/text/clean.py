"""What is written but not read aloud: taken out, so that only words and their stops are left.

Markdown, HTML, emoji, control characters and bare addresses go; brackets become commas, since
CSM may hang at them. Each pattern is linear on hostile text: none can begin at many characters
and run far from every one of them.
"""

# ruff: noqa: RUF001  (look-alike characters are the subject)

import re
import unicodedata
from re import Match

_PAUSE = "\x1f"  # stands for a comma until the end; a control character, so no text contains one
_PASSES = 8  # what one uncovers, the next takes; ordinary text needs one, and one to see that
_SPOKEN_SYMBOLS = "°℃℉№"  # Unicode files them with the pictographs
_BULLETS = "•‣◦▪●○■□"

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»‹›″〝〞〟", '"'),
        **dict.fromkeys("‘’‚‛′´", "'"),
        **dict.fromkeys("‐‑–−﹣－", "-"),
        **dict.fromkeys(_BULLETS + "―", "—"),
        **dict.fromkeys("⟨⟩⟦⟧【】〔〕［］｛｝（）¦", _PAUSE),
        **dict.fromkeys("⁇⁈⁉‽", "?"),
        "‼": "!",
        "…": "...",
    }
)
_SURROGATE = re.compile("[\ud800-\udfff]")
# These two shape letters in Arabic and Indic scripts; elsewhere they glue emoji.
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u0fff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u0fff])")

_FENCE = re.compile(r"^ *(?:`{3,}|~{3,})[^`\n]*$", re.M)
_ENTITY = re.compile(r"&(?:amp;)*(amp|nbsp|lt|gt|quot|apos|#39);", re.I)
_ENTITIES = {"amp": "&", "lt": " < ", "gt": " > ", "quot": '"', "apos": "'", "#39": "'"}
_ESCAPE = re.compile(r"\\+(?=[!-/:-@\[-`{-~])")
_TIMES = re.compile(r"(?<=\d)( ?)\*( ?)(?=\d)")
_EMPHASIS = re.compile(r"[*`]+|~{2,}")
_LINE_MARKS = re.compile(r"^ *(?:(?:#{1,6}|>+|[-+—])(?: +|$))+(?:\[[ xX]\] )?", re.M)
_LINK = re.compile(
    r"!?\[([^\[\]\n]*+)\]\([^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+(?: \"[^\"\n]*\")?\)"
)
_LINK_TAIL = re.compile(r"\]\([^()\s]*+\)")  # of a link that was cut apart
_FOOTNOTE = re.compile(r"\[\^?\d{1,3}\]")
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|body|br|center|code|dd|del|details|div|dl|dt|em|font|footer|"
    r"h[1-6]|head|header|hr|html|i|img|ins|kbd|li|mark|ol|p|pre|q|s|samp|section|small|span|"
    r"strike|strong|sub|summary|sup|table|tbody|td|th|thead|tr|tt|u|ul|var|"
    r"speak|break|prosody|emphasis|say-as|phoneme|voice|audio)(?![\w-])[^<>]*>"
    r"|</[A-Za-z][^<>]*>",  # the end of anything else: what began it was read as a word
    re.I,
)
_ANGLES = re.compile(r"<([A-Za-z][^<>]*)>")  # "<name>": a tag that is none
_URL = re.compile(
    r"<?(?:\b(?:https?|ftp)://|(?<![\w.-])www\.)([^\s<>\"\u3000-\u303f\uff00-\uff65]+)>?", re.I
)
_HOST = re.compile(r"(?:[^/?#@]*@)?(?:www\.)*([\w-]+(?:\.[\w-]+)*)", re.I)
_EMOTICON = re.compile(r"(?<!\S)[:;=]-?[()DP](?!\w)")
_INSIDE_WORD = re.compile(r"(?<=[^\W_])[(\[]([^\W_]{1,3})[)\]](?!\w)")  # "call(s)"
_UNDERSCORES = re.compile(r"_+")
_BREAKS = re.compile(
    r"(?<![-=])[-=]+>|<[-=]+|[\[\](){}|]+|—+|-{2,}"
    r"|(?<!\S)-(?!\S)(?! \d)|(?<!\d )(?<!\S)-(?!\S)"  # but "5 - 3"
)
_BLANKS = re.compile(r"[ \n]+")
_HASHES = re.compile(r"(?<!\S)#+(?!\S)|#+(?=[^\W\d_])")
_DOTS = re.compile(r"\.{2,}")
_CRIES = re.compile(r"[!?]{2,}")
_REPEATED = re.compile(r"([^\w\s.])\1{2,}")
_SEPARATORS = re.compile(rf"[\s,{_PAUSE}]+")
_PAUSE_AT_STOP = re.compile(rf"{_PAUSE}(?=[.;:!?])|(?<=[;:!?]){_PAUSE}|(?<=\.){_PAUSE}(?!\d)")
_SPACE_BEFORE_STOP = re.compile(r" (?=[.,;:!?](?!\w))")
_LEADING = re.compile(rf"^(?:[\s,;:!?{_PAUSE}」』》〉。、，！？；：]|\.(?!\d)|[#>+—\"'-](?=\s|$))+")


def clean(text: str) -> str:
    """Return `text` as it can be read aloud, on one line, in NFC; "" without a letter or digit.

    Cleaning twice changes nothing more. Only odd text comes out longer: a bracket becomes two
    characters.
    """
    for _ in range(_PASSES):
        if not any(map(str.isalnum, text)):
            return ""
        before, text = text, _punctuation(_markup(_characters(text)))
        if text == before:
            break
    return text


def mended(text: str) -> str:
    """Join the halves of characters, or replace them where alone: the text can be encoded."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _characters(text: str) -> str:
    """Take out what no engine knows: control characters, emoji."""
    text = _STRAY_JOINER.sub("", unicodedata.normalize("NFC", mended(text)))
    return unicodedata.normalize("NFC", "".join(map(_character, text))).translate(_PLAIN)


def _character(char: str) -> str:
    if " " <= char <= "~" or char == "\n":
        return char
    if char.isspace():
        return "\n" if char in "\v\f\r\x85\u2028\u2029" else " "
    match unicodedata.category(char):
        case "Sm" | "So" | "Sk" if _is_arrow(char):
            return _PAUSE
        case "So" | "Sk":
            return char if char in _SPOKEN_SYMBOLS + _BULLETS + "¦´" else " "
        case "Cf":
            return char if char in "\u200c\u200d" else ""
        case "Cc" | "Cs" | "Co" | "Cn" | "Me":
            return ""
        case "Mn" if "\ufe00" <= char <= "\ufe0f" or char >= "\U000e0100":  # variation selectors
            return ""
    return "" if char == "\ufffd" else char


def _is_arrow(char: str) -> bool:
    return "\u2190" <= char <= "\u21ff" or "\u27f0" <= char <= "\u27ff"


def _markup(text: str) -> str:
    """Take out Markdown and HTML; their pauses become _PAUSE."""
    text = _FENCE.sub("", text)
    text = _ENTITY.sub(lambda found: _ENTITIES.get(found[1].lower(), " "), text)
    text = _ESCAPE.sub("", text).replace("\\", " ")
    text = _EMPHASIS.sub("", _TIMES.sub(r"\1×\2", text))
    text = _LINE_MARKS.sub(_PAUSE, text)
    text = _LINK_TAIL.sub(" ", _LINK.sub(r"\1", text))
    text = _URL.sub(_host, _TAG.sub(" ", text))
    text = _ANGLES.sub(rf"{_PAUSE}\1{_PAUSE}", text)
    text = _INSIDE_WORD.sub(r"\1", _FOOTNOTE.sub("", _EMOTICON.sub(" ", text)))
    text = _UNDERSCORES.sub(" ", text)
    text = _BLANKS.sub(" ", text)
    text = _BREAKS.sub(_PAUSE, text)
    return _HASHES.sub("", text)


def _host(address: Match[str]) -> str:
    """Return what of an address is worth saying, and the stop of the sentence it stands in."""
    rest = address[1]
    host = _HOST.match(rest)
    stop = rest[len(rest.rstrip(".,;:!?)]}'\"")) :]
    return (host[1] if host else "") + stop


def _punctuation(text: str) -> str:
    """Leave each stop once, and white space only where words part."""
    text = _DOTS.sub("...", text)
    text = _CRIES.sub(lambda found: "?" if "?" in found[0] else "!", text)
    text = _REPEATED.sub(r"\1", text)
    text = _SEPARATORS.sub(_separator, text)
    text = _PAUSE_AT_STOP.sub(" ", text)
    text = _SPACE_BEFORE_STOP.sub("", text)
    text = _LEADING.sub("", text).rstrip(" " + _PAUSE)
    return text.replace(_PAUSE, ", ")


def _separator(run: Match[str]) -> str:
    if _PAUSE in run[0]:
        return _PAUSE
    if "," in run[0]:
        return "," if run[0] == "," else ", "
    return " "
