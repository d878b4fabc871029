"""Addresses of the web and of mail: what of them is worth saying.

Of a web address that is its host; what stands behind it is for machines. Each pattern is linear
on hostile text.
"""

import re
from re import Match

_ANGLED = re.compile(r"<((?:https?://|mailto:)[^\s<>]+|[\w.+-]+@[\w.-]+)>", re.I)
_URL = re.compile(
    r"(?:(?<![^\W_])(?:https?|ftp)://|(?<![\w.-])www\.)([^\s<>\"\u3000-\u303f\uff00-\uff65]+)", re.I
)
_ALONE = re.compile(r"[(\[]\s*<?(?:https?://|www\.)[^\s<>\"()\[\]]+>?\s*[)\]]", re.I)
_HOST = re.compile(r"(?:[^/?#@]*@)?(?:www\.)*([\w-]+(?:\.[\w-]+)*)", re.I)
_MAIL = re.compile(
    r"(?:mailto:)?(?<![\w.+-])([\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})\b", re.I
)


def spoken_addresses(text: str, *, dropped: bool = False) -> str:
    """Return `text` with the hosts of its web addresses and with its mail addresses, or without.

    An address that stands alone in brackets is silent: the words before it name what it leads to.
    """
    if "/" not in text and "." not in text:
        return text

    def web(found: Match[str]) -> str:
        host = _HOST.match(found[1])
        if host is None:
            return found[1]
        stop = found[1][len(found[1].rstrip(".,;:!?)]}'\"")) :]
        return ("" if dropped else host[1]) + stop

    text = _URL.sub(web, _ANGLED.sub(r" \1 ", _ALONE.sub("", text)))
    return _MAIL.sub("" if dropped else r"\1", text)
