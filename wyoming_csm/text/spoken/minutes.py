"""An m that is minutes: 5m ago, every 5m, timer: 5m; elsewhere it is meters."""

import re
from re import Match

from wyoming_csm.text.spoken.rule import Rule, rule, text_before
from wyoming_csm.text.spoken.words import Words

# Before the number: what nothing but a time follows, also as "5 m" with a blank.
_SURELY_BEFORE = {
    "en": "since|timers?|duration|delay|eta|runtime|cooldown|snooze",
    "de": "seit|timer|dauer|restzeit|laufzeit|wartezeit|verzögerung",
    "fr": "il y a|depuis|minuteur|minuterie|durée|délai",
    "es": "hace|temporizador|duración", "it": "timer|durata|attesa",
    "nl": "sinds|timer|duur|wachttijd",
}  # fmt: skip
# Before the number, if that is no length: every 5m, but "500 m more", "for 2 m".
_BEFORE = {
    "en": "every|for|wait|remaining|idle|another", "de": "alle|vor|für|noch",
    "fr": "toutes les|pendant|encore|reste|restent", "es": "cada|durante|quedan|faltan|espera",
    "it": "ogni|mancano|restano|ancora", "nl": "elke|iedere|om de|gedurende|nog",
}  # fmt: skip
# Before the number, where a clause ends after it: "ends in 15m.", but "in 50m turn left".
_BEFORE_AT_THE_END = {
    "en": "in|within|after", "de": "in|nach|innerhalb von", "fr": "dans|d'ici|après",
    "es": "en|dentro de|tras", "it": "tra|fra|entro|dopo|per", "nl": "over|binnen|in|na",
}  # fmt: skip
_SURELY_AFTER = {
    "en": "ago|elapsed|later|earlier|early|late|from now", "de": "später|früher|vorher",
    "fr": "plus tard|plus tôt|de retard|de pause", "es": "más tarde|de retraso|de pausa",
    "it": "fa|di ritardo|di pausa", "nl": "geleden|later|eerder",
}  # fmt: skip
_AFTER = {
    "en": "left|remaining|to go|timer|delay|break", "de": "übrig|verbleibend|verbleiben|her|pause",
    "fr": "restantes?|restants?", "es": "restantes|antes|después", "it": "rimanenti|rimasti|dopo",
    "nl": "resterend|te gaan|timer|pauze",
}  # fmt: skip
_ABOUT = "(?:about|only|just|another|the last|etwa|nur|environ|unos|circa|ongeveer|~)"
_ANY = r"\d{1,3}(?:[.,]5)?(?: ?[-–] ?\d{1,3})? ?m(?![\w/²³°])"  # noqa: RUF001
_SHORT = r"(?:\d{1,2}|1[258]0|240)(?:[-–]\d{1,2})?m(?![\w/²³°])"  # noqa: RUF001
# After a length.
_LONG = (
    r"(?! (?:of|high|tall|wide|long|deep|away|hoch|lang|breit|tief|bis|de (?:long|haut|large)|di"
    r"|hoog|breed|diep|rijden|avant|hasta|fino)(?!\w))"
)
_WAY = re.compile(
    r"(?<!\w)(?:turn|exit|walk|swim|drive|dive|depth|cable|rope|abbiegen|schwimm\w*"
    r"|tief\w*|tournez|nage\w*|gire|nada\w*|gira\w*|nuot\w*|zwem\w*|rechtsaf|linksaf"
    r"|meter|links|rechts|geradeaus)(?!\w)",
    re.I,
)


def minute_rules(words: Words) -> list[Rule]:
    """Return the rules that write m as min; they go before measures and the German one."""
    code = words.language[:2]
    before = rf"(?<!\w)(?P<before>(?:{{}})(?: is| ist)?:? (?:{_ABOUT} ?)?)(?P<minutes>{{}})"
    length = rf"{_LONG}(?! (?-i:[A-ZÄÖÜ]))" if code == "de" else _LONG
    at_the_end = r"(?=[.;:!?)]|,(?!\d)| (?:and|or|und|oder|et|ou|y|o|e|en|of)(?!\w)|\Z)"
    after = r"(?<![\w.,])(?P<before>)(?P<minutes>{})(?=[ -](?:{})(?!\w))"
    patterns = (
        before.format(_SURELY_BEFORE[code], _ANY),
        before.format(_BEFORE[code], _SHORT) + length,
        before.format(_BEFORE_AT_THE_END[code], _SHORT) + at_the_end,
        after.format(_ANY, _SURELY_AFTER[code]),
        after.format(_SHORT, _AFTER[code]),
    )
    return [rule("minutes", one, _minutes, words, needs="mM", any_case=True) for one in patterns]


def _minutes(found: Match[str], words: Words) -> str | None:
    """Leave meters where the way is told, or where an M is capital: a million."""
    minutes = found["minutes"]
    if minutes.endswith("M") or _WAY.search(text_before(found)):
        return None
    return f"{found['before']}{minutes[:-1].rstrip()} min"
