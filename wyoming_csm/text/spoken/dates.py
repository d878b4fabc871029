"""Dates, in figures and with the name of a month."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from re import Match

from wyoming_csm.text.spoken import english
from wyoming_csm.text.spoken.rule import Rule, rule, text_after, text_before, word_before, word_list
from wyoming_csm.text.spoken.units import counted_unit
from wyoming_csm.text.spoken.words import Words

_ISO = (
    r"(?<![\w./-])(?P<year>[12]\d{3})(?P<mark>[-/])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})"
    r"(?!\d|[./-]\d)(?P<time>[T ](?=\d\d:\d\d))?"
)
_ZONE = (
    r"(?<=\d\d:\d\d)(?P<second>:\d\d)?(?:\.\d+)?"
    r"(?P<zone>Z|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d))(?![\w:])"
)
_OFFSET = r"(?<!\d )(?<![\w:.,)])(?P<sign>[+\-−])(?P<hours>[01]\d):(?P<minutes>[0-5]\d)(?![\d:])"
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d(?P<mark>[T ])(?P<time>\d\d:\d\d)\Z")
_NUMERIC = (
    r"(?<![\w./-])(?P<first>\d{1,2})(?P<mark>[./-]) ?(?P<second>\d{1,2})(?P=mark) ?"
    r"(?P<year>\d{4}|\d{2})(?!\d|[./-]\d|\w)"
)
_TWO = (
    r"(?<![\w./,-])(?P<first>\d{1,2})/(?P<second>\d{1,2})"
    r"(?![\d/\w]|[.,]\d| (?:in|inch|cup|tsp|mile)\w*)"
)
_GERMAN_TWO = r"(?<![\w./-])(?P<first>\d{1,2})\. ?(?P<second>\d{1,2})\.(?!\d)"
_DUTCH_TWO = (  # van 24-12 t/m 2-1
    r"(?:(?<=\bop )|(?<=\bvan )|(?<=\btot )|(?<=tot en met ))(?P<first>\d{1,2})-(?P<second>\d{1,2})"
    r"(?=[.,;:!?)]|\Z| (?:t/m|tot|en|om|is|zijn|was)\b)"
)
_DUTCH_MONTH = (
    r"(?<![\w./,+-])(?P<first>\d{1,2})-(?P<second>0[1-9])(?![\w/-]|[.,:]\d| ?[%°€])"  # 14-07
)
BEFORE_DATES = ("on", "due", "ships", "arrives", "until", "since")
_ARTICLES = {  # before a date
    "fr": ("le", "du", "au"), "es": ("el", "del", "al"), "it": ("il", "del", "dal", "al"),
}  # fmt: skip
_AFTER_DATE = re.compile(r"\s*\Z|[.,;:!?)]| (?:at|from|and|to|for|à|au|et|a las|al|y|alle|ore|e)\b")
_AT_A_TIME = re.compile(r" at \d")
_ALL_DAY = ("24/7", "7/24")
_PICTURES = ("16/9", "16/10", "21/9", "4/3")
_SEPTEMBER_11 = "9/11"
_YEAR = r"(?:(?:,? |,)(?P<year>[12]\d{3})\b(?! ?[%°€$]))?"
_ORDINAL = "(?:st|nd|rd|th)?"
_FIRST = {"de": r"\.", "fr": "(?:er)?", "es": "(?:º|°)?", "it": "(?:º|°)?", "nl": "e?"}


def date_rules(words: Words) -> list[Rule]:
    """Return the rules of dates; times that follow them are left to theirs."""
    rules = [
        rule("time zone", _ZONE, _zone, words, needs=":"),
        rule("date", _ISO, _iso, words, needs="-/"),
        rule("date", _NUMERIC, _numeric, words, needs="./-"),
        rule("date", _TWO, _two, words, needs="/"),
    ]
    rules.insert(1, rule("time zone", _OFFSET, _offset, words, needs="+-−"))
    if words.language == "de":
        later = rf"(?=\d{{1,2}}\.(?:\d{{1,2}}\.| ?(?:{month_pattern(words, 'month')})))"
        to = rf"(?<=\d\.) ?[-\u2013] ?{later}"
        rules.insert(0, rule("dates", to, lambda f, w: f" {w.to} ", words, needs="-\u2013"))
        rules.append(rule("date", _GERMAN_TWO, _two, words, needs="."))
    if words.language == "nl":
        rules.append(rule("date", _DUTCH_TWO, _day_and_month, words, needs="-"))
        rules.append(rule("date", _DUTCH_MONTH, _day_and_month, words, needs="-"))
    if words.language.startswith("en"):
        return rules + _english_rules(words)
    return [*rules, _named(words)]


def _zone(found: Match[str], words: Words) -> str | None:
    """Say a zone, if it is one."""
    if found["sign"] == "-" and _is_span(found):
        return None
    seconds = (found["second"] or "").replace(":00", "")
    if not int(found["hours"] or 0) and not int(found["minutes"] or 0):
        return f"{seconds} UTC"
    return f"{seconds} {_offset(found, words)}"


def _offset(found: Match[str], words: Words) -> str:
    """Return plus five hours thirty minutes."""
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
    steps = [(hours, "h"), (minutes, "min")]
    said = [counted_unit(number, unit, words) for number, unit in steps if number]
    sign = words.plus if found["sign"] == "+" else words.minus
    return " ".join([sign, *(said or [counted_unit(0, "h", words)])])


def _is_span(found: Match[str]) -> bool:
    """Tell "10:30-11:45" from a zone, which follows a date and mostly a T or seconds."""
    before = _DATE_AND_TIME.search(text_before(found))
    if before is None:
        return True
    bare = before["mark"] == " " and not found["second"]
    return bare and before["time"] < f"{found['hours']}:{found['minutes']}"


def is_date(day: int, month: int) -> bool:
    """Return whether there is such a day."""
    return 1 <= day <= 31 and 1 <= month <= 12


def _iso(found: Match[str], words: Words) -> str | None:
    day, month = int(found["day"]), int(found["month"])
    if not is_date(day, month):
        return None
    date = words.date(day, month, words.year(int(found["year"])), word_before(found))
    return f"{date} {words.date_and_time} " if found["time"] else date


def _numeric(found: Match[str], words: Words) -> str | None:
    first, second, year, mark = (found[name] for name in ("first", "second", "year", "mark"))
    month_first = words.language == "en" and int(first) <= 12
    day, month = (int(second), int(first)) if month_first else (int(first), int(second))
    unclear = len(year) == 2 and words.language.startswith("en") and mark != "/"
    if unclear or not is_date(day, month):
        return None
    said_year = words.year(int(year)) if len(year) == 4 else _short_year(year, words)
    say = english.date_day_first if words.language == "en" and not month_first else words.date
    return say(day, month, said_year, word_before(found))


def _short_year(year: str, words: Words) -> str:
    if words.language.startswith("en"):
        return f"{'zero ' if year[0] == '0' else ''}{words.cardinal(int(year), '')}"
    return words.year(int(year) + (2000 if int(year) < 70 else 1900))


def _two(found: Match[str], words: Words) -> str | None:
    """Take "11/27" for a date where it cannot well be a fraction."""
    first, second = int(found["first"]), int(found["second"])
    day, month = (second, first) if words.language == "en" else (first, second)
    if found["first"][0] == "0" and is_date(day, month):
        return words.date(day, month, "", word_before(found))
    if not is_date(day, month) or found[0] in _ALL_DAY:
        return None
    small = day <= 12 and (first <= second or second in (2, 3, 4, 8))
    if found[0] == _SEPTEMBER_11 and words.language == "en":
        return "nine eleven"
    before, after = word_before(found), text_after(found)
    if found[0] in _PICTURES:
        return None
    told = (
        (before.lower() in _ARTICLES.get(words.language, BEFORE_DATES) and _AFTER_DATE.match(after))
        or before in words.weekdays
        or _AT_A_TIME.match(after)
    )
    if "/" in found[0] and not told and (small or second in (16, 20, 24)):
        return None
    return words.date(day, month, "", word_before(found))


def _day_and_month(found: Match[str], words: Words) -> str | None:
    day, month = int(found["first"]), int(found["second"])
    return words.date(day, month, "", "") if is_date(day, month) else None


def month_pattern(words: Words, name: str) -> str:
    """Return a pattern with a group of that `name` for a month, cut short or not."""
    names = [*words.months, *(n for short in words.short_months for n in short.split("|"))]
    return rf"(?P<{name}>(?:{word_list(names)})\b)(?:\.(?=,? ?\w))?"


def month_number(name: str, words: Words) -> int:
    """Return the number of a month that `month_pattern` found."""
    for number, (long, short) in enumerate(zip(words.months, words.short_months, strict=True), 1):
        if name.casefold() in (long.casefold(), *short.casefold().split("|")):
            return number
    raise ValueError(name)


def _named(words: Words) -> Rule:
    of, year = " ?", _YEAR
    if words.language == "es":
        of, year = "(?: de)? ", r"(?:,? (?:de |del )?(?P<year>[12]\d{3})\b)?"
    day = rf"(?<![\w.,])(?P<day>[0-3]?\d){_FIRST[words.language]}"
    return rule(
        "date", f"{day}{of}{month_pattern(words, 'month')}{year}", _dated, words, any_case=True
    )


def _dated(found: Match[str], words: Words) -> str | None:
    day = int(found["day"])
    if not 1 <= day <= 31:
        return None
    year = words.year(int(found["year"])) if found["year"] else ""
    return words.date(day, month_number(found["month"], words), year, word_before(found))


def _english_rules(words: Words) -> list[Rule]:
    month = month_pattern(words, "month")
    day_first = rf"(?<![\w.,])(?P<day>[0-3]?\d){_ORDINAL}\b (?:of )?{month}{_YEAR}"
    month_first = (
        rf"(?<![\w.,]){month}[ -](?P<day>[0-3]?\d){_ORDINAL}\b(?![:.,]\d|[/%])"
        r"(?:(?:,? |-)(?P<year>[12]\d{3})\b)?"
    )
    no_day = rf"(?<![\w.,]){month} (?P<year>[12]\d{{3}})\b"
    return [
        rule("date", day_first, _day_first, words, any_case=True),
        rule("date", month_first, _month_first, words, any_case=True),
        rule("date", no_day, _no_day, words, any_case=True),
    ]


def _is_verb(found: Match[str]) -> bool:
    return found["month"] in ("may", "march", "mar")


def _day_first(found: Match[str], words: Words) -> str | None:
    day, year = int(found["day"]), found["year"]
    if not 1 <= day <= 31 or (_is_verb(found) and not year):
        return None
    date = english.date_day_first(day, month_number(found["month"], words), "", word_before(found))
    comma = "," if "," in found[0] else ""
    return f"{date}{comma} {words.year(int(year))}" if year else date


def _month_first(found: Match[str], words: Words) -> str | None:
    day, year = int(found["day"]), found["year"]
    if not 1 <= day <= 31 or _is_verb(found):
        return None
    date = english.date(day, month_number(found["month"], words), "", "")
    comma = "," if "," in found[0] else ""
    return f"{date}{comma} {words.year(int(year))}" if year else date


def _no_day(found: Match[str], words: Words) -> str | None:
    if _is_verb(found):
        return None
    return (
        f"{words.months[month_number(found['month'], words) - 1]} {words.year(int(found['year']))}"
    )
