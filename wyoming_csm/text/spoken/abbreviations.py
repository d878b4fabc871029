"""Words cut short, initials, and points of the compass."""

# ruff: noqa: SIM905  (words read best as words)

import re
from functools import lru_cache
from re import Match

from wyoming_csm.text.spoken.addresses import STREETS
from wyoming_csm.text.spoken.rule import Rule, rule, stop_after, text_after, word_list
from wyoming_csm.text.spoken.words import Words, words_of

_INITIALS = r"(?<!\w)(?:[A-Z]\. ?){1,4}[A-Z]\.(?=\W|\Z)|(?<!\w)(?:[A-Z]\.){1,4}[A-Z](?!\w)"
_SPEEDS = "km/h|km/u|kph|mph|m/s|kn|kts?|knots|Bft"
_SPEED = rf"(?=,? (?:mit |at |à |a |met )?\d+(?:[.,]\d+)? ?(?:{_SPEEDS})(?!\w))"
_FROM = "(?:aus|from|du|de|da|del|uit|to|vers|nach)(?: (?:the|dem|le|la|el|il|het))?"
_NEXT_SENTENCE = re.compile(r" (?:It|He|She|We|They|I|You|This|That|The|There|But|And|In|A)\b")
_TITLES = frozenset(
    {"general", "governor", "captain", "sergeant", "lieutenant", "reverend", "mount", "fort"}
)
# Words or names as well, so that they stay as they are at the end of a sentence: it has a hum.
_LAST = frozenset(
    "etc ecc enz usw inc ltd corp jr sr jun sen".split()
)  # at the end of what they name
_MOST = r"(?<![\w.])(?<!\d )(?P<most>[Mm]ax|[Mm]in)\.[ -]?(?P<noun>[A-ZÄÖÜ][a-zäöüß]{1,40})"
_BEGIN = frozenset(  # sentences, after which "max." was the end of one
    "Der Die Das Den Dem Ein Eine Es Er Sie Ich Wir Du In Im Am Auf Und Aber Dann Jetzt Danach"
    " Soll Ist Sind Hat Bei Mit Für Kein Keine Alle Bitte Nun Heute Morgen".split()
)
_AND = r"(?<=[^\W\d_] )u\.(?= [^\W\d_]{2})"
_WORDS_TOO = frozenset({"hum.", "temp.", "Max.", "cap.", "sec."})
_ENDS = {  # of longer words
    "de": {"str": "straße", "temp": "temperatur"},
    "nl": {"str": "straat", "temp": "temperatuur"},
}


def abbreviation_rules(words: Words) -> list[Rule]:
    """Return the rules of words cut short; they go before the numbers."""
    short = {k.rstrip(): word for k, word in words.abbreviations.items() if not k.endswith("#")}
    names = {key.rstrip() for key in words.abbreviations if key.endswith(" ")}
    pattern = (
        rf"(?<![\w.])(?:(?P<short>{word_list(short.keys() - names)})(?!\w)"
        rf"|(?P<name>{word_list(names)})(?= ?(?-i:[A-ZÀ-Þ\d])|(?<=-)\w))"
    )
    return [
        *_own_rules(words),
        rule(
            "abbreviation",
            pattern,
            lambda found, w: _long(found, short),
            words,
            digit=False,
            needs="./" + "".join(key[-1] + key[-1].upper() for key in short),
            any_case=True,
        ),
    ]


def before_number_rules(words: Words) -> list[Rule]:
    """Return the rules of "No. 10" and "Op. 125"; they go before the streets."""
    number = rf"(?:(?<!\w)(?:{words.number_words})|№) ?(?=\d)"
    short = {k.removesuffix(" #"): w for k, w in words.abbreviations.items() if k.endswith("#")}
    counts = rf"(?<![\w.])(?P<short>{word_list(short)}) ?(?=\d)"

    def long(found: Match[str], words: Words) -> str:
        word = short[found["short"].lower()]
        return f"{word.capitalize() if found['short'][0].isupper() else word} "

    rules = [rule("number sign", number, _number_sign, words, any_case=True)]
    return [*rules, rule("abbreviation", counts, long, words, any_case=True)] if short else rules


def _number_sign(found: Match[str], words: Words) -> str:
    several = words.language.startswith("en") and found[0].lower().startswith("nos")
    return f"{words.number}{'s' if several else ''} "


def _own_rules(words: Words) -> list[Rule]:
    code = words.language[:2]
    if code == "en":
        with_ = r"(?<!\w)w/(?= ?\w)(?!o\b)"
        return [
            rule("abbreviation", with_, lambda f, w: "with ", words, digit=False, needs="/"),
            rule("initials", _INITIALS, _initials, words, digit=False, needs="."),
        ]
    ends = _ENDS.get(code, {})
    end = rf"(?<=[a-zäöü])(?P<end>{word_list(ends)})\.(?= |\Z)"
    long = rule("abbreviation", end, lambda f, w: ends[f["end"]], words, digit=False, needs=".")
    if code != "de":
        return [long] if ends else []
    most = rule("abbreviation", _MOST, _most, words, digit=False, needs=".")
    both = rule("abbreviation", _AND, lambda f, w: w.and_, words, digit=False, needs=".")
    return [most, long, both]


def _most(found: Match[str], words: Words) -> str:
    """Return Maximaltemperatur for max. Temperatur."""
    if found["noun"] in _BEGIN:
        return f"{found['most']}imal. {found['noun']}"
    return f"{found['most'].capitalize()}imal{found['noun'].lower()}"


@lru_cache(maxsize=8)
def shortened(language: str) -> frozenset[str]:
    """Return the words cut short, without their full stop, that no sentence ends with where a
    number follows: "ext. 12". Of a language without a table, those of English."""
    words = words_of(language) or words_of("en")
    assert words is not None
    names = {key.rstrip(" #") for key in words.abbreviations}
    dotted = {name[:-1] for name in names if name.endswith(".") and name.count(".") == 1}
    streets = {kind.lower() for kind in STREETS} if words.language == "en" else set()
    return frozenset(dotted | streets) - _LAST


def whole_day_rules(words: Words) -> list[Rule]:
    """Return the rules of the French 24h/24, 7j/7 and the Spanish c/8 h; they go before times."""
    if words.language == "es":
        every = r"(?<!\w)c/(?=\d)"  # c/8 h
        return [rule("abbreviation", every, lambda f, w: "cada ", words, needs="/")]
    if words.language != "fr":
        return []
    always = r"(?<!\w)(?P<number>24|7) ?(?P<unit>[hj]) ?/ ?(?P=number)(?!\w)"
    return [rule("always", always, _always, words, needs="/")]


def _always(found: Match[str], words: Words) -> str:
    number = words.cardinal(int(found["number"]), "")
    return f"{number} {'heures' if found['unit'] == 'h' else 'jours'} sur {number}"


def _initials(found: Match[str], words: Words) -> str:
    stop = stop_after(found) or ("." if _NEXT_SENTENCE.match(text_after(found)) else "")
    return found[0].replace(".", "").replace(" ", "") + stop


def _long(found: Match[str], short: dict[str, str]) -> str | None:
    written = found["short"] or found["name"]
    if written in _WORDS_TOO and not text_after(found).strip():
        return None
    word = short[written.lower()]
    if written[0].isupper():
        word = word[0].upper() + word[1:]
    if word.lower() in _TITLES and text_after(found).lstrip()[:1].isdigit():
        return None
    joined = written.endswith((".", "/")) and text_after(found)[:1].isalnum()
    return f"{word}{stop_after(found)}{' ' if joined else ''}"


def compass_rules(words: Words) -> list[Rule]:
    """Return the rules of points of the compass, beside the wind or its speed."""
    points = f"(?P<point>{word_list(words.compass)})"
    speed = rf"\d ?(?:{_SPEEDS}),? (?:(?:from|aus|du|de|da|del|dal|uit)(?: the)? )?"
    patterns = (
        rf"(?P<before>{speed}){points}(?!\w)",
        rf"(?P<before>)(?<!\w){points}(?=[ -](?i:{words.wind})\b)",
        rf"(?P<before>)(?<!\w){points}{_SPEED}",
        rf"(?P<before>\b(?i:{words.wind})\b[^.!?\d]{{0,30}}?(?<!\w)){points}(?!\w)",
        rf"(?P<before>\b(?:{_FROM}) ){points}(?=[.,;!]|\Z)",
    )
    needs = "".join(point[0] for point in words.compass)
    return [rule("compass", one, _point, words, digit=False, needs=needs) for one in patterns]


def _point(found: Match[str], words: Words) -> str:
    return found["before"] + words.compass[found["point"]]
