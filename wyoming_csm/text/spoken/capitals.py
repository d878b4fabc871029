"""Shouted text: words in capitals become ordinary ones, acronyms stay."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

import re
from collections.abc import Iterator
from re import Match

from wyoming_csm.text.spoken.rule import Change, Sentence, text_before

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*")
_NUMERAL = re.compile("II|III|IV|VI{1,3}|IX|XI{1,3}|XX?[IVX]{2,4}|M{1,3}[XVICDL]{3,}")
_RUN = 3  # words in capitals, one after another
_SHORTEST = 4  # letters of a shout of one word
# Of those with a vowel: others without one are never taken for words.
_ACRONYMS = frozenset(
    "HDMI LCD QR SSD HDD"
    " AC ACS AI AM API ASAP AUX AVR BIOS CO COVID CPU CEO DIY DNS EU EV EVS FAQ GPU GUI HA"
    " HVAC ID IDE IEEE IO IOT IP IPTV ISO ISP LAN LED LEDS MAC NAS NASA NATO OLED OS OTA PIN"
    " PIR PM POE RAID RAM RGB ROM SIM SUV UI UK UN UPS URL US USA USB UTC UV UVA UVB VIP VOC"
    " WLAN WIFI ZHA UPNP GMT KI EDV EG OG UG ADAC ARD KFZ LKW PKW SUVS TÜV USV VPN AI IA TGV"
    " SNCF CPU".split()
)
_PLAIN_IN_SHOUTS = frozenset({"US", "AM", "PIN", "IO", "OS", "HA", "AI", "IA", "EG", "UN", "UI"})
_VOWELS = frozenset("AEIOUYÄÖÜÀÁÂÈÉÊËÌÍÎÏÒÓÔÙÚÛÆŒ")


def calm(sentence: Sentence) -> None:
    """Turn what is shouted into words: a sentence, or three words in a row, in capitals only."""
    for begin, end in reversed(list(_shouts(sentence.text))):
        before = sentence.text[begin:end]
        after = _WORD.sub(_word, before)
        if not sentence.text[:begin].strip() and after[:2] != before[:2]:
            after = after[0].upper() + after[1:]
        if after != before:
            sentence.text = sentence.text[:begin] + after + sentence.text[end:]
            sentence.changes.append(Change("capitals", before, after))


def _shouts(text: str) -> Iterator[tuple[int, int]]:
    """Yield where words in capitals stand that are a whole text, or at least three together."""
    words = [found for found in _WORD.finditer(text) if any(map(str.isalpha, found[0]))]
    if not any(found[0].isupper() and len(found[0]) > 1 for found in words):
        return
    run: list[Match[str]] = []
    for found in [*words, None]:
        if found is not None and found[0].isupper():
            run.append(found)
            continue
        if run and _is_shout(run, len(run) == len(words)):
            yield run[0].start(), run[-1].end()
        run = []


def _is_shout(run: list[Match[str]], whole: bool) -> bool:
    plain = [w for w in run if _is_plain(w[0]) and len(w[0]) > 1]
    if whole and len(run) == 1:
        return len(run[0][0]) >= _SHORTEST and len(plain) == 1
    enough = 2 * len(plain) >= len(run)
    return (
        enough and bool(plain) and (whole or len(run) >= _RUN) and any(len(w[0]) > 2 for w in plain)
    )


def _is_plain(word: str) -> bool:
    if any(map(str.isdigit, word)) or _NUMERAL.fullmatch(word):
        return False
    return not _VOWELS.isdisjoint(word) and (word not in _ACRONYMS or word in _PLAIN_IN_SHOUTS)


def _word(found: Match[str]) -> str:
    word = found[0]
    before = text_before(found).rstrip()
    if not _is_plain(word) or (before[-1:].isdigit() and len(word) <= 3):
        return word
    return word if word == "I" else word.lower()
