"""Spanish: number words, dates, and the words of its signs and abbreviations."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

from wyoming_csm.text.spoken.words import DEGREE_AS_ORDINAL, Currency, Words

_ONES = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince"
    " dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés"
    " veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
).split()
_TENS = "_ diez veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
_HUNDREDS = (
    "_ ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos"
    " ochocientos novecientos"
).split()
_GROUPS = (("millón", "millones"), ("billón", "billones"), ("trillón", "trillones"))
_FIRST = (
    "_ primero segundo tercero cuarto quinto sexto séptimo octavo noveno décimo undécimo duodécimo"
)
_ORDINALS = _FIRST.split()
_TENTHS = (
    "_ décimo vigésimo trigésimo cuadragésimo quincuagésimo sexagésimo septuagésimo"
    " octogésimo nonagésimo"
).split()
_MONTHS = tuple(
    (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
    ).split()
)


def _below_thousand(number: int, gender: str) -> str:
    if number == 100:
        return "cien"
    hundreds, rest = divmod(number, 100)
    head = _HUNDREDS[hundreds] if hundreds else ""
    if gender == "f" and hundreds > 1:
        head = f"{head[:-2]}as"
    if rest < 30:
        words = _ONES[rest] if rest else ""
    else:
        tens, ones = divmod(rest, 10)
        words = _TENS[tens] + (f" y {_ONES[ones]}" if ones else "")
    return f"{head} {_bent(words, gender)}".strip()


def _bent(words: str, gender: str) -> str:
    """Shorten or bend a last `uno` before a noun."""
    if not words.endswith("uno") or not gender:
        return words
    if gender == "f":
        return f"{words[:-1]}a"
    return "veintiún" if words == "veintiuno" else words[:-1]


def cardinal(number: int, gender: str = "") -> str:
    """Return the number as words, bent for a noun of this gender."""
    if not number:
        return "cero"
    parts: list[str] = []
    rest, small = divmod(number, 1_000_000)
    group = 0
    while rest and group < len(_GROUPS):
        rest, below = divmod(rest, 1_000_000)
        if below:
            parts.insert(0, f"{_below_million(below, 'm')} {_GROUPS[group][below > 1]}")
        group += 1
    if small:
        parts.append(_below_million(small, gender))
    return " ".join(parts)


def _below_million(number: int, gender: str) -> str:
    thousands, below = divmod(number, 1000)
    head = ""
    if thousands:
        head = "mil" if thousands == 1 else f"{_below_thousand(thousands, gender or 'm')} mil"
    return f"{head} {_below_thousand(below, gender) if below else ''}".strip()


def ordinal(number: int, ending: str = "") -> str:
    """Return primero, primera or primer; above 99 the number itself, as people say it."""
    if not 0 < number < 100:
        return cardinal(number)
    if number < len(_ORDINALS):
        words = _ORDINALS[number]
    else:
        tens, ones = divmod(number, 10)
        words = _TENTHS[tens] + (f" {_ORDINALS[ones]}" if ones else "")
    if ending.endswith(("ª", "a")):
        return " ".join(f"{word[:-1]}a" for word in words.split(" "))
    if number in (1, 3) and ending.endswith(("er", "*")):
        return words[:-1]
    return words


def fraction(above: int, below: int) -> str:
    """Return tres cuartos."""
    if below == 2:
        one = "medio"
    elif below == 3:
        one = "tercio"
    elif below <= 10:
        one = _ORDINALS[below]
    else:
        one = f"{cardinal(below).replace(' ', '')}avo"
    return f"{cardinal(above, 'm')} {one}{'s' if above > 1 else ''}"


def mixed(whole: int, part: str) -> str:
    """Return dos y medio."""
    return f"{cardinal(whole, 'm')} y {'medio' if part == 'un medio' else part}"


def clock(hour: int, minute: int) -> str:
    """Return diez treinta, una y cinco."""
    joined = f"{' y' if minute < 10 else ''} {cardinal(minute)}" if minute else ""
    return cardinal(hour, "f") + joined


def date(day: int, month: int, year_words: str, before: str) -> str:
    """Return veintisiete de noviembre de dos mil veintiséis."""
    of = f" de {year_words}" if year_words else ""
    return f"{'primero' if day == 1 else cardinal(day)} de {_MONTHS[month - 1]}{of}"


def _gender(noun: str) -> str:
    first = noun.split(" ")[0].split("-")[0]
    feminine = first.endswith(("a", "as", "parte", "partes", "ción", "unidad", "libra"))
    return "f" if feminine and first not in ("día", "días", "candela") else "m"


_NO_NOUNS = frozenset(
    "para hasta como cuando pero está son los las por que más con del y o a de en el la al".split()
)


def _noun_gender(noun: str, number: str) -> str:
    word = noun.lower()
    if not word or word in _NO_NOUNS or not word.islower():
        return ""
    feminine = ("a", "as", "ción", "ciones", "dad", "dades", "luz", "luces", "vez", "veces")
    return "f" if word.endswith(feminine) and word not in ("día", "días", "grama") else "m"


WORDS = Words(
    language="es",
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
    point="coma",
    minus="menos",
    plus="más",
    to="a",
    days_to="a",
    zero="cero",
    and_="y",
    number="número",
    version="versión",
    dot="punto",
    at="a",
    date_and_time="a las",
    by="por",
    ratio="a",
    cents_after=" con ",
    says_cents=False,
    months=_MONTHS,
    short_months=tuple("ene feb mar abr may jun jul ago sep|sept oct nov dic".split()),
    weekdays=tuple("lunes martes miércoles jueves viernes sábado domingo".split()),
    short_weekdays=(
        ("lun",), ("mar",), ("mié", "mie"), ("jue",), ("vie",), ("sáb", "sab"), ("dom",),
    ),
    currencies={
        "$": Currency("dólar", "dólares", "centavo", "centavos"),
        "€": Currency("euro", "euros", "céntimo", "céntimos"),
        "£": Currency("libra", "libras", "penique", "peniques"),
        "¥": Currency("yen", "yenes"),
        "₩": Currency("won", "wones"),
        "₹": Currency("rupia", "rupias"),
        "₽": Currency("rublo", "rublos"),
        "₿": Currency("bitcoin", "bitcoins"),
        "¢": Currency("centavo", "centavos"),
        "CHF": Currency("franco suizo", "francos suizos", "céntimo", "céntimos"),
    },
    sign_words={
        "&": "y", "@": "arroba", "%": "por ciento", "‰": "por mil", "°": "grados", "=": "igual a",
        "≠": "distinto de", "≈": "aproximadamente", "~": "unos", "+": "más", "−": "menos",
        "±": "más o menos", "×": "por", "÷": "entre", "<": "menor que", ">": "mayor que",
        "≤": "como máximo", "≥": "al menos", "#": "almohadilla", "№": "número", "§": "sección",
        "¶": "párrafo", "²": "al cuadrado", "³": "al cubo", "√": "raíz de", "∞": "infinito",
        "π": "pi",
        "Ω": "ohmios", "μ": "micro", "Δ": "delta", "^": "elevado a",
        "∅": "diámetro", "\\": "barra invertida",
        "″": "pulgadas", "′": "pies", "¬": "no", "∧": "y",
        "∨": "o",
    },
    before_numbers={"#": "número", "<": "menos de", ">": "más de"},
    abbreviations={
        "sr.": "señor", "sra.": "señora", "srta.": "señorita", "sres.": "señores", "dr.": "doctor",
        "dra.": "doctora", "d. ": "don", "dña. ": "doña", "ud.": "usted", "uds.": "ustedes",
        "p. ej.": "por ejemplo", "p.ej.": "por ejemplo", "etc.": "etcétera",
        "aprox.": "aproximadamente",
        "avda.": "avenida", "av.": "avenida", "c/": "calle", "pág.": "página", "máx.": "máximo",
        "mín.": "mínimo", "max.": "máximo", "min.": "mínimo", "tel.": "teléfono",
        "temp.": "temperatura",
        "ee. uu.": "Estados Unidos", "ee.uu.": "Estados Unidos", "sta. ": "santa", "sto. ": "santo",
        "izq.": "izquierda", "dcha.": "derecha", "prof.": "profesor", "hab.": "habitación",
        "cap.": "capítulo", "pta.": "puerta", "izda.": "izquierda", "art. ": "artículo",
        "p. ": "página", "op. #": "opus", "tfno.": "teléfono",
    },
    compass={
        "N": "norte", "E": "este", "S": "sur", "O": "oeste", "NE": "noreste", "NO": "noroeste",
        "SE": "sureste", "SO": "suroeste", "NNE": "nornoreste", "ENE": "estenoreste",
        "ESE": "estesureste", "SSE": "sursureste", "SSO": "sursuroeste", "OSO": "oestesuroeste",
        "ONO": "oestenoroeste", "NNO": "nornoroeste", "W": "oeste", "NW": "noroeste",
        "SW": "suroeste",
    },
    wind="viento|vientos|rachas|dirección",
    number_words=r"n\.?[°º]|(?:núm|num|nro|no)\.",
    ordinal_endings=rf"\.?º|\.?ª|\.°|{DEGREE_AS_ORDINAL}"
    r"|\.er|er|ra|ro|da|do|ta|to",
    dials="llama|llame|llamar|marca|marque|código|pin|teléfono|contraseña",
    places="habitación|sala|puerta|línea|canal|vuelo|piso|bus",
    rulers="rey|reina|papa|emperador|Felipe|Carlos|Alfonso|Fernando|Juan Pablo|Juan Carlos|Isabel|"
    "Benedicto|Pío|Luis|Enrique|Jorge|Napoleón",
    chapters="capítulo|cap\\.|parte|tomo|acto|guerra|fase|tipo|clase|nivel|sección|libro|artículo|siglo",
    ruler=lambda number: ordinal(number) if number <= 10 else cardinal(number),
    magnitudes={"M": "millones", "mill.": "millones", "k": "mil"},
    clock_word="horas?|h",
)  # fmt: skip
