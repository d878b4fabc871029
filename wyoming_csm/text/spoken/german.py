"""German: number words, dates, and the words of its signs and abbreviations."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

from wyoming_csm.text.spoken.words import Currency, Words

_ONES = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn"
    " fünfzehn sechzehn siebzehn achtzehn neunzehn"
).split()
_TENS = "_ zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_GROUPS = (
    ("Million", "Millionen"), ("Milliarde", "Milliarden"), ("Billion", "Billionen"),
    ("Billiarde", "Billiarden"), ("Trillion", "Trillionen"), ("Trilliarde", "Trilliarden"),
)  # fmt: skip
_ORDINALS = {"eins": "erst", "drei": "dritt", "sieben": "siebt", "acht": "acht"}
_BENT = frozenset(
    "am dem den im vom zum beim ab seit bis des unserem jedem diesem diesen einem einen einer"
    " meinem meinen meiner deinem deinen deiner".split()
)
_UNBENT = frozenset("ein kein mein dein sein unser ihr".split())  # dein zweiter Timer
_NEUTER = (
    "licht",
    "gerät",
    "fenster",
    "paket",
    "zimmer",
    "update",
    "tor",
    "thermostat",
    "mal",
    "geschoss",
    "og",
    "eg",
    "ug",
    "quartal",
    "jahr",
    "spiel",
    "kapitel",
)
_MONTHS = tuple(
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
)


def _below_thousand(number: int, last: str) -> str:
    hundreds, rest = divmod(number, 100)
    head = f"{_ONES[hundreds]}hundert" if hundreds else ""
    if rest < 20:
        return head + (last if rest == 1 else _ONES[rest] if rest else "")
    tens, ones = divmod(rest, 10)
    return head + (f"{_ONES[ones]}und" if ones else "") + _TENS[tens]


def cardinal(number: int, gender: str = "") -> str:
    """Return the number as words: eins for counting, ein and eine before a noun."""
    if not number:
        return "null"
    last = {"": "eins", "m": "ein", "f": "eine"}[gender]
    if number > 100 and gender == "f":
        last = "eins"
    parts: list[str] = []
    rest, small = divmod(number, 1_000_000)
    group = 0
    while rest:
        rest, below = divmod(rest, 1000)
        if below:
            name = _GROUPS[group][below > 1]
            parts.insert(0, f"{_below_thousand(below, 'eine' if below == 1 else 'eins')} {name}")
        group += 1
    thousands, below = divmod(small, 1000)
    words = f"{_below_thousand(thousands, 'ein')}tausend" if thousands else ""
    if words or below:
        parts.append(words + _below_thousand(below, last))
    return " ".join(parts)


def ordinal(number: int, before: str = "") -> str:
    """Return erste, or ersten after words like `am`."""
    words = cardinal(number)
    for end, stem in _ORDINALS.items():
        if words.endswith(end) and (end != "eins" or number % 100 == 1):
            words = words[: -len(end)] + stem
            break
    else:
        words += "t" if 0 < number % 100 < 20 else "st"
    if before in ("er", "es"):
        return f"{words}{before}"
    return f"{words}e{'n' if before.lower() in _BENT else ''}"


def ordinal_between(number: int, before: str, noun: str) -> str:
    """Return zweiter Timer, zweites Licht after words like `dein`, else as `ordinal` does."""
    if before.lower() in _UNBENT or (not before and noun[:1].isupper() and not is_feminine(noun)):
        before = "es" if noun.lower().endswith(_NEUTER) else "er"
    return ordinal(number, before)


def fraction(above: int, below: int) -> str:
    """Return drei Viertel."""
    if below == 2:
        return "ein halb" if above == 1 else f"{cardinal(above)} halbe"
    stem = ordinal(below)[:-2]
    name = "Drittel" if below == 3 else f"{stem}tel".capitalize()
    return f"{cardinal(above, 'm')} {name}"


def mixed(whole: int, part: str) -> str:
    """Return zweieinhalb."""
    return f"{cardinal(whole, 'm')}einhalb" if part == "ein halb" else f"{cardinal(whole)} {part}"


def year(number: int) -> str:
    """Return neunzehnhundertneunundneunzig."""
    if not 1100 <= number <= 1999:
        return cardinal(number)
    century, rest = divmod(number, 100)
    return f"{_ONES[century]}hundert{cardinal(rest) if rest else ''}"


def clock(hour: int, minute: int) -> str:
    """Return zehn Uhr dreißig."""
    return f"{cardinal(hour, 'm')} Uhr" + (f" {cardinal(minute)}" if minute else "")


def date(day: int, month: int, year_words: str, before: str) -> str:
    """Return siebenundzwanzigste November, bent as the word before it asks."""
    if before.lower() in ("und", "oder"):
        before = "am"  # am ersten und zweiten Mai
    known = before.lower() in _BENT or before.lower() in ("der", "die", "das")
    return f"{ordinal(day, before if known else 'er')} {_MONTHS[month - 1]} {year_words}".strip()


def _gender(noun: str) -> str:
    feminine = (
        "stunde", "sekunde", "minute", "woche", "meile", "unze", "kalorie", "tonne", "sphäre",
        "gallone", "stärke", "umdrehung", "nacht",
    )  # fmt: skip
    return "f" if noun.lower().split(" ")[0].endswith(feminine) else "m"


def is_feminine(noun: str) -> bool:
    """Return whether a noun that homes say is feminine."""
    feminine = (
        "ung", "heit", "keit", "schaft", "tion", "e", "tür", "nachricht", "uhr", "zahl", "wand",
        "nacht", "stadt", "bank", "bahn", "person", "mail", "kamera", "antwort", "datei", "nummer",
    )  # fmt: skip
    return noun.lower().endswith(feminine)


def _noun_gender(noun: str, number: str) -> str:
    if number != "1" or not noun[:1].isupper():
        return ""
    return "f" if is_feminine(noun) else "m"


WORDS = Words(
    language="de",
    cardinal=cardinal,
    ordinal=ordinal,
    fraction=fraction,
    mixed=mixed,
    clock=clock,
    date=date,
    year=year,
    gender=_gender,
    noun_gender=_noun_gender,
    decimal_by_digits=True,
    comma=True,
    point="Komma",
    minus="minus",
    plus="plus",
    to="bis",
    days_to="bis",
    zero="null",
    and_="und",
    number="Nummer",
    version="Version",
    dot="Punkt",
    at="um",
    date_and_time="um",
    by="mal",
    ratio="zu",
    cents_after=" ",
    says_cents=False,
    months=_MONTHS,
    short_months=tuple("Jan Feb Mär|Mrz Apr Mai Jun Jul Aug Sep|Sept Okt Nov Dez".split()),
    weekdays=tuple("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split()),
    short_weekdays=(("Mo",), ("Di",), ("Mi",), ("Do",), ("Fr",), ("Sa",), ("So",)),
    currencies={
        "$": Currency("Dollar", "Dollar", "Cent", "Cent"),
        "€": Currency("Euro", "Euro", "Cent", "Cent"),
        "£": Currency("Pfund", "Pfund", "Penny", "Pence"),
        "¥": Currency("Yen", "Yen"),
        "₩": Currency("Won", "Won"),
        "₹": Currency("Rupie", "Rupien"),
        "₽": Currency("Rubel", "Rubel"),
        "₿": Currency("Bitcoin", "Bitcoin"),
        "¢": Currency("Cent", "Cent"),
        "CHF": Currency("Schweizer Franken", "Schweizer Franken", "Rappen", "Rappen"),
        "Fr.": Currency("Franken", "Franken", "Rappen", "Rappen"),
        "kr": Currency("Krone", "Kronen"),
        "zł": Currency("Zloty", "Zloty"),
    },
    sign_words={
        "&": "und", "@": "at", "%": "Prozent", "‰": "Promille", "°": "Grad", "=": "gleich",
        "≠": "ungleich",
        "≈": "ungefähr", "~": "etwa", "+": "plus", "−": "minus", "±": "plus minus", "×": "mal",
        "÷": "geteilt durch", "<": "kleiner als", ">": "größer als", "≤": "höchstens",
        "≥": "mindestens", "#": "Raute", "№": "Nummer", "§": "Paragraf", "¶": "Absatz",
        "²": "Quadrat",
        "³": "hoch drei", "√": "Wurzel aus", "∞": "unendlich", "π": "Pi", "Ω": "Ohm", "μ": "Mikro",
        "Δ": "Delta", "^": "hoch",
        "∅": "Durchmesser", "Ø": "Durchschnitt", "\\": "Backslash",
        "″": "Zoll", "′": "Fuß", "¬": "nicht", "∧": "und", "∨": "oder",
    },
    before_numbers={"#": "Nummer", "<": "weniger als", ">": "mehr als"},
    abbreviations={
        "dr.": "Doktor", "prof.": "Professor", "hr.": "Herr", "fr. ": "Frau",
        "z.b.": "zum Beispiel",
        "z. b.": "zum Beispiel", "d.h.": "das heißt", "d. h.": "das heißt", "u.a.": "unter anderem",
        "u. a.": "unter anderem", "usw.": "und so weiter", "etc.": "et cetera",
        "bzw.": "beziehungsweise",
        "ca.": "circa", "evtl.": "eventuell", "ggf.": "gegebenenfalls", "ggü.": "gegenüber",
        "inkl.": "inklusive",
        "exkl.": "exklusive", "max.": "maximal", "min.": "minimal", "mind.": "mindestens",
        "str.": "Straße", "st. ": "Sankt", "std.": "Stunden", "sek.": "Sekunden", "tel.": "Telefon",
        "temp.": "Temperatur", "vgl.": "vergleiche", "sog.": "sogenannt", "bspw.": "beispielsweise",
        "o.ä.": "oder ähnliches", "s.o.": "siehe oben", "s.u.": "siehe unten",
        "i.d.r.": "in der Regel",
        "v.a.": "vor allem", "zzgl.": "zuzüglich", "abzgl.": "abzüglich",
        "m.e.": "meines Erachtens",
        "abb. ": "Abbildung", "kap. ": "Kapitel", "mio.": "Millionen", "mrd.": "Milliarden",
        "tsd.": "Tausend", "geb.": "geboren", "gem.": "gemäß", "ing. ": "Ingenieur",
        "dipl. ": "Diplom",
        "mwst.": "Mehrwertsteuer", "z.zt.": "zurzeit", "jun.": "junior", "sen.": "senior",
        "abs. ": "Absatz", "zi. ": "Zimmer", "z.t.": "zum Teil", "z. t.": "zum Teil",
        "u.u.": "unter Umständen",
        "i.a.": "im Allgemeinen", "tgl.": "täglich", "wöchentl.": "wöchentlich", "abf.": "Abfahrt",
        "ank.": "Ankunft", "gl. #": "Gleis", "bft #": "Beaufort", "bhf.": "Bahnhof",
        "pkt.": "Punkte", "zw.": "zwischen", "gg.": "gegen", "kostenl.": "kostenlos",
        "gr. ": "Größe",
        "u. #": "und", "op. #": "opus", "s. #": "Seite", "bzgl.": "bezüglich",
        "einschl.": "einschließlich",
        "jh.": "Jahrhundert", "v. chr.": "vor Christus", "n. chr.": "nach Christus",
        "vorm.": "vormittags", "nachm.": "nachmittags",
    },
    compass={
        "N": "Nord", "O": "Ost", "S": "Süd", "W": "West", "NO": "Nordost", "NW": "Nordwest",
        "SO": "Südost", "SW": "Südwest", "NNO": "Nordnordost", "ONO": "Ostnordost",
        "OSO": "Ostsüdost", "SSO": "Südsüdost", "SSW": "Südsüdwest", "WSW": "Westsüdwest",
        "WNW": "Westnordwest", "NNW": "Nordnordwest", "E": "Ost", "NE": "Nordost", "SE": "Südost",
    },
    wind="wind|winde|windrichtung|böen|richtung",
    number_words=r"(?:nr|nrn|no)\.?",
    ordinal_endings=r"\.",
    dials="ruf|rufe|wähle|wählen|rufen|telefon|pin|code|passwort|plz|durchwahl|nummer lautet",
    places="raum|zimmer|wohnung|gleis|linie|kanal|haus|flug|bus",
    rulers="König|Königin|Papst|Kaiser|Kaiserin|Zar|Karl|Elisabeth|Heinrich|Friedrich|Wilhelm"
    "|Ludwig|"
    "Johannes Paul|Benedikt|Pius|Franz|Philipp|Georg|Otto|Katharina|Felipe|Charles",
    chapters="Kapitel|Kap\\.|Teil|Band|Akt|Weltkrieg|Phase|Typ|Klasse|Stufe|Abschnitt|Buch|Artikel",
    ruler=lambda number: f"der {ordinal(number).capitalize()}",
    magnitudes={
        "Mio.": "Millionen", "Mio": "Millionen", "Mrd.": "Milliarden", "Mrd": "Milliarden",
        "Tsd.": "Tausend", "k": "Tausend",
    },
    clock_word="Uhr",
)  # fmt: skip
