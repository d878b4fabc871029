"""Days from one to another in a month, and dates from one to another: May 3-5, vom 1.-3. Mai."""

# ruff: noqa: RUF001  (look-alike characters are meant)

from re import Match

from wyoming_csm.text.spoken import english
from wyoming_csm.text.spoken.dates import BEFORE_DATES, is_date, month_number, month_pattern
from wyoming_csm.text.spoken.rule import Rule, rule, to_after, word_before
from wyoming_csm.text.spoken.words import Words

_MARKS = {"de": r"\.", "fr": "(?:er)?", "es": "(?:º|°)?", "it": "(?:º|°)?", "nl": "e?"}
_ORDINAL = "(?:st|nd|rd|th)?"


def span_rules(words: Words) -> list[Rule]:
    """Return the rules of spans; they go before those of single dates."""
    month = month_pattern(words, "month")
    if words.language.startswith("en"):
        days = rf"(?P<first>[0-3]?\d){_ORDINAL} ?[-–] ?(?P<last>[0-3]?\d){_ORDINAL}"
        two = r"(?P<first>\d{1,2}/\d{1,2}) ?[-–] ?(?P<last>\d{1,2}/\d{1,2})"
        after = r"(?![\w/-]|[:.,]\d)"
        return [
            rule("days", rf"(?<![\w.,]){month} {days}{after}", _english, words, needs="-–"),
            rule("days", rf"(?<![\w.,/-]){days} (?:of )?{month}", _day_first, words, needs="-–"),
            rule("days", rf"(?<![\w.,/-]){two}{after}", _in_figures, words, needs="/"),
        ]
    mark = _MARKS[words.language]
    of = "(?: de)? " if words.language == "es" else " "
    days = (
        rf"(?<![\w.,/-])(?P<first>[0-3]?\d){mark} ?(?P<joint>[-–/]) ?"
        rf"(?P<last>[0-3]?\d){mark}{of}{month}"
    )
    return [rule("days", days, _others, words, needs="-–/", any_case=True)]


def _are_days(*days: str) -> bool:
    return all(1 <= int(day) <= 31 for day in days)


def _english(found: Match[str], words: Words) -> str | None:
    first, last = found["first"], found["last"]
    if not _are_days(first, last) or found["month"].islower():
        return None
    month = words.months[month_number(found["month"], words) - 1]
    return f"{month} {words.ordinal(int(first), '')} to {words.ordinal(int(last), '')}"


def _day_first(found: Match[str], words: Words) -> str | None:
    first, last = found["first"], found["last"]
    if not _are_days(first, last) or found["month"].islower():
        return None
    the = "" if word_before(found).lower() == "the" else "the "
    date = english.date_day_first(int(last), month_number(found["month"], words), "", "the")
    return f"{the}{words.ordinal(int(first), '')} to {date}"


def _in_figures(found: Match[str], words: Words) -> str | None:
    """Take "5/6-5/8" for dates after a word like `on`, "12/24-12/26" anywhere."""
    days = [int(one.split("/")[words.language == "en"]) for one in (found["first"], found["last"])]
    if word_before(found).lower() not in BEFORE_DATES and max(days) <= 12:
        return None
    dates = []
    for one in (found["first"], found["last"]):
        first, second = map(int, one.split("/"))
        day, month = (second, first) if words.language == "en" else (first, second)
        if not is_date(day, month):
            return None
        dates.append(words.date(day, month, "", ""))
    return f"{dates[0]} to {dates[1]}"


def _others(found: Match[str], words: Words) -> str | None:
    if not _are_days(found["first"], found["last"]):
        return None
    before, month = word_before(found), month_number(found["month"], words)
    first = words.date(int(found["first"]), month, "", before)
    if words.language == "es":
        first = words.cardinal(int(found["first"]), "")  # del uno al tres
    last = words.date(int(found["last"]), month, "", before)
    name = words.months[month - 1]
    to = to_after(before.lower(), words, words.days_to)
    joint = words.and_ if found["joint"] == "/" else to
    return f"{first.partition(f' {name}')[0].removesuffix(' de')} {joint} {last}"
