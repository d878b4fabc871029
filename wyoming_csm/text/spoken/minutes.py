"""An m that is minutes: 5m ago, every 5m, timer: 5m; elsewhere it is meters."""

import re
from re import Match

from wyoming_csm.text.spoken.rule import Rule, rule, text_before
from wyoming_csm.text.spoken.words import Words

# Before the number, whatever follows.
_BEFORE = {
    "en": "every|since|timers?|for|snooze|wait|remaining|duration|delay|eta|idle|runtime|cooldown",
    "de": "alle|seit|vor|für|noch|timer|dauer|restzeit|laufzeit|wartezeit|verzögerung",
    "fr": "il y a|depuis|toutes les|pendant|encore|reste|restent|minuteur|minuterie|durée|délai",
    "es": "hace|cada|durante|quedan|faltan|temporizador|duración|espera",
    "it": "ogni|mancano|restano|ancora|timer|durata|attesa",
    "nl": "elke|iedere|om de|sinds|gedurende|nog|timer|duur|wachttijd",
}
# Before the number, where a clause ends after it: "ends in 15m.", but "in 50m turn left".
_BEFORE_AT_THE_END = {
    "en": "in|within|after", "de": "in|nach|innerhalb von", "fr": "dans|d'ici|après",
    "es": "en|dentro de|tras", "it": "tra|fra|entro|dopo|per", "nl": "over|binnen|in|na",
}  # fmt: skip
_AFTER = {
    "en": "ago|left|remaining|elapsed|to go|later|earlier|early|late|from now|timer|delay|break",
    "de": "übrig|verbleibend|verbleiben|später|früher|vorher|her|restzeit|timer|pause",
    "fr": "restantes?|restants?|plus tard|plus tôt|de retard|de pause",
    "es": "restantes|más tarde|antes|después|de retraso|de pausa",
    "it": "fa|rimanenti|rimasti|dopo|prima|di ritardo|di pausa",
    "nl": "geleden|resterend|later|eerder|te gaan|timer|pauze",
}  # fmt: skip
_ABOUT = "(?:about|only|just|another|the last|etwa|nur|environ|unos|circa|ongeveer|~)"
_NUMBER = r"\d{1,3}(?:[.,]5)?(?: ?[-–] ?\d{1,3})?"  # noqa: RUF001
_WAY = re.compile(
    r"(?<!\w)(?:turn|exit|walk|swim|drive|run|runs|dive|depth|cable|rope|abbiegen|schwimm\w*"
    r"|lauf\w*|tief\w*|tournez|nage\w*|gire|nada\w*|gira\w*|nuot\w*|zwem\w*|rechtsaf|linksaf"
    r"|meter|links|rechts|geradeaus)(?!\w)",
    re.I,
)


def minute_rules(words: Words) -> list[Rule]:
    """Return the rules that write m as min; they go before measures and the German one."""
    code = words.language[:2]
    minutes = rf"(?P<number>{_NUMBER}) ?m(?![\w/²³°])"
    before = rf"(?<!\w)(?P<before>(?:{_BEFORE[code]})(?: is| ist)?:? (?:{_ABOUT} ?)?){minutes}"
    at_the_end = (
        rf"(?<!\w)(?P<before>(?:{_BEFORE_AT_THE_END[code]}) (?:{_ABOUT} ?)?){minutes}"
        r"(?=[.;:!?)]|,(?!\d)| (?:and|or|und|oder|et|ou|y|o|e|en|of)(?!\w)|\Z)"
    )
    after = rf"(?<![\w.,])(?P<before>){minutes}(?=[ -](?:{_AFTER[code]})(?!\w))"
    patterns = (before, at_the_end, after)
    return [rule("minutes", one, _minutes, words, needs="mM", any_case=True) for one in patterns]


def _minutes(found: Match[str], words: Words) -> str | None:
    """Leave meters where the way is told, or where an M is capital: a million."""
    if "M" in found[0][len(found["before"]) :] or _WAY.search(text_before(found)):
        return None
    return f"{found['before']}{found['number']} min"
