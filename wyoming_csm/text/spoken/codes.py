"""Digits that are no quantity: telephone numbers, codes, versions, rooms, models, addresses."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from re import Match

from wyoming_csm.text.spoken.english import pairs
from wyoming_csm.text.spoken.numbers import said, said_whole
from wyoming_csm.text.spoken.rule import (
    LETTER,
    LETTER_OR_DIGIT,
    Rule,
    rule,
    text_after,
    text_before,
)
from wyoming_csm.text.spoken.words import Words

_PHONE = (
    r"(?<![\w.,/:])(?:(?P<plus>\+ ?|00(?=[1-9]))(?P<country>\d{1,3})[ -]?)?"
    r"(?:\((?P<area>\d{2,5})\)[ -]{0,2})?"
    r"(?P<rest>\d{1,8}(?:[ -]\d{1,8}){0,6}|\d{6,12})"
    r"(?![\w/:°%€$£]|[.,]\d| ?(?!(?:or|and|und|ou|et|o|y|e|of|en|if|to)\b)[a-z°%€]{1,3}\b/?)"
)
_AMERICAN = (
    r"(?<![\w.,/:])(?:1[- ])?(?:\(\d{3}\)[-. ]{0,2}|\d{3},?[-. ]{1,2})"
    r"\d{3}[-.]\d{4}(?:-\d{1,4})?(?!\w)"
    r"|(?<![\w.)-])[2-9]\d\d-\d{4}(?![\w-])|(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"
)
_SEVEN = (  # 555 1234
    r"(?<![\w.,)-])(?<!\d )[2-9]\d\d (?!19|20)\d{4}(?=[.,;!?)](?!\d)|\Z)"
)
_DASHED = r"(?<![\w.,-])\d{1,4}(?:-\d{1,4}){2,}(?![\w-])"
_LONG_PART = r"(?<=[^\W_]/)(?P<digits>\d{5,12})(?=[/-]\w)"  # 123/261788/2021
_SECTION = r"(?<!\w)(?P<digits>\d{3})\((?P<letter>[a-z])\)"  # 401(k)
_DEVICE = r"(?<![\w:-])(?:[\dA-Fa-f]{2}:){5}[\dA-Fa-f]{2}(?![\w:-])"  # of a network card
_ADDRESS = r"(?<![\w.])(?P<host>\d{1,3}(?:\.\d{1,3}){3})(?!\.?\d)(?::(?P<port>\d{1,5})\b)?"
_VERSION = (
    r"(?<![\w.,])(?P<v>[vV]\.? ?(?=\d))?(?P<numbers>\d+(?:\.\d+){1,4})"
    r"(?P<stage>(?:[-. ]?(?:alpha|beta|rc|dev|b|a)\.?\d*)?)(?!\w|[.,]\d)"
)
_LONE_V = r"(?<!\w)[vV](?P<numbers>\d{1,4})(?!\w)"
_MODEL = (
    rf"(?<!{LETTER_OR_DIGIT})(?<!{LETTER_OR_DIGIT}[.,])"
    rf"(?:PM\d,\d(?=\W|$)|\d{{1,4}}\.\d{{1,3}}{LETTER}|{LETTER}{{1,12}}[-.]?\d|\d{{1,9}}{LETTER})"
    rf"(?:{LETTER_OR_DIGIT}|[-.](?={LETTER_OR_DIGIT}))*"
)
_PARTS = re.compile(rf"\d+(?:[.,]\d+)?|{LETTER}+")
_BETWEEN = (
    "the|a|is|on|at|under|number|den|die|das|ist|Nummer|le|la|est|numéro|el|es|número|il|è|numero"
    "|het|de|nummer"
)
_OR = "or|and|oder|und|ou|et|o|y|e|of|en"
_EMERGENCY = "11[0-9]|911|999"  # said digit by digit where two stand together
_PLACE_CODE = r"(?<=, )\d{5}(?= [A-ZÄÖÜ][a-zäöüß])"  # 12a, 80331 München
_SPANISH = r"(?<![\w.,])[6-9]\d\d(?: \d\d){3}(?![\w]|[.,]\d)"  # 612 34 56 78
_AREA = r"(?<![\w.,/])0\d{1,5} ?/ ?\d{4,9}(?:-\d{1,4})?(?![\w/]|[.,]\d)"  # 030/1234567
_VERSIONS = ("version", "versione", "versión", "versie")
_VERSIONED = (*_VERSIONS, "firmware", "release", "update", "python", "android", "ios")
_LONG_CODE = 8  # digits: 1Z999AA10123456784 is said digit by digit
_YEARS = ("20", "19")


def code_rules(words: Words) -> list[Rule]:
    """Return the rules in their order."""
    dialled = (
        rf"(?P<word>\b(?:{words.dials})\b(?: {{1,2}}(?:{_BETWEEN})){{0,3}}:? )"
        rf"(?P<digits>\d{{3,8}}(?:(?:,? (?:{_OR}) |, )(?:(?:{_BETWEEN}) )?\d{{3,8}}){{0,3}})"
        r"(?![\w:]|[.,-]\d| ?[%°€$]| \d)"
    )
    called = (
        rf"(?P<word>(?<!\w)(?:tel|tél|tfno|{words.dials})\b[.:]{{0,2}} ?:? {{0,2}}"
        rf"(?:(?:{_BETWEEN}|al) ){{0,2}})"
        r"(?P<digits>\d{1,4}(?:[ -]\d{2,6}){1,5})(?![\w/:°%€$£]|[.,]\d| ?[a-z°%€]{1,3}\b)"
    )
    room = (
        rf"(?P<word>\b(?:{words.places}) (?:number |no\. |(?-i:[A-Z][A-Z\d] ))?)"
        r"(?P<digits>\d{3,4})(?P<letter>[A-Za-z])?(?!\w|[.,:]\d)"
    )
    number = rf"(?:{_EMERGENCY})"
    emergency = rf"(?<![\w.,]){number}(?:, | (?:{_OR}) ){number}(?![\w:]|[.,-]\d| ?[%°€$]| [A-Z\d])"
    rules = [
        rule("address", _DEVICE, _device, words, digit=False, needs=":"),
        rule("address", _ADDRESS, _dotted, words, needs="."),
        rule("telephone", _AMERICAN, _groups, words, needs="-."),
        rule("version", _VERSION, _version, words, needs="."),
        rule("version", _LONE_V, _lone_version, words, needs="vV"),
        rule("code", dialled, _dialled, words, any_case=True),
        rule("telephone", called, _called, words, needs=" -", any_case=True),
        rule("telephone", emergency, _digit_by_digit, words),
        rule("telephone", _AREA, _groups, words, needs="/"),
        rule("telephone", _PHONE, _telephone, words, needs=" -+0"),
        rule("code", _DASHED, _dashed, words, needs="-"),
        rule("code", _LONG_PART, lambda f, w: w.digits(f["digits"]), words, needs="/"),
    ]
    if words.language == "de":
        rules.append(rule("code", _PLACE_CODE, lambda f, w: w.digits(f[0]), words))
    if words.language == "es":
        rules.insert(0, rule("telephone", _SPANISH, _groups, words, needs=" "))
    if words.language.startswith("en"):
        rules.append(rule("room", room, _room, words, any_case=True))
        rules.insert(0, rule("telephone", _SEVEN, _groups, words, needs=" "))
        section = rule("section", _SECTION, _section, words, needs="(")
        rules.append(section)
    return rules


def model_rule(words: Words) -> Rule:
    """Return the rule of letters and digits in one word, as H264; units and ordinals go before."""
    return rule("model", _MODEL, _model, words)


def _dialled(found: Match[str], words: Words) -> str:
    return found["word"] + _spelled(found["digits"], words)


def _called(found: Match[str], words: Words) -> str | None:
    """Take groups of digits after a word like telephone for a number that is dialled."""
    groups = re.findall(r"\d+", found["digits"])
    if sum(map(len, groups)) < 6:
        return None
    return found["word"] + ", ".join(_group(group, words) for group in groups)


def _digit_by_digit(found: Match[str], words: Words) -> str:
    return _spelled(found[0], words)


def _spelled(text: str, words: Words) -> str:
    return re.sub(r"\d+", lambda number: words.digits(number[0]), text)


def _section(found: Match[str], words: Words) -> str:
    return f"{pairs(found['digits'])} {found['letter']}"


def _room(found: Match[str], words: Words) -> str:
    letter = f" {found['letter']}" if found["letter"] else ""
    return found["word"] + pairs(found["digits"]) + letter


def _groups(found: Match[str], words: Words) -> str | None:
    digits = re.findall(r"\d+", found[0])
    free = words.language.startswith("en") and "800" in digits[:2]
    said = ["eight hundred" if free and group == "800" else words.digits(group) for group in digits]
    return ", ".join(said)


def _telephone(found: Match[str], words: Words) -> str | None:
    groups, area = re.findall(r"\d+", found["rest"]), found["area"] or ""
    leading = groups[0][0] == "0" or (
        groups[0][0] == "1" and len(groups[0]) == 4 and len(groups) > 2
    )
    marked = found["plus"] or area or (leading and len(groups) > 1)
    enough = sum(map(len, groups)) + len(area) >= 6
    if not marked or not enough or re.match(r" ?[-+=×]", text_after(found)):
        return None
    said = [_group(group, words) for group in ([area, *groups] if area else groups)]
    if found["country"]:
        plus = words.plus if found["plus"].startswith("+") else words.digits("00")
        said.insert(0, f"{plus} {words.digits(found['country'])}")
    return ", ".join(said)


def _group(digits: str, words: Words) -> str:
    """Return a group as people of the language say it: the French in pairs, others in digits."""
    if words.language == "fr" and len(digits) == 2 and digits[0] != "0":
        return said_whole(digits, words)
    return words.digits(digits)


def _dashed(found: Match[str], words: Words) -> str:
    return ", ".join(said_whole(part, words) for part in found[0].split("-"))


def _device(found: Match[str], words: Words) -> str:
    parts = found[0].upper().split(":")
    return ", ".join(
        " ".join(words.digits(c) if c.isdigit() else c for c in part) for part in parts
    )


def _dotted(found: Match[str], words: Words) -> str:
    port = f", {words.digits(found['port'])}" if found["port"] else ""
    return f" {words.dot} ".join(words.digits(part) for part in found["host"].split(".")) + port


def _lone_version(found: Match[str], words: Words) -> str:
    return f"{words.version} {said_whole(found['numbers'], words)}"


def _version(found: Match[str], words: Words) -> str | None:
    numbers = found["numbers"].split(".")
    before = text_before(found).rstrip().lower()
    if not found["v"]:
        release = numbers[0].startswith("20") and len(numbers[0]) == 4 and int(numbers[1]) <= 12
        if len(numbers) < 3 and not release and not before.endswith(_VERSIONED):
            return None
        if all(len(number) == 3 for number in numbers[1:]):
            return None  # thousands
    stage = re.findall(r"[a-z]+|\d+", found["stage"])
    tail = [said_whole(part, words) if part.isdigit() else part for part in stage]
    head = words.version if found["v"] and not before.endswith(_VERSIONS) else ""
    dot = words.point if words.language.startswith("en") else words.dot
    said = f" {dot} ".join(_version_number(number, words) for number in numbers)
    return " ".join(filter(None, [head, said, *tail]))


def _version_number(digits: str, words: Words) -> str:
    year = len(digits) == 4 and digits.startswith(_YEARS)
    return words.year(int(digits)) if year else said_whole(digits, words)


def _model(found: Match[str], words: Words) -> str | None:
    written = found[0]
    if re.fullmatch(r"[\d.]+k", written) and re.match(r" [a-z]+s\b", text_after(found)):
        return f"{said(written[:-1], words)} thousand" if words.language[:2] == "en" else None
    spelled: list[str] = []
    long = sum(map(str.isdigit, written)) >= _LONG_CODE
    for part in _PARTS.findall(written):
        if part.isdigit():
            spelled.append(words.digits(part) if long else _model_number(part, words))
        elif part[0].isdigit():
            whole, _, decimals = part.replace(",", ".").partition(".")
            spelled += [said_whole(whole, words), words.point, words.digits(decimals)]
        else:
            spelled.append(_letters(part, first=written.startswith(part)))
    return " ".join(spelled)


def _letters(part: str, first: bool) -> str:
    """Return what is said letter by letter with blanks between; a word as it is."""
    spelled = part.isupper() or (first and not re.search("[aeiouyäöü]", part))
    if len(part) <= 2 and spelled:
        return " ".join(part.upper())
    return "K" if part == "k" else part


def _model_number(digits: str, words: Words) -> str:
    if len(digits) > 4 or (digits[0] == "0" and len(digits) > 1):
        return words.digits(digits)
    return pairs(digits) if words.language.startswith("en") else said_whole(digits, words)
