"""Which characters are let through, and as what: no engine knows emoji or control characters.

What is only another shape of letters or digits ("𝐛𝐨𝐥𝐝", "Ｈｉ", "㎡", "①", "ﬁ") becomes these, so
that no word or unit is lost with it.
"""

# ruff: noqa: RUF001, RUF002  (look-alike characters are the subject)

import re
import unicodedata

PAUSE = "\x1f"  # stands for a comma while a text is cleaned; a control character, so none has it

TO = "⇾"  # an arrow from one number to another; others are pauses
_SYMBOLS = "↑↓↔✓✔✗✘★♭"  # said as words; what a variation selector makes a picture is emoji
_SPOKEN_SYMBOLS = f"°№©⌀℧{_SYMBOLS}"  # Unicode files them with the pictographs
_BULLETS = "•‣◦▪●○■□"
_SHAPES = ("<font>", "<circle>", "<square>", "<wide>", "<narrow>")
_PICTURES = "ℹ"  # filed with the letters
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»‹›″〝〞〟", '"'),
        **dict.fromkeys("‘’‚‛′´", "'"),
        **dict.fromkeys("‐‑–−﹣－", "-"),
        **dict.fromkeys(_BULLETS + "―", "—"),
        **dict.fromkeys("⟨⟩⟦⟧【】〔〕［］｛｝（）¦", PAUSE),
        **dict.fromkeys("⁇⁈⁉‽", "?"),
        "‼": "!",
        "…": "...",
    }
)
_SURROGATE = re.compile("[\ud800-\udfff]")
# These two shape letters in Arabic and Indic scripts; elsewhere they glue emoji.
_STRAY_JOINER = re.compile(r"(?<![\u0600-\u0fff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u0fff])")
# Home Assistant writes its units with the Greek letter; alone or before Latin it is "micro".
_MICRO = re.compile("(?<![\u0370-\u03ff\u1f00-\u1fff])\u03bc(?![\u0370-\u03ff\u1f00-\u1fff])")
# A picture with what changes its colour or sex, or two letters that are a flag.
_EMOJI = re.compile(
    f"((?![{_SYMBOLS}♯](?!\ufe0f))"
    "[\u2194\u231a-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff])"
    "[\ufe0f\U0001f3fb-\U0001f3ff]*(?:\u200d[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?)*"
)
_CHANGE = re.compile(r"(?<=[\d%°CF€]) ?[→➔➜⟶] ?(?=[-+−$€]?\d)")  # from 68 to 72
_PICTURED = re.compile(f"[{_SYMBOLS}]\ufe0f")
_SKIN = range(0x1F3FB, 0x1F400)


def mended(text: str) -> str:
    """Join the halves of characters, or replace them where alone: the text can be encoded."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain_characters(text: str, emoji_named: bool = False) -> str:
    """Return `text` in NFC, of characters that may be spoken or shape how; see the module."""
    text = mended(text)
    if text.isascii() and text.isprintable():
        return text
    if emoji_named:
        text = _EMOJI.sub(lambda found: _name(found[1]), text)
    text = _PICTURED.sub(" ", text)
    text = _STRAY_JOINER.sub("", unicodedata.normalize("NFC", text))
    text = _CHANGE.sub(f" {TO} ", text)
    text = unicodedata.normalize("NFC", "".join(map(_character, text)))
    return _MICRO.sub("\u00b5", text.translate(_PLAIN))


def _name(picture: str) -> str:
    """Return a picture's name in English, as Unicode gives it, in brackets."""
    if ord(picture) in _SKIN:
        return " "
    return f" ({unicodedata.name(picture, '').lower()}) "


def _character(char: str) -> str:
    if " " <= char <= "~" or char == "\n":
        return char
    if char.isspace():
        return "\n" if char in "\v\f\r\x85\u2028\u2029" else " "
    category = unicodedata.category(char)
    match category:
        case "Sm" | "So" | "Sk" if _is_arrow(char):
            return char if char == TO or char in _SYMBOLS else PAUSE
        case "So" | "Sk":
            letters = _letters(char)
            return letters or (char if char in _SPOKEN_SYMBOLS + _BULLETS + "¦´" else " ")
        case "Cf":
            return char if char in "\u200c\u200d" else ""
        case "Cc" | "Cs" | "Co" | "Cn" | "Me":
            return ""
        case "Mn" if "\ufe00" <= char <= "\ufe0f" or char >= "\U000e0100":  # variation selectors
            return ""
        case "Lu" | "Ll" | "Lm" | "Nd" | "No" | "Nl" if char >= "\u02b0":
            return " " if char in _PICTURES else _letters(char) or char
    return "" if char == "\ufffd" else char


def _is_arrow(char: str) -> bool:
    return "\u2190" <= char <= "\u21ff" or "\u27f0" <= char <= "\u27ff"


def _letters(char: str) -> str:
    """Return the letters and digits whose shape `char` is, "" if it is none."""
    shape, *codes = unicodedata.decomposition(char).split() or [""]
    letters = "".join(chr(int(code, 16)) for code in codes)
    category = unicodedata.category(char)
    is_shape = (
        shape in _SHAPES
        or (shape == "<super>" and category == "Lm")
        or (shape == "<compat>" and (category in ("Nl", "So", "No") or char >= "\ufb00"))
    )
    return letters if is_shape and char != "№" and any(map(str.isalnum, letters)) else ""
