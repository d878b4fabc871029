"""Italian: number words, dates, and the words of its signs and abbreviations."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

from wyoming_csm.text.spoken.words import DEGREE_AS_ORDINAL, Currency, Words

_ONES = (
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici"
    " quattordici quindici sedici diciassette diciotto diciannove"
).split()
_TENS = "_ dieci venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split()
_GROUPS = (
    ("milione", "milioni"), ("miliardo", "miliardi"), ("bilione", "bilioni"),
    ("biliardo", "biliardi"), ("trilione", "trilioni"), ("triliardo", "triliardi"),
)  # fmt: skip
_ORDINALS = "_ primo secondo terzo quarto quinto sesto settimo ottavo nono decimo".split()
_MONTHS = tuple(
    (
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre"
        " dicembre"
    ).split()
)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    head = f"{_ONES[hundreds] if hundreds > 1 else ''}cento" if hundreds else ""
    if rest in (8, *range(80, 90)):
        head = head[:-1]
    if rest < 20:
        return head + (_ONES[rest] if rest else "")
    tens, ones = divmod(rest, 10)
    ten = _TENS[tens][:-1] if ones in (1, 8) else _TENS[tens]
    return head + ten + (_ONES[ones] if ones else "")


def cardinal(number: int, gender: str = "") -> str:
    """Return the number as words; un, una before a noun."""
    if not number:
        return "zero"
    if number == 1:
        return {"": "uno", "m": "un", "f": "una"}[gender]
    parts: list[str] = []
    rest, small = divmod(number, 1_000_000)
    group = 0
    while rest:
        rest, below = divmod(rest, 1000)
        if below:
            one = "un" if below == 1 else _accented(_below_thousand(below))
            parts.insert(0, f"{one} {_GROUPS[group][below > 1]}")
        group += 1
    thousands, below = divmod(small, 1000)
    words = ""
    if thousands:
        words = "mille" if thousands == 1 else f"{_below_thousand(thousands)}mila"
    if words or below:
        parts.append(_accented(words + (_below_thousand(below) if below else "")))
    return " ".join(parts)


def _accented(words: str) -> str:
    return f"{words[:-1]}é" if words.endswith("tre") and words != "tre" else words


def ordinal(number: int, ending: str = "") -> str:
    """Return primo, prima, ventunesimo."""
    if 0 < number < len(_ORDINALS):
        words = _ORDINALS[number]
    else:
        words = cardinal(number)
        if words.endswith("é"):
            words = f"{words[:-1]}e"
        elif words.endswith("mila"):
            words = f"{words[:-4]}mill"
        elif not words.endswith("sei"):
            words = words[:-1]
        words += "esimo"
    return f"{words[:-1]}a" if ending.endswith(("ª", "a")) else words


def fraction(above: int, below: int) -> str:
    """Return tre quarti."""
    one = "mezzo" if below == 2 else ordinal(below)
    return f"{cardinal(above, 'm')} {one if above == 1 else one[:-1] + 'i'}"


def mixed(whole: int, part: str) -> str:
    """Return due e mezzo."""
    return f"{cardinal(whole)} e {'mezzo' if part == 'un mezzo' else part}"


def clock(hour: int, minute: int) -> str:
    """Return dieci e trenta, una."""
    return cardinal(hour, "f") + (f" e {cardinal(minute)}" if minute else "")


def date(day: int, month: int, year_words: str, before: str) -> str:
    """Return primo maggio, ventisette novembre."""
    first = "primo" if day == 1 else cardinal(day)
    return f"{first} {_MONTHS[month - 1]} {year_words}".strip()


def _gender(noun: str) -> str:
    first = noun.split(" ")[0]
    feminine = first.endswith(("a", "parte")) and not first.endswith(("wattora", "amperora"))
    return "f" if feminine and first not in ("candela", "tesla") else "m"


_NO_NOUNS = frozenset("e di a in con per su è sono al del alla o da il la".split())


def _noun_gender(noun: str, number: str) -> str:
    if number != "1" or not noun or noun.lower() in _NO_NOUNS:
        return ""
    feminine = noun.endswith(("a", "ione", "ce", "tà")) or noun in ("auto", "foto", "moto", "radio")
    return "f" if feminine else "m"


WORDS = Words(
    language="it",
    cardinal=cardinal,
    ordinal=ordinal,
    fraction=fraction,
    mixed=mixed,
    clock=clock,
    date=date,
    year=cardinal,
    gender=_gender,
    noun_gender=_noun_gender,
    decimal_by_digits=False,
    comma=True,
    point="virgola",
    minus="meno",
    plus="più",
    to="a",
    days_to="a",
    zero="zero",
    and_="e",
    number="numero",
    version="versione",
    dot="punto",
    at="alle",
    date_and_time="alle",
    by="per",
    ratio="a",
    cents_after=" e ",
    says_cents=False,
    months=_MONTHS,
    short_months=tuple("gen feb mar apr mag giu lug ago set|sett ott nov dic".split()),
    weekdays=tuple("lunedì martedì mercoledì giovedì venerdì sabato domenica".split()),
    short_weekdays=(("lun",), ("mar",), ("mer",), ("gio",), ("ven",), ("sab",), ("dom",)),
    currencies={
        "$": Currency("dollaro", "dollari", "centesimo", "centesimi"),
        "€": Currency("euro", "euro", "centesimo", "centesimi"),
        "£": Currency("sterlina", "sterline", "penny", "pence"),
        "¥": Currency("yen", "yen"),
        "₩": Currency("won", "won"),
        "₹": Currency("rupia", "rupie"),
        "₽": Currency("rublo", "rubli"),
        "₿": Currency("bitcoin", "bitcoin"),
        "¢": Currency("centesimo", "centesimi"),
        "CHF": Currency("franco svizzero", "franchi svizzeri", "centesimo", "centesimi"),
    },
    sign_words={
        "&": "e", "@": "chiocciola", "%": "per cento", "‰": "per mille", "°": "gradi",
        "=": "uguale a",
        "≠": "diverso da", "≈": "circa", "~": "circa", "+": "più", "−": "meno", "±": "più o meno",
        "×": "per", "÷": "diviso", "<": "minore di", ">": "maggiore di", "≤": "al massimo",
        "≥": "almeno", "#": "cancelletto", "№": "numero", "§": "paragrafo", "¶": "capoverso",
        "²": "al quadrato", "³": "al cubo", "√": "radice di", "∞": "infinito", "π": "pi greco",
        "Ω": "ohm", "μ": "micro", "Δ": "delta", "^": "elevato a",
        "∅": "diametro",
        "\\": "barra rovesciata", "″": "pollici",
        "′": "piedi",
        "¬": "non", "∧": "e", "∨": "o",
    },
    before_numbers={"#": "numero", "<": "meno di", ">": "più di"},
    abbreviations={
        "sig.": "signor", "sig.ra": "signora", "sigg.": "signori", "dott.": "dottor",
        "dott.ssa": "dottoressa", "dr.": "dottor", "prof.": "professor", "ecc.": "eccetera",
        "p.es.": "per esempio", "p. es.": "per esempio", "ad es.": "ad esempio", "ca.": "circa",
        "max.": "massimo", "min.": "minimo", "tel.": "telefono", "v.le": "viale", "p.za": "piazza",
        "c.so": "corso", "temp.": "temperatura", "pag. ": "pagina", "ing. ": "ingegner",
        "avv. ": "avvocato", "arch. ": "architetto", "etc.": "eccetera", "int. ": "interno",
        "s. ": "san", "cap.": "capitolo", "bin. #": "binario", "sec.": "secolo", "p. ": "pagina",
        "art. ": "articolo", "op. #": "opus",
    },
    compass={
        "N": "nord", "E": "est", "S": "sud", "O": "ovest", "NE": "nord-est", "NO": "nord-ovest",
        "SE": "sud-est", "SO": "sud-ovest", "NNE": "nord-nord-est", "ENE": "est-nord-est",
        "ESE": "est-sud-est", "SSE": "sud-sud-est", "SSO": "sud-sud-ovest",
        "OSO": "ovest-sud-ovest",
        "ONO": "ovest-nord-ovest", "NNO": "nord-nord-ovest", "W": "ovest", "NW": "nord-ovest",
        "SW": "sud-ovest",
    },
    wind="vento|venti|raffiche|direzione",
    number_words=r"n[°º]|nr\.?|(?:num|n)\.",
    ordinal_endings=f"º|ª|{DEGREE_AS_ORDINAL}",
    dials="chiama|chiamate|componi|codice|pin|telefono|cap",
    places="stanza|camera|sala|binario|linea|canale|volo|interno|bus",
    rulers="re|regina|papa|Giovanni|imperatore|Carlo|Elisabetta|Vittorio Emanuele|Umberto|"
    "Benedetto|Pio|Luigi|Enrico|Giorgio|Napoleone|Federico|Filippo|Leone",
    chapters="capitolo|cap\\.|sec\\.|parte|tomo|atto|guerra|fase|tipo|classe|livello|sezione|libro|articolo"
    "|secolo",
    ruler=ordinal,
    magnitudes={
        "mln": "milioni", "Mln": "milioni", "mld": "miliardi", "Mld": "miliardi", "k": "mila",
    },
    clock_word="ore",
)  # fmt: skip
