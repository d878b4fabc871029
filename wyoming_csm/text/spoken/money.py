"""Amounts of money: $3.50, £5m, 0.32 €/kWh, € 1.234,56."""

# ruff: noqa: RUF001  (look-alike characters are meant)

from re import Match

from wyoming_csm.text.spoken.measures import counted, of_millions
from wyoming_csm.text.spoken.numbers import number_pattern, parts, said
from wyoming_csm.text.spoken.rule import Rule, rule, text_after, word_list
from wyoming_csm.text.spoken.units import per_name
from wyoming_csm.text.spoken.words import Currency, Words

_CODES = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "US$": "US$", "PLN": "zł"}
_PER = {"en": "per", "de": "pro", "fr": "par", "es": "por", "it": "a", "nl": "per"}
_PACKS = {"doz": "dozen", "pr": "pair", "ea": "piece", "pc": "piece", "pkg": "package"}
_LONG = {
    "en": "thousand|million|billion|trillion",
    "de": "Millionen|Million|Milliarden|Milliarde|Mio\\.|Mrd\\.",
    "fr": "millions?|milliards?", "es": "millones|millón",
    "it": "milioni|milione|miliardi|miliardo",
    "nl": "miljoen|miljard",
}  # fmt: skip


def money_rules(words: Words) -> list[Rule]:
    """Return the rules of amounts, the sign before or after the number."""
    number = number_pattern(words)
    named = [words.currencies[sign].several for sign in "€$"]  # 19,99 Euro
    codes = [*_CODES, *named, *(["euro"] if words.language == "fr" else [])]
    sign = f"(?P<sign>{word_list([*words.currencies, *_CODES])})"
    after_sign = f"(?P<sign>{word_list([*words.currencies, *codes])})"
    short = word_list(words.magnitudes)
    magnitude = rf"(?: ?(?P<magnitude>(?:{short})(?!\w)|(?:{_LONG[words.language[:2]]})\b))?"
    per = r"(?:/(?P<per>[A-Za-zμ²³íñ]+))?"
    minus = r"(?P<minus>(?<![\w)])[-−] ?)?"
    flat = r"(?:[.,][-–—]+)?"  # 5,- €
    to = r"(?P<to> ?[-–] ?(?=[$€£¥\d]))"
    before = rf"{minus}(?<!\w){sign} ?(?P<number>{number}){magnitude}{flat}{per}(?:{to}|(?!\w))"
    amount = rf"{minus}(?<![\w.,])(?P<number>{number}){magnitude}{flat}"
    after = rf"{amount} ?{after_sign}{per}(?:{to}|(?!\w))"
    needs = "".join(name[0] for name in (*words.currencies, *codes))
    span = rf"(?P<low>{number}) ?[-–] ?(?P<number>{number})(?![.,]?\d){magnitude}"
    spans = (rf"(?<!\w){sign} ?{span}(?!\w)", rf"(?<![\w.,/-]){span} ?{after_sign}(?![\w/])")
    rules = [rule("money", pattern, _span, words, needs=needs) for pattern in spans]
    rules += [rule("money", pattern, _money, words, needs=needs) for pattern in (before, after)]
    if words.language.startswith("en"):
        pence = (
            r"(?<![\w.,])(?P<number>\d{1,2}(?:\.\d+)?)p(?:/(?P<per>kWh|h|min|day|L|l))?(?![\w/])"
        )
        rules.append(rule("money", pence, _pence, words, needs="p"))
    return rules


def _currency(sign: str, words: Words) -> Currency:
    named = {words.currencies[one].several: one for one in "€$"}
    return words.currencies[named.get(sign) or _CODES.get(sign, "€" if sign == "euro" else sign)]


def _money(found: Match[str], words: Words) -> str | None:
    currency = _currency(found["sign"], words)
    written, magnitude = found["number"], found["magnitude"]
    if magnitude:
        magnitude = words.magnitudes.get(magnitude, magnitude)
        amount = f"{said(written, words)} {magnitude} {of_millions(currency.several, words)}"
    else:
        amount = _amount(written, currency, words)
    minus = f"{words.minus} " if found["minus"] else ""
    to = f" {words.to} " if found["to"] else ""
    if to and "=" in text_after(found):
        to = f" {words.minus} "
    per = ""
    if found["per"]:
        per = f" {per_name(found['per'], words.language) or _each(found['per'], words)}"
    return f"{minus}{amount}{per}{to}"


def _span(found: Match[str], words: Words) -> str | None:
    """Take "$1.2-1.5M" and "$5-10"; where one has cents each is said in full."""
    low, high, magnitude = found["low"], found["number"], found["magnitude"]
    currency = _currency(found["sign"], words)
    if not magnitude and (parts(low, words)[1] or parts(high, words)[1]):
        amounts = (_amount(one, currency, words) for one in (low, high))
        return f" {words.to} ".join(amounts)
    amount = counted(high, currency.one, currency.several, words)
    if magnitude:
        noun = of_millions(currency.several, words)
        amount = f"{said(high, words)} {words.magnitudes.get(magnitude, magnitude)} {noun}"
    return f"{said(low, words)} {words.to} {amount}"


def _each(noun: str, words: Words) -> str:
    """Return the words for "/person"."""
    return f"{_PER[words.language[:2]]} {_PACKS.get(noun, noun)}"


def _pence(found: Match[str], words: Words) -> str:
    pence = words.currencies["£"]
    per = f" {per_name(found['per'], words.language)}" if found["per"] else ""
    return f"{counted(found['number'], pence.cent, pence.cents, words)}{per}"


def _amount(written: str, currency: Currency, words: Words) -> str:
    whole, decimals = parts(written, words)
    cents = decimals.rstrip("0") if len(decimals) > 2 else decimals
    if len(cents) > 2 or (cents and not currency.cent):
        return f"{said(written, words)} {currency.several}"
    cents = cents.ljust(2, "0") if cents else ""
    bare = whole if decimals else written
    number = int(cents or 0)
    if not number:
        return counted(bare, currency.one, currency.several, words)
    name = currency.cent if number == 1 else currency.cents
    part = f"{words.cardinal(number, words.gender(currency.cent) or 'm')} {name}"
    if not int(whole or 0):
        return part
    head = counted(bare, currency.one, currency.several, words)
    if not words.says_cents:
        part = words.cardinal(number, "")
    return f"{head}{words.cents_after}{part}"
