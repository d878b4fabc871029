"""Addresses of the web and of mail: what of them is worth saying, in words.

Of a web address that is its host; the path behind it is for machines. Each pattern is linear on
hostile text.
"""

import re
from re import Match

# A full stop and an "@" inside of an address, as people say them.
_WORDS = {
    "en": ("dot", "at"),
    "de": ("Punkt", "ät"),
    "fr": ("point", "arobase"),
    "es": ("punto", "arroba"),
    "it": ("punto", "chiocciola"),
    "nl": ("punt", "apenstaartje"),
    "pt": ("ponto", "arroba"),
}
_URL = re.compile(
    r"(?:\b(?:https?|ftp)://|(?<![\w.-])www\.)([^\s<>\"\u3000-\u303f\uff00-\uff65]+)", re.I
)
_ANGLED = re.compile(r"<((?:https?://|mailto:)[^\s<>]+|[^\s<>@]+@[^\s<>]+)>", re.I)
_ALONE = re.compile(r"[(\[]\s*<?(?:https?://|www\.)[^\s<>\"()\[\]]+>?\s*[)\]]", re.I)
_HOST = re.compile(r"(?:[^/?#@]*@)?(?:www\.)*([\w-]+(?:\.[\w-]+)*)", re.I)
_MAIL = re.compile(
    r"(?:mailto:)?(?<![\w.+-])([\w.+-]{1,64})@((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})\b", re.I
)


def addresses_in_words(text: str, language: str = "", *, dropped: bool = False) -> str:
    """Return `text` with its addresses as they are spoken in `language`, or without them.

    One that stands alone in brackets is silent: the words before it name what it leads to.
    """
    if "/" not in text and "." not in text:
        return text
    dot, at = _WORDS.get(language[:2].lower(), ("", ""))

    def web(found: Match[str]) -> str:
        host = _HOST.match(found[1])
        stop = found[1][len(found[1].rstrip(".,;:!?)]}'\"")) :]
        return ("" if dropped or host is None else _dotted(host[1], dot)) + stop

    def mail(found: Match[str]) -> str:
        if dropped:
            return ""
        name, host = _dotted(found[1], dot), _dotted(found[2], dot)
        return f"{name} {at} {host}" if at else found[0]

    return _MAIL.sub(mail, _URL.sub(web, _ANGLED.sub(r" \1 ", _ALONE.sub("", text))))


def _dotted(name: str, dot: str) -> str:
    return name.replace(".", f" {dot} ") if dot else name
