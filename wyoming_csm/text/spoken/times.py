"""Times of day: 10:30, 9am-5pm, 10.30 Uhr, 10h30."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant)

import re
from functools import lru_cache
from re import Match

from wyoming_csm.text.spoken.rule import (
    Rule,
    joint,
    rule,
    stop_after,
    text_after,
    text_before,
    word_before,
)
from wyoming_csm.text.spoken.units import counted_unit as _counted
from wyoming_csm.text.spoken.words import Words

_HOUR, _MINUTE = r"(?P<hour>[01]?\d|2[0-4])", r"(?P<minute>[0-5]\d)"
_SECOND = r"(?::(?P<second>[0-5]\d)(?:[.,]\d{1,6})?)?"
_HALF = r" ?(?P<half>[apAP])\.? ?[mM]\b\.?"
_ZONE = r"(?: ?(?P<zone>[ECMP][SD]T|UTC|GMT|CEST|CET|e\.s\.t\.?|est)\b)?"
_TO = r"(?P<to> ?[-–—] ?(?=\d{1,2}(?:[:.h]\d\d| ?[apAP]\.?[mM]\b| ?Uhr\b| ?uur\b| ?h\b)))?"
_BARE = r" ?[-–] ?(?=\d{1,2}(?::\d\d)? ?[apAP]\.?[mM]\b)"  # "2-4 PM"
_HALF_CUT = r"(?<=\d:\d\d)(?P<half>[ap])(?![\w.]\w)(?!\w)"  # 6:15a
_DOTTED_SPAN = (  # 8.30-12.00
    rf"(?<![\d:/+.,\w-]){_HOUR}\.{_MINUTE} ?[-–] ?(?P<last>[01]?\d|2[0-3])\.(?P<end>[0-5]\d)"
    r"(?!\d|[.,]\d| ?[€$%])(?: ?Uhr\b)?"
)
_HALVES_CUT = (  # 11a-3p
    r"(?<![\w:.])(?P<from>\d{1,2}(?::\d\d)?)(?P<half>[ap]) ?[-–] ?"
    r"(?P<to>\d{1,2}(?::\d\d)?)(?P<last>[ap])(?!\w)"
)
_MILITARY = r"(?:(?<=\bat )|(?<=\bfor )|(?<=\bby ))0(?P<hour>\d)(?P<minute>[0-5]\d)(?!\w|[.,:-]\d)"
_HOUR_TO_MINUTES = (  # 9-10:30
    rf"(?<![\d:/+.,\w-]){_HOUR} ?[-–] ?(?=(?:[01]?\d|2[0-3])"
    r"(?::[0-5]\d(?![\d:])|\.[0-5]\d ?(?:Uhr|uur|u)\b))"
)
_LEFT = r"(?<![\w:.])(?P<minute>\d{1,3}):(?P<second>[0-5]\d)(?= (?:left|remaining|elapsed|to go)\b)"
_MINUTES_AND_SECONDS = (
    r"(?P<minute>\d{1,3}):(?P<second>[0-5]\d)(?![\d:]|[.,]\d|[ap]\b| ?(?:[ap]\.?m|uhr|uur|h|u)\b)"
)
_MINUTES_LONG = (  # 8:30 Min.
    r"(?<![\w:.])(?P<minute>\d{1,3}):(?P<second>[0-5]\d) ?"
    r"(?:[Mm]in|mins|minutes|[Mm]inuten|minuti|minutos)(?!\w)(?:\.(?= |,|\Z))?"
)
_TOOK = {  # in 24:31
    "en": "in|took|takes|lasted|lasts", "de": "in|dauerte|dauert", "fr": "en", "es": "en",
    "it": "in", "nl": "in|duurde|duurt",
}  # fmt: skip
# Words by which three numbers are so long, and those by which they are a time after all.
_SO_LONG = {
    "en": "timers?|countdown|duration|runtime|uptime|elapsed|remaining|left|took|takes|lasts"
    "|lasted|for|in",
    "de": "timer|countdown|dauer|laufzeit|restzeit|noch|dauert|dauerte|für|in",
    "fr": "minuteur|minuterie|durée|reste|restent|pendant|pour|en|dans",
    "es": "temporizador|duración|quedan|faltan|durante|en",
    "it": "timer|durata|mancano|restano|per|in|tra|fra",
    "nl": "timer|duur|resterend|nog|duurt|duurde|in|over",
}  # fmt: skip
_AT = frozenset(
    "at since until till by before after from to um seit bis ab nach vor à depuis jusqu'à dès"
    " las desde hasta alle dalle om sinds vanaf tot".split()
)
_RATIO = r" (?:scale|ratio|odds|model)\b"
_LASTS = r"(?<![\w:.])(?P<hour>\d{1,3}):(?P<minute>[0-5]\d) ?(?:h|hrs?|hours|Std|Stunden)\b"
_START = r"(?:(?<![\w:,/+\-.])|(?<=[.:h]\d\d-))"
_DOTTED = rf"{_START}{_HOUR}\.{_MINUTE}(?P<to> ?[-–—] ?)(?=\d{{1,2}}\.\d\d ?(?:Uhr|uur|u)\b)"
# Beside hours and minutes with a colon.
_OTHERS = {
    "en": (rf"(?<![\d:/+.\w]){_HOUR}(?:\.{_MINUTE})?{_HALF}{_ZONE}{_TO}",),
    "de": (
        _DOTTED,
        rf"{_START}{_HOUR}(?:\.{_MINUTE})? ?Uhr\b{_TO}",
    ),
    "fr": (
        rf"{_START}{_HOUR} ?h{_MINUTE}\b{_TO}",
        rf"{_START}{_HOUR} ?(?:h|heures?)\b(?! ?\d+ ?(?:min|mn|s)\b)(?: {_MINUTE}\b)?{_TO}",
        rf"{_START}{_HOUR} ?h{_MINUTE}\b{_TO}",
    ),
    "es": (
        rf"{_START}{_HOUR}\.{_MINUTE} ?(?:h|horas)\b{_TO}",
        rf"(?<=\b[Ll]as ){_HOUR}[.,]{_MINUTE}(?!\d|[.,]\d){_TO}",
    ),
    "it": (
        rf"(?<=\b[Oo]re ){_HOUR}\.{_MINUTE}{_TO}",
        rf"(?<=[Aa]lle ){_HOUR}[.,]{_MINUTE}(?!\d|[.,]\d){_TO}",
    ),
    "nl": (
        _DOTTED,
        rf"(?<=\b[Oo]m ){_HOUR}[.,]{_MINUTE}(?!\d|[.,]\d| ?[%°€])(?: ?(?:uur|u)\b)?{_TO}",
        rf"{_START}{_HOUR}(?:\.{_MINUTE})? ?(?:uur|u)\b{_TO}",
        rf"{_START}{_HOUR}u{_MINUTE}\b{_TO}",
    ),
}


def time_rules(words: Words) -> list[Rule]:
    """Return the rules of times, the more certain ones first."""
    code = words.language[:2]
    start, half = r"(?<![\w:/+.])", f"(?:{_HALF})?{_ZONE}" if code == "en" else ""
    clock_word = rf"(?: ?(?:{words.clock_word})\b)?"
    colon = rf"{start}{_HOUR}:{_MINUTE}{_SECOND}(?![\d:]|{_RATIO}){half}{clock_word}{_TO}"
    others = [rule("time", pattern, _said, words) for pattern in _OTHERS[code]]
    first: list[Rule] = []
    if code in ("de", "en"):
        first.append(rule("duration", _LASTS, _lasts, words, needs=":"))
    first.append(rule("duration", _MINUTES_LONG, _left, words, needs=":"))
    took = rf"(?<!\w)(?P<before>(?:{_TOOK[code]}) ){_MINUTES_AND_SECONDS}"
    first.append(rule("duration", took, _took, words, needs=":", any_case=True))
    spans = rule("time", _HOUR_TO_MINUTES, _bare, words, needs="-–")
    first.append(spans)
    if code in ("de", "it"):
        first.append(rule("time", _DOTTED_SPAN, _from_to, words, needs="-–"))
    if code == "en":
        first.append(rule("time", _HALVES_CUT, _halves, words, needs="ap"))
        first.append(rule("time", _MILITARY, _military, words, needs="0"))
        first.append(rule("time", _HALF_CUT, lambda f, w: f"{f['half']}m", words, needs="ap"))
        bare = rf"(?<![\d:/+.\w]){_HOUR}{_BARE}"
        first.append(rule("duration", _LEFT, _left, words, needs=":"))
        first.append(rule("time", bare, _bare, words, needs="-–"))
    return [*first, rule("time", colon, _said, words, needs=":"), *others]


def _said(found: Match[str], words: Words) -> str | None:
    groups = found.groupdict()
    hour, minute = int(groups["hour"]), int(groups["minute"] or 0)
    half, second = groups.get("half"), groups.get("second")
    hour = 12 if half and not hour else hour
    if (hour == 24 and minute) or (half and not 1 <= hour <= 24):
        return None
    time = words.clock(hour, minute)
    if groups["hour"] == "00" and minute and not half and words.language.startswith("en"):
        time = f"{words.clock(12, minute)} AM"
    if second and not half and _is_so_long(found, words):
        return _duration(hour, minute, int(second), words) + stop_after(found)
    if half:
        time = time.removesuffix(" o'clock").replace("midnight", "twelve") + f" {half.upper()}M"
    if second and int(second):
        time += f" {words.and_} {_counted(int(second), 's', words)}"
    zone = groups.get("zone")
    after = f" {zone.replace('.', '').upper()}" if zone else ""
    return f"{time}{after}{stop_after(found)}{f' {words.to} ' if groups['to'] else ''}"


def _from_to(found: Match[str], words: Words) -> str:
    times = ((found["hour"], found["minute"]), (found["last"], found["end"]))
    first, last = (words.clock(int(hour), int(minute)) for hour, minute in times)
    return f"{first} {joint(found, words)} {last}"


def _halves(found: Match[str], words: Words) -> str:
    return f"{found['from']} {found['half']}m-{found['to']} {found['last']}m"


def _military(found: Match[str], words: Words) -> str:
    """Return oh six thirty."""
    minute = int(found["minute"])
    said = (
        words.clock(int(found["hour"]), minute)
        if minute
        else f"{words.digits(found['hour'])} hundred"
    )
    return f"oh {said}"


def _left(found: Match[str], words: Words) -> str:
    second = int(found["second"])
    minutes = _counted(int(found["minute"]), "min", words)
    said = f"{minutes} {_counted(second, 's', words)}" if second else minutes
    return f"{said}{stop_after(found)}"


def _lasts(found: Match[str], words: Words) -> str:
    steps = [(int(found["hour"]), "h"), (int(found["minute"]), "min")]
    return " ".join(_counted(number, unit, words) for number, unit in steps if number)


def _bare(found: Match[str], words: Words) -> str:
    return f"{words.cardinal(int(found['hour']), '')} {joint(found, words)} "


def _took(found: Match[str], words: Words) -> str:
    return found["before"] + _left(found, words)


def _is_so_long(found: Match[str], words: Words) -> bool:
    """Tell how long a timer runs from the time of day, both with seconds."""
    before = word_before(found).lower()
    if before in _AT:
        return False
    so_long = _so_long(words.language[:2])
    return (
        int(found["hour"]) == 0
        or so_long.search(text_before(found)) is not None
        or so_long.match(text_after(found).lstrip()) is not None
    )


@lru_cache(maxsize=8)
def _so_long(code: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_SO_LONG[code]})(?!\w)", re.I)


def _duration(hour: int, minute: int, second: int, words: Words) -> str:
    """Return five minutes and thirty seconds; without what is zero."""
    steps = [(hour, "h"), (minute, "min"), (second, "s")]
    said = [_counted(number, unit, words) for number, unit in steps if number]
    if not said:
        return _counted(0, "s", words)
    return " ".join([*said[:-1], words.and_, said[-1]] if len(said) > 1 else said)
