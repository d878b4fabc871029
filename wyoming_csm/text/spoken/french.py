"""French: number words, dates, and the words of its signs and abbreviations."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

from wyoming_csm.text.spoken.words import Currency, Words

_ONES = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze"
    " seize dix-sept dix-huit dix-neuf"
).split()
_TENS = "_ dix vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt".split()
_GROUPS = ("million", "milliard", "billion", "billiard", "trillion", "trilliard")
_MONTHS = tuple(
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
)


def _below_hundred(number: int, last: bool) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    if tens in (7, 9):
        ones += 10
    if not ones:
        return _TENS[tens] + ("s" if tens == 8 and last else "")
    joined = " et " if ones in (1, 11) and tens < 8 else "-"
    return f"{_TENS[tens]}{joined}{_ONES[ones]}"


def _below_thousand(number: int, last: bool) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest, last)
    head = "cent" if hundreds == 1 else f"{_ONES[hundreds]} cent{'s' if last and not rest else ''}"
    return f"{head} {_below_hundred(rest, last)}" if rest else head


def cardinal(number: int, gender: str = "") -> str:
    """Return the number as words; une where a feminine noun follows."""
    if not number:
        return "zéro"
    parts: list[str] = []
    rest, small = divmod(number, 1_000_000)
    group = 0
    while rest:
        rest, below = divmod(rest, 1000)
        if below:
            several = "s" if below > 1 else ""
            parts.insert(0, f"{_below_thousand(below, True)} {_GROUPS[group]}{several}")
        group += 1
    thousands, below = divmod(small, 1000)
    if thousands:
        parts.append("mille" if thousands == 1 else f"{_below_thousand(thousands, False)} mille")
    if below:
        parts.append(_below_thousand(below, True))
    words = " ".join(parts)
    return f"{words}e" if gender == "f" and words.endswith("un") else words


def ordinal(number: int, ending: str = "") -> str:
    """Return premier, première, deuxième."""
    if number == 1:
        return "première" if ending.lower().startswith(("re", "ère", "ere")) else "premier"
    words = cardinal(number)
    if number % 100 in (80, 0) and words.endswith("s"):
        words = words[:-1]
    for end, stem in (("cinq", "cinqu"), ("neuf", "neuv")):
        if words.endswith(end):
            return f"{words[: -len(end)]}{stem}ième"
    return f"{words.removesuffix('e')}ième"


def fraction(above: int, below: int) -> str:
    """Return trois quarts."""
    one = {2: "demi", 3: "tiers", 4: "quart"}.get(below) or ordinal(below)
    return f"{cardinal(above)} {one}{'s' if above > 1 and not one.endswith('s') else ''}"


def mixed(whole: int, part: str) -> str:
    """Return deux et demi."""
    return f"{cardinal(whole)} et {'demi' if part == 'un demi' else part}"


def clock(hour: int, minute: int) -> str:
    """Return dix heures trente."""
    hours = f"{cardinal(hour, 'f')} heure{'s' if hour > 1 else ''}"
    return hours + (f" {cardinal(minute, 'f')}" if minute else "")


def date(day: int, month: int, year_words: str, before: str) -> str:
    """Return premier mai, vingt-sept novembre."""
    first = "premier" if day == 1 else cardinal(day)
    return f"{first} {_MONTHS[month - 1]} {year_words}".strip()


def _gender(noun: str) -> str:
    feminine = frozenset(
        (
            "seconde milliseconde microseconde nanoseconde minute heure semaine once livre"
            " calorie kilocalorie tonne atmosphère partie pinte particule cuillère candela"
            " acre"
        ).split()
    )
    return "f" if noun.split(" ")[0] in feminine else "m"


_FEMININE = frozenset(
    "lampe porte fenêtre lumière minute heure pièce tâche alarme caméra prise personne chambre"
    " piste chanson page fois seconde semaine année journée notification ampoule erreur mise lettre"
    " question demande panne zone machine voie carte liste photo vidéo batterie pile sonnette"
    " télécommande entrée seule petite grande dernière première tasse cuillère voiture"
    " bouteille pomme tomate boîte tranche".split()
)


_FEMININE_ENDS = (
    "ion", "ée", "té", "elle", "ette", "ure", "erie", "aise", "euse", "ance", "ence", "esse",
    "tude", "ière", "enne", "onne",
)  # fmt: skip


def _noun_gender(noun: str, number: str) -> str:
    one = noun.lower().removesuffix("s")
    return "f" if one.endswith(_FEMININE_ENDS) or one in _FEMININE else ""


WORDS = Words(
    language="fr",
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
    point="virgule",
    minus="moins",
    plus="plus",
    to="à",
    days_to="à",
    zero="zéro",
    and_="et",
    number="numéro",
    version="version",
    dot="point",
    at="à",
    date_and_time="à",
    by="par",
    ratio="à",
    cents_after=" ",
    says_cents=False,
    months=_MONTHS,
    short_months=tuple("janv fév|févr mars avr mai juin juil août|aoû sept oct nov déc".split()),
    weekdays=tuple("lundi mardi mercredi jeudi vendredi samedi dimanche".split()),
    short_weekdays=(("lun",), ("mar",), ("mer",), ("jeu",), ("ven",), ("sam",), ("dim",)),
    currencies={
        "$": Currency("dollar", "dollars", "cent", "cents"),
        "€": Currency("euro", "euros", "centime", "centimes"),
        "£": Currency("livre", "livres", "penny", "pence"),
        "¥": Currency("yen", "yens"),
        "₩": Currency("won", "wons"),
        "₹": Currency("roupie", "roupies"),
        "₽": Currency("rouble", "roubles"),
        "₿": Currency("bitcoin", "bitcoins"),
        "¢": Currency("cent", "cents"),
        "CHF": Currency("franc suisse", "francs suisses", "centime", "centimes"),
    },
    sign_words={
        "&": "et", "@": "arobase", "%": "pour cent", "‰": "pour mille", "°": "degrés", "=": "égale",
        "≠": "différent de", "≈": "environ", "~": "environ", "+": "plus", "−": "moins",
        "±": "plus ou moins", "×": "fois", "÷": "divisé par", "<": "inférieur à",
        ">": "supérieur à", "≤": "au plus", "≥": "au moins", "#": "dièse", "№": "numéro",
        "§": "paragraphe", "¶": "alinéa", "²": "au carré", "³": "au cube", "√": "racine de",
        "∞": "infini",
        "π": "pi", "Ω": "ohms", "μ": "micro", "Δ": "delta", "^": "puissance",
        "∅": "diamètre",
        "\\": "barre oblique inverse",
        "″": "pouces", "′": "pieds", "¬": "non",
        "∧": "et",
        "∨": "ou",
    },
    before_numbers={"#": "numéro", "<": "moins de", ">": "plus de"},
    abbreviations={
        "m. ": "monsieur", "mm. ": "messieurs", "mme": "madame", "mme.": "madame",
        "mlle": "mademoiselle", "dr": "docteur", "dr.": "docteur", "pr. ": "professeur",
        "st- ": "saint-", "ste- ": "sainte-", "av.": "avenue", "bd": "boulevard",
        "bd.": "boulevard",
        "p. ex.": "par exemple", "p.ex.": "par exemple", "c.-à-d.": "c'est-à-dire",
        "etc.": "et cetera", "env.": "environ", "max.": "maximum", "min.": "minimum",
        "tél.": "téléphone", "temp.": "température", "appt.": "appartement", "étg.": "étage",
        "cf.": "confer", "vol. ": "volume", "chap. ": "chapitre", "art. ": "article",
        "fig. ": "figure", "p. ": "page", "rdv": "rendez-vous", "op. #": "opus",
        "rdc": "rez-de-chaussée",
        "svp": "s'il vous plaît", "s.v.p.": "s'il vous plaît",
    },
    compass={
        "N": "nord", "E": "est", "S": "sud", "O": "ouest", "NE": "nord-est", "NO": "nord-ouest",
        "SE": "sud-est", "SO": "sud-ouest", "NNE": "nord-nord-est", "ENE": "est-nord-est",
        "ESE": "est-sud-est", "SSE": "sud-sud-est", "SSO": "sud-sud-ouest",
        "OSO": "ouest-sud-ouest",
        "ONO": "ouest-nord-ouest", "NNO": "nord-nord-ouest", "W": "ouest", "NW": "nord-ouest",
        "SW": "sud-ouest",
    },
    wind="vent|vents|rafales|direction",
    number_words=r"n[°º]|(?:no|num)\.",
    ordinal_endings="ère|ere|er|re|nde|nd|ème|eme|ième|e",
    dials="appelez|appelle|composez|compose|code|pin|téléphone",
    places="chambre|salle|bureau|porte|quai|ligne|chaîne|vol|bus",
    rulers="roi|reine|pape|empereur|Charles|Louis|Henri|François|Philippe|Élisabeth|Napoléon"
    "|Jean-Paul|"
    "Benoît|Pie|Guillaume|Édouard|Georges|Léopold|Albert",
    chapters="chapitre|chap\\.|partie|tome|acte|guerre|phase|type|classe|niveau|section|livre|article"
    "|siècle",
    ruler=lambda number: "premier" if number == 1 else cardinal(number),
    magnitudes={"M": "millions", "Md": "milliards", "Mds": "milliards", "k": "mille"},
    clock_word="heures?",
)  # fmt: skip
