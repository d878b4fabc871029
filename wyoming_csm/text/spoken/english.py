"""English: number words, dates, and the words of its signs and abbreviations."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

from dataclasses import replace

from wyoming_csm.text.spoken.words import Currency, Words

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "_ ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_GROUPS = [
    "",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
]
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip


def _below_thousand(number: int, and_: bool) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest)
    joined = f" {'and ' if and_ else ''}{_below_hundred(rest)}" if rest else ""
    return f"{_ONES[hundreds]} hundred{joined}"


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


def cardinal(number: int, gender: str = "") -> str:
    """Return the number as words; below 10^24."""
    return _grouped(number, and_=True)


def _grouped(number: int, and_: bool) -> str:
    parts: list[str] = []
    group, rest = 0, number
    while rest:
        rest, below = divmod(rest, 1000)
        if below:
            words = _below_thousand(below, and_ and not group)
            if and_ and not group and rest and below < 100:
                words = f"and {words}"
            parts.append(f"{words} {_GROUPS[group]}".strip())
        group += 1
    return " ".join(reversed(parts)) or "zero"


def ordinal(number: int, ending: str = "") -> str:
    """Return first, second, third, …"""
    words = _grouped(number, and_=False)
    for separator in ("-", " ", ""):
        head, found, last = words.rpartition(separator) if separator else ("", "", words)
        if found or not separator:
            break
    if last.endswith("y"):
        last = f"{last[:-1]}ie"
    return head + found + _ORDINALS.get(last, f"{last}th")


def year(number: int) -> str:
    """Return how a year is said: nineteen ninety-nine, two thousand five, twenty twenty-six."""
    century, rest = divmod(number, 100)
    if not 1000 <= number <= 2999 or number % 1000 < 10:
        return cardinal(number).replace(" and ", " ")
    if not rest:
        return f"{_below_hundred(century)} hundred"
    return f"{_below_hundred(century)} {'oh ' if rest < 10 else ''}{_below_hundred(rest)}"


def pairs(digits: str) -> str:
    """Return three or four digits as a room, a house or a model has them: two oh four."""
    if digits[0] == "0" or len(digits) > 4 or (len(digits) == 4 and digits[1:3] == "00"):
        return cardinal(int(digits)) if digits[0] != "0" else WORDS.digits(digits)
    head, rest = digits[:-2], digits[-2:]
    if not head or len(digits) < 3:
        return cardinal(int(digits))
    if rest == "00":
        return f"{_below_hundred(int(head))} hundred"
    return (
        f"{_below_hundred(int(head))} {'oh ' if rest[0] == '0' else ''}{_below_hundred(int(rest))}"
    )


def fraction(above: int, below: int) -> str:
    """Return three quarters, seven eighths."""
    names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    one, several = names.get(below) or (ordinal(below), f"{ordinal(below)}s")
    return f"{cardinal(above)} {one if above == 1 else several}"


def mixed(whole: int, part: str) -> str:
    """Return two and a half."""
    return f"{cardinal(whole)} and {'a half' if part == 'one half' else part}"


def clock(hour: int, minute: int) -> str:
    """Return ten thirty, eight o'clock, six oh five."""
    if not minute:
        return "midnight" if hour in (0, 24) else f"{cardinal(hour)} o'clock"
    return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"


def date(day: int, month: int, year_words: str, before: str) -> str:
    """Return May twenty-fifth, twenty twenty-five."""
    comma = ", " if year_words.startswith(("nineteen", "two", "twenty")) else " "
    return f"{_MONTHS[month - 1]} {ordinal(day)}{comma if year_words else ''}{year_words}"


def date_day_first(day: int, month: int, year_words: str, before: str) -> str:
    """Return the twenty-fifth of May twenty twenty-five."""
    the = "" if before.lower() == "the" else "the "
    return f"{the}{ordinal(day)} of {_MONTHS[month - 1]} {year_words}".strip()


_MONTHS = tuple(
    "January February March April May June July August September October November December".split()
)
_SIGNS = {
    "&": "and", "@": "at", "%": "percent", "‰": "permille", "°": "degrees", "=": "equals",
    "≠": "is not equal to", "≈": "about", "~": "about", "+": "plus", "−": "minus",
    "±": "plus or minus",
    "×": "times", "÷": "divided by", "<": "less than", ">": "greater than", "≤": "at most",
    "≥": "at least", "#": "hash", "№": "number", "§": "section", "¶": "paragraph", "²": "squared",
    "³": "cubed",
    "√": "square root of", "∞": "infinity", "π": "pi", "Ω": "ohms", "μ": "micro",
    "Δ": "delta",
    "^": "to the power of",
    "‱": "per ten thousand",
    "∑": "sum", "∫": "integral", "∂": "partial", "∅": "diameter", "∈": "in",
    "∪": "union",
    "∩": "intersection", "¬": "not", "∧": "and", "∨": "or", "\\": "backslash",
    "∝": "proportional to", "″": "inches", "′": "feet", "¤": "currency",
}  # fmt: skip

WORDS = Words(
    language="en",
    cardinal=cardinal,
    ordinal=ordinal,
    fraction=fraction,
    mixed=mixed,
    clock=clock,
    date=date,
    year=year,
    gender=lambda noun: "",
    noun_gender=lambda noun, number: "",
    decimal_by_digits=True,
    comma=False,
    point="point",
    minus="minus",
    plus="plus",
    to="to",
    days_to="to",
    zero="zero",
    and_="and",
    number="number",
    version="version",
    dot="dot",
    at="at",
    date_and_time="at",
    by="by",
    ratio="to",
    cents_after=" ",
    says_cents=True,
    months=_MONTHS,
    short_months=tuple("Jan Feb Mar Apr May Jun Jul Aug Sep|Sept Oct Nov Dec".split()),
    weekdays=tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()),
    short_weekdays=(
        ("Mon",), ("Tues", "Tue"), ("Wed",), ("Thurs", "Thur", "Thu"), ("Fri",), ("Sat",), ("Sun",),
    ),
    currencies={
        "$": Currency("dollar", "dollars", "cent", "cents"),
        "US$": Currency("US dollar", "US dollars", "cent", "cents"),
        "€": Currency("euro", "euros", "cent", "cents"),
        "£": Currency("pound", "pounds", "penny", "pence"),
        "¥": Currency("yen", "yen"),
        "₩": Currency("won", "won"),
        "₹": Currency("rupee", "rupees", "paisa", "paise"),
        "₽": Currency("rouble", "roubles", "kopeck", "kopecks"),
        "₿": Currency("bitcoin", "bitcoins"),
        "¢": Currency("cent", "cents"),
        "CHF": Currency("Swiss franc", "Swiss francs", "centime", "centimes"),
        "kr": Currency("krone", "kroner", "øre", "øre"),
        "zł": Currency("zloty", "zlotys", "grosz", "groszy"),
    },
    sign_words=_SIGNS,
    before_numbers={"#": "number", "<": "less than", ">": "more than"},
    abbreviations={
        "dr. ": "doctor", "mr.": "mister", "mrs.": "missus", "ms.": "miz", "prof.": "professor",
        "st. ": "saint", "mt. ": "mount", "ft. ": "fort", "e.g.": "for example", "i.e.": "that is",
        "etc.": "et cetera", "vs.": "versus", "approx.": "approximately", "min.": "minimum",
        "max.": "maximum", "jr.": "junior", "sr.": "senior", "temp.": "temperature",
        "hum.": "humidity", "dept.": "department", "apt.": "apartment", "ave.": "avenue",
        "rd.": "road", "blvd.": "boulevard", "hwy.": "highway", "ext.": "extension",
        "tel.": "telephone",
        "ca.": "circa", "incl.": "including", "excl.": "excluding", "est. ": "established",
        "a.k.a.": "also known as", "aka": "also known as", "vol. ": "volume", "fig. ": "figure",
        "p. ": "page", "dr ": "doctor", "mr ": "mister", "mrs ": "missus",
        "ch. ": "chapter",
        "pp. ": "pages", "inc.": "incorporated", "ltd.": "limited", "corp.": "corporation",
        "bldg.": "building", "appt.": "appointment", "rm. ": "room", "w/o": "without",
        "fps": "frames per second",
        "bpm": "beats per minute", "sgt. ": "sergeant", "capt. ": "captain",
        "lt. ": "lieutenant", "gen. ": "general", "gov. ": "governor", "rev. ": "reverend",
        "vs": "versus", "ea.": "each", "b/w": "between", "op. #": "opus", "c. #": "circa",
        "tmrw": "tomorrow", "btwn": "between",
        "avg.": "average", "avg": "average",
        "qty": "quantity", "approx": "approximately", "wwi": "World War one",
        "wwii": "World War two",
    },
    compass={
        "N": "north", "E": "east", "S": "south", "W": "west", "NE": "northeast", "NW": "northwest",
        "SE": "southeast", "SW": "southwest", "NNE": "north-northeast", "ENE": "east-northeast",
        "ESE": "east-southeast", "SSE": "south-southeast", "SSW": "south-southwest",
        "WSW": "west-southwest", "WNW": "west-northwest", "NNW": "north-northwest",
    },
    wind="wind|winds|gusts|breeze|heading|facing|bearing|direction",
    number_words=r"(?:no|nos|nr|num)\.|n\.?[°º]",
    ordinal_endings="st|nd|rd|th",
    dials="ending in|call|dial|ring|phone|pin|code|passcode|password|extension|ext|zip|postcode",
    places="room|rooms|suite|apartment|flat|gate|flight|bus|route|highway|interstate|unit|channel|error",
    rulers="King|Queen|Pope|Emperor|Empress|Tsar|Prince|Charles|Elizabeth|Henry|George|Edward"
    "|James|"
    "William|Louis|Francis|Philip|John Paul|Benedict|Pius|Richard|Frederick|Napoleon|Catherine",
    chapters="Chapter|Vol\\.|Part|Volume|Act|Scene|War|Phase|Type|Class|Level|Section|Book|Episode|Article"
    "|"
    "Fantasy|Rocky|Windows|Apollo|Title|Appendix|Stage|Grade|Season|Mark|Bowl",
    ruler=lambda number: f"the {ordinal(number)}",
    magnitudes={
        "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
        "bn": "billion", "b": "billion", "B": "billion", "tn": "trillion", "T": "trillion",
    },
    clock_word=r"o'clock",
)  # fmt: skip
BRITISH = replace(WORDS, language="en-GB", date=date_day_first)
