"""Years and decades, and names of days and months cut short."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

import re
from re import Match

from wyoming_csm.text.spoken.english import pairs
from wyoming_csm.text.spoken.rule import (
    Rule,
    rule,
    stop_after,
    text_after,
    word_before,
    word_list,
)
from wyoming_csm.text.spoken.words import Words

_DECADE = (
    r"(?<![\w.,])(?P<mid>mid-)?(?P<apostrophe>['’])?"
    r"(?P<digits>[12]\d[1-9]0|[12]\d00|[2-9]0)['’]? ?s\b"
    r"(?:(?P<joint>-| and | or | to | through )(?P<second>(?:[12]\d)?[1-9]0)s\b)?"
)
_HUNDREDS = r"(?<![\w.,])(?P<number>10|100|1,?000)s(?= (?:of|more)\b)"
_BEFORE_DAYS = ("on", "by", "until", "till", "you", "this", "next", "last", "every")
_NO_SECONDS = (
    "the early late mid low lower high upper middle her his their my your our nineteen"
).split()
_ENGLISH = (
    r"(?<![\w.,/:$£€+-])(?P<before>(?:in|since|of|by|from|until|till|before|after|year|early|late"
    r"|during) )?(?P<year>1[1-9]\d\d|20\d\d)(?:-(?P<second>(?:1[1-9]|20)\d\d|\d\d))?\b"
    r"(?![,:]\d|\.\d|[/%°-]\w| ?[%°€$])(?P<noun> [a-z]+s\b)?"
)
_BEFORE = {
    "de": "im Jahr|Jahr|seit|von|bis|Anfang|Ende|Mitte",
    "nl": "in|sinds|uit|jaar|van|tot",
}  # in the other languages a year is a number like any

_ERA = r"(?<![\w.,])(?P<digits>\d{3,4})(?P<era> ?(?:A\.?D|B\.?C(?:\.?E)?|C\.?E)(?!\w))"
_QUARTER = r"(?<!\w)(?P<quarter>[1-4])Q(?P<year>\d{4}|\d\d)(?!\w)"  # 2Q22

# Days as single letters, from Monday: M-F, L-V.
_MONDAY = {"en": "M", "de": "(?!)", "fr": "L", "es": "L", "it": "L", "nl": "(?!)"}
_LAST_DAYS = {"F": 4, "V": 4, "S": 5, "D": 6}
_BEFORE_MONTHS = frozenset(
    "from in since by until of last next this seit im bis ab ende anfang mitte en depuis de desde"
    " da dal a di sinds vanaf van tot".split()
)
_JOINTS = {"de": "bis", "fr": "au|à", "es": "al?", "it": "al?", "nl": "t/m|tot|tot en met"}


def year_rules(words: Words) -> list[Rule]:
    """Return the rules of years; full dates and units went before."""
    if words.language.startswith("en"):
        years = [
            rule("year", _ERA, lambda f, w: f"{pairs(f['digits'])}{f['era']}", words, needs="CD"),
            rule("quarter", _QUARTER, _quarter, words, needs="Q"),
            rule("year", _ENGLISH, _english_year, words, any_case=True),
        ]
    elif words.language in _BEFORE:
        before = rf"(?P<before>\b(?:{_BEFORE[words.language]}) |\A|(?<= )(?=19))"
        pattern = before + r"(?P<year>1[1-9]\d\d)\b(?![.,:]\d| ?[-–] ?\d| ?[%°€$]| [A-ZÄÖÜ])"
        to = r"(?<![\w.,/-])(?P<year>1[1-9]\d\d) ?[-–] ?(?P<last>1[1-9]\d\d|20\d\d)"
        span = to + r"(?![\w:/-]|[.,]\d| ?[%°€$]| [A-ZÄÖÜ])"
        years = [
            rule("years", span, _years, words, needs="-–"),
            rule("year", pattern, _year, words),
        ]
    else:
        years = []
    return years


def decade_rules(words: Words) -> list[Rule]:
    """Return the rules of decades; they go before seconds."""
    match words.language[:2]:
        case "en":
            return [
                rule("decade", _DECADE, _decade, words, needs="s"),
                rule("hundreds", _HUNDREDS, _hundreds, words, needs="s"),
            ]
        case "de":
            nineties = r"(?<![\w.,])(?P<digits>\d{1,4})er(?!\w)"
            return [rule("decade", nineties, _german_decade, words, needs="r")]
        case "it":
            return [
                rule(
                    "decade",
                    r"(?<!\w)['\u2019](?=\d0(?!\w))",
                    lambda f, w: "",
                    words,
                    needs="'\u2019",
                )
            ]
    return []


def _quarter(found: Match[str], words: Words) -> str:
    the = "" if word_before(found).lower() == "the" else "the "
    year = words.year(int(found["year"]))
    return f"{the}{words.ordinal(int(found['quarter']), '')} quarter of {year}"


def _years(found: Match[str], words: Words) -> str:
    first, last = (words.year(int(found[one])) for one in ("year", "last"))
    return f"{first} {words.to} {last}"


def _year(found: Match[str], words: Words) -> str:
    return found["before"] + words.year(int(found["year"]))


def _english_year(found: Match[str], words: Words) -> str | None:
    """Take a bare number for a year from 1900 on, unless it counts something."""
    before, noun = found["before"] or "", found["noun"] or ""
    counts = noun and noun not in (" is", " was")
    if not before and (found["year"][:2] not in ("19", "20") or counts):
        return None
    to = f" {words.to} {words.year(int(found['second']))}" if found["second"] else ""
    return f"{before}{words.year(int(found['year']))}{to}{noun}"


def _decade(found: Match[str], words: Words) -> str | None:
    digits = found["digits"]
    marked = len(digits) == 4 or found["apostrophe"] or found["mid"]
    if not marked and word_before(found).lower() not in _NO_SECONDS:
        return None  # seconds
    joint = (found["joint"] or "").replace("-", f" {words.to} ")
    to = f"{joint}{_several(found['second'], words)}" if joint else ""
    return f"{'mid ' if found['mid'] else ''}{_several(digits, words)}{to}"


def _hundreds(found: Match[str], words: Words) -> str:
    return {"10": "tens", "100": "hundreds"}.get(found["number"], "thousands")


def _german_decade(found: Match[str], words: Words) -> str:
    return f"{words.cardinal(int(found['digits']), '')}er"


def _several(digits: str, words: Words) -> str:
    """Return nineties, twenty tens."""
    year = words.year(int(digits)) if len(digits) == 4 else words.cardinal(int(digits), "")
    return f"{year[:-1]}ies" if year.endswith("y") else f"{year}s"


def short_name_rules(words: Words) -> list[Rule]:
    """Return the rules of "Mon-Fri", "Jan-Mar" and of days before a date."""
    days = {
        short.casefold(): day
        for day, names in zip(words.weekdays, words.short_weekdays, strict=True)
        for short in names
    }
    months = {
        short.casefold(): month
        for month, names in zip(words.months, words.short_months, strict=True)
        for short in names.split("|")
    }
    full = {name.casefold(): name for name in (*words.weekdays, *words.months)}

    def range_of(names: dict[str, str]) -> str:
        one = f"(?:{word_list({*names, *(name.casefold() for name in names.values())})})"
        return rf"(?<!\w)(?P<from>{one})\.? ?(?P<joint>[-–/]) ?(?P<to>{one})(?:\.(?= \w))?(?!\w)"

    def worded(found: Match[str], words: Words) -> str | None:
        first, last = found["from"], found["to"]
        short = first.casefold() in days or last.casefold() in days
        if not short or long(first) == long(last):
            return None
        return f"{long(first)}{found['joint']}{long(last)}"

    def long(name: str) -> str:
        key = name.casefold()
        return days.get(key) or months.get(key) or full[key]

    def said(found: Match[str], words: Words) -> str:
        joint = ", " if found["joint"] == "/" else f" {words.days_to} "
        return f"{long(found['from'])}{joint}{long(found['to'])}"

    def day(found: Match[str], words: Words) -> str | None:
        if words.language[:2] in ("en", "de") and not found["day"][0].isupper():
            return None
        return long(found["day"]) + found["mark"].replace(".", "")

    def last_day(found: Match[str], words: Words) -> str | None:
        before = word_before(found)
        if before.lower() not in _BEFORE_DAYS and not before.isdigit():
            return None
        return long(found["day"]) + (found["stop"] or "")

    def week(found: Match[str], words: Words) -> str:
        return f"{words.weekdays[0]} {words.days_to} {words.weekdays[_LAST_DAYS[found['last']]]}"

    def alone(found: Match[str], words: Words) -> str | None:
        before, rest = word_before(found).lower(), text_after(found)
        if before not in _BEFORE_MONTHS and not re.match(r"[,)]| [a-zäöüà-ù]", rest):
            return None
        return long(found["month"]) + stop_after(found)

    dotted = [name for names in words.short_months for name in names.split("|")]
    dotted = [name for name in dotted if name.casefold() not in days and len(name) > 2]
    month = rule(
        "month",
        rf"(?<![\w.])(?P<month>{word_list(dotted)})\.(?! ?\w*\d)",
        alone,
        words,
        digit=False,
        needs=".",
    )
    some_day = f"(?:{word_list({*days, *(day.casefold() for day in words.weekdays)})})"
    between = (
        rf"(?<!\w)(?P<from>{some_day})\.?(?P<joint> (?:{_JOINTS.get(words.language, 'to')}) )"
        rf"(?P<to>{some_day})(?:\.(?= \w))?(?!\w)"
    )
    date = rf"(?=the |(?:{word_list({*words.months, *months})})\b|\d)"
    short_days = word_list(name for names in words.short_weekdays for name in names)
    at_the_end = rf"(?<!\w)(?P<day>{short_days})(?:(?P<stop>[.!?]?)\Z|\.?(?=[ ,;]))"
    one_day = rf"(?<!\w)(?P<day>{word_list(days)})(?P<mark>\.?,? ){date}"
    label = rf"(?<!\w)(?P<day>{word_list(days)})(?P<mark>\.?)(?=: ?[-−]?\d)"
    letters = rf"(?<!\w){_MONDAY[words.language[:2]]}[-–](?P<last>[{''.join(_LAST_DAYS)}])(?!\w)"
    by_letter = rule("days", letters, week, words, digit=False, needs="-–")
    up_to = [rule("days", "(?<!\\w)t/m(?!\\w)", lambda f, w: w.days_to, words, needs="/")]
    return [
        by_letter,
        month,
        *(up_to if words.language == "nl" else ()),
        rule("days", label, day, words, needs=":", any_case=True),
        rule("days", range_of(days), said, words, digit=False, needs="-–/", any_case=True),
        rule("days", range_of(months), said, words, digit=False, needs="-–", any_case=True),
        rule("days", between, worded, words, digit=False, any_case=True),
        rule("days", one_day, day, words, digit=False, any_case=True),
        rule("days", at_the_end, last_day, words, digit=False),
    ]
