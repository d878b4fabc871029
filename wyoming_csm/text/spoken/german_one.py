"""The German 1 before a noun, bent for gender and case: in einer Stunde, einen Termin."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

import re
from re import Match

from wyoming_csm.text.spoken import german
from wyoming_csm.text.spoken.rule import Rule, rule, stop_after, text_before
from wyoming_csm.text.spoken.words import Words

_PATTERN = (
    r"(?<![\w.,:/+−–-])(?<![-−–+] )1 (?:(?P<unit>(?i:h|std|min|sek))\b(?!/)\.?"
    r"|(?P<adjective>[a-zäöüß]{2,20}(?:e|er|es|en) )?(?P<noun>[A-ZÄÖÜ][^\W\d_]{2,40})(?![\w/°²³]))"
)
_UNITS = {"h": "Stunde", "std": "Stunde", "min": "Minute", "sek": "Sekunde"}
_NOT_ADJECTIVES = frozenset(
    "aber alle andere deine diese eine haben hatte hatten keine meine oder seine ihre unsere"
    " sowie unter wurde wurden werde werden wäre könnte sollte konnte habe hinter über".split()
)
_FILLERS = r"(?:(?:etwa|circa|ca\.|rund|ungefähr|genau|nur|noch|weniger als|mehr als) ){0,2}"
_DATIVE = re.compile(
    rf"\b(?:in|vor|nach|seit|mit|von|bei|aus|zu|innerhalb von|außer) {_FILLERS}\Z", re.I
)
_ACCUSATIVE = re.compile(
    rf"\b(?:für|um|über|ohne|pro) {_FILLERS}\Z"
    r"|\b(?:habe|hast|hat|haben|gibt|finde|fand|starte|stelle|erstelle|füge|lösche|sehe|kenne)\b"
    r"[^.!?;:]*\Z",
    re.I,
)
_MASCULINE = (
    "termin", "timer", "wecker", "alarm", "tag", "monat", "anruf", "eintrag", "artikel", "punkt",
    "sensor", "schalter", "raum", "film", "song", "titel", "fehler", "hinweis", "gast", "besucher",
    "ventilator", "rollladen", "roboter", "ort", "brief", "kommentar", "treffer", "versuch",
    "liter", "kilometer", "meter", "kontakt", "kanal", "akku", "helfer", "bewohner", "löffel",
    "hund", "schlüssel", "freund", "stuhl", "apfel",
)  # fmt: skip


def one_rules(words: Words) -> list[Rule]:
    """Return the rule of the German 1; it goes before units and numbers."""
    return [rule("one", _PATTERN, _one, words, needs="1")] if words.language == "de" else []


def _one(found: Match[str], words: Words) -> str | None:
    adjective = found["adjective"] or ""
    if adjective.strip() in _NOT_ADJECTIVES or _names(found):
        return None
    noun = found["noun"] or _UNITS[found["unit"].lower()]
    stop = stop_after(found)
    return f"{_bent(text_before(found), adjective.strip(), noun)} {adjective}{noun}{stop}"


def _names(found: Match[str]) -> bool:
    """Return whether the number belongs to a noun before it: Kamera 1."""
    return re.search(r"\w [A-ZÄÖÜ][^\W\d_]+ \Z", text_before(found)) is not None


def _bent(before: str, adjective: str, noun: str) -> str:
    feminine = german.is_feminine(noun)
    if _DATIVE.search(before):
        return "einer" if feminine else "einem"
    if adjective.endswith("en"):
        return "einen"
    if feminine or adjective.endswith("e"):
        return "eine"
    accusative = not adjective and noun.lower().endswith(_MASCULINE)
    return "einen" if accusative and _ACCUSATIVE.search(before) else "ein"
