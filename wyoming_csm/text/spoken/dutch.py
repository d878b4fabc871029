"""Dutch: number words, dates, and the words of its signs and abbreviations."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

from wyoming_csm.text.spoken.words import Currency, Words

_ONES = (
    "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien"
    " vijftien zestien zeventien achttien negentien"
).split()
_TENS = "_ tien twintig dertig veertig vijftig zestig zeventig tachtig negentig".split()
_GROUPS = ("miljoen", "miljard", "biljoen", "biljard", "triljoen", "triljard")
_MONTHS = tuple(
    (
        "januari februari maart april mei juni juli augustus september oktober november december"
    ).split()
)
_ORDINALS = {"een": "eerste", "één": "eerste", "drie": "derde", "acht": "achtste"}


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    head = f"{_ONES[hundreds] if hundreds > 1 else ''}honderd" if hundreds else ""
    if rest < 20:
        return head + (_ONES[rest] if rest else "")
    tens, ones = divmod(rest, 10)
    if not ones:
        return head + _TENS[tens]
    return f"{head}{_ONES[ones]}{'ën' if ones in (2, 3) else 'en'}{_TENS[tens]}"


def cardinal(number: int, gender: str = "") -> str:
    """Return the number as words."""
    if number < 2:
        return "één" if number else "nul"
    parts: list[str] = []
    rest, small = divmod(number, 1_000_000)
    group = 0
    while rest:
        rest, below = divmod(rest, 1000)
        if below:
            parts.insert(0, f"{'één' if below == 1 else _below_thousand(below)} {_GROUPS[group]}")
        group += 1
    thousands, below = divmod(small, 1000)
    words = f"{_below_thousand(thousands) if thousands > 1 else ''}duizend" if thousands else ""
    if words or below:
        parts.append(words + (_below_thousand(below) if below else ""))
    return " ".join(parts)


def ordinal(number: int, ending: str = "") -> str:
    """Return eerste, tweede, achtste, twintigste."""
    words = cardinal(number)
    for end, ordered in _ORDINALS.items():
        if words.endswith(end):
            return words[: -len(end)] + ordered
    return f"{words}{'de' if 0 < number % 100 < 20 else 'ste'}"


def fraction(above: int, below: int) -> str:
    """Return drie kwart."""
    if below == 2:
        return "een half" if above == 1 else f"{cardinal(above)} halve"
    name = "kwart" if below == 4 else ordinal(below)
    return f"{'een' if above == 1 else cardinal(above)} {name}"


def mixed(whole: int, part: str) -> str:
    """Return twee en een half."""
    return f"{cardinal(whole)} en {part}"


def year(number: int) -> str:
    """Return negentienhonderdnegenennegentig."""
    if not 1100 <= number <= 1999:
        return cardinal(number)
    century, rest = divmod(number, 100)
    return f"{_ONES[century]}honderd{_below_thousand(rest) if rest else ''}"


def clock(hour: int, minute: int) -> str:
    """Return tien uur dertig."""
    return f"{cardinal(hour)} uur" + (f" {cardinal(minute)}" if minute else "")


def date(day: int, month: int, year_words: str, before: str) -> str:
    """Return zevenentwintig november tweeduizendzesentwintig."""
    return f"{cardinal(day)} {_MONTHS[month - 1]} {year_words}".strip()


WORDS = Words(
    language="nl",
    cardinal=cardinal,
    ordinal=ordinal,
    fraction=fraction,
    mixed=mixed,
    clock=clock,
    date=date,
    year=year,
    gender=lambda noun: "",
    noun_gender=lambda noun, number: "",
    decimal_by_digits=False,
    comma=True,
    point="komma",
    minus="min",
    plus="plus",
    to="tot",
    days_to="tot en met",
    zero="nul",
    and_="en",
    number="nummer",
    version="versie",
    dot="punt",
    at="om",
    date_and_time="om",
    by="bij",
    ratio="op",
    cents_after=" ",
    says_cents=False,
    months=_MONTHS,
    short_months=tuple("jan feb mrt apr mei jun jul aug sep|sept okt nov dec".split()),
    weekdays=tuple("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag".split()),
    short_weekdays=(("ma",), ("di",), ("wo",), ("do",), ("vr",), ("za",), ("zo",)),
    currencies={
        "$": Currency("dollar", "dollar", "cent", "cent"),
        "€": Currency("euro", "euro", "cent", "cent"),
        "£": Currency("pond", "pond", "penny", "pence"),
        "¥": Currency("yen", "yen"),
        "₩": Currency("won", "won"),
        "₹": Currency("roepie", "roepies"),
        "₽": Currency("roebel", "roebel"),
        "₿": Currency("bitcoin", "bitcoins"),
        "¢": Currency("cent", "cent"),
        "CHF": Currency("Zwitserse frank", "Zwitserse frank", "rappen", "rappen"),
    },
    sign_words={
        "&": "en", "@": "apenstaartje", "%": "procent", "‰": "promille", "°": "graden",
        "=": "is gelijk aan",
        "≠": "is niet gelijk aan", "≈": "ongeveer", "~": "ongeveer", "+": "plus", "−": "min",
        "±": "plus of min", "×": "keer", "÷": "gedeeld door", "<": "kleiner dan",
        ">": "groter dan", "≤": "hoogstens", "≥": "minstens", "#": "hekje", "№": "nummer",
        "§": "paragraaf", "¶": "alinea", "²": "kwadraat", "³": "tot de derde", "√": "wortel van",
        "∞": "oneindig", "π": "pi", "Ω": "ohm", "μ": "micro", "Δ": "delta",
        "^": "tot de macht",
        "∅": "diameter",
        "\\": "backslash", "″": "inch", "′": "voet",
        "¬": "niet",
        "∧": "en", "∨": "of",
    },
    before_numbers={"#": "nummer", "<": "minder dan", ">": "meer dan"},
    abbreviations={
        "dhr.": "de heer", "mevr.": "mevrouw", "mw.": "mevrouw", "dr.": "dokter",
        "drs. ": "doctorandus",
        "prof.": "professor", "bijv.": "bijvoorbeeld", "bv.": "bijvoorbeeld",
        "d.w.z.": "dat wil zeggen",
        "enz.": "enzovoort", "etc.": "et cetera", "o.a.": "onder andere",
        "m.b.v.": "met behulp van",
        "i.p.v.": "in plaats van", "t/m": "tot en met", "ca.": "circa", "evt.": "eventueel",
        "incl.": "inclusief", "excl.": "exclusief", "max.": "maximaal", "min.": "minimaal",
        "tel.": "telefoon", "str.": "straat", "temp.": "temperatuur", "a.u.b.": "alstublieft",
        "s.v.p.": "alstublieft", "m.b.t.": "met betrekking tot", "n.v.t.": "niet van toepassing",
        "t.o.v.": "ten opzichte van", "i.v.m.": "in verband met", "mln.": "miljoen",
        "mld.": "miljard",
        "blz. ": "bladzijde",
        "a.s.": "aanstaande", "ir. ": "ingenieur", "ing. ": "ingenieur", "jl.": "jongstleden",
        "hfdst.": "hoofdstuk", "vertr.": "vertrek", "geb.": "geboren", "mt. ": "maat",
        "t.h.v.": "ter hoogte van", "t.a.v.": "ter attentie van", "z.s.m.": "zo snel mogelijk",
        "n.a.v.": "naar aanleiding van", "m.u.v.": "met uitzondering van", "e.d.": "en dergelijke",
        "art. ": "artikel",
    },
    compass={
        "N": "noord", "O": "oost", "Z": "zuid", "W": "west", "NO": "noordoost", "NW": "noordwest",
        "ZO": "zuidoost", "ZW": "zuidwest", "NNO": "noordnoordoost", "ONO": "oostnoordoost",
        "OZO": "oostzuidoost", "ZZO": "zuidzuidoost", "ZZW": "zuidzuidwest", "WZW": "westzuidwest",
        "WNW": "westnoordwest", "NNW": "noordnoordwest", "E": "oost", "S": "zuid",
        "NE": "noordoost",
        "SE": "zuidoost", "SW": "zuidwest",
    },
    wind="wind|windrichting|windstoten|richting",
    number_words=r"nr\.?|no\.|n°",
    ordinal_endings="ste|de|e",
    dials="bel|belt|bellen|kies|code|pin|pincode|telefoon|wachtwoord",
    places="kamer|zaal|appartement|spoor|lijn|kanaal|vlucht|bus",
    rulers="koning|koningin|paus|keizer|Willem|Karel|Elizabeth|Hendrik|Filips|Lodewijk"
    "|Johannes Paulus|"
    "Benedictus|Pius|Napoleon|Frederik|George",
    chapters="hoofdstuk|hfdst\\.|deel|akte|wereldoorlog|fase|type|klasse|niveau|sectie|boek|artikel",
    ruler=lambda number: f"de {ordinal(number)}",
    magnitudes={"mln": "miljoen", "mld": "miljard", "k": "duizend"},
    clock_word="uur|u",
)  # fmt: skip
