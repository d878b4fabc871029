"""Names of units of measurement, from CLDR (`script/unit_names.py` makes the table).

Two that stand on a line ("km/h") are said together; a micro sign may be either of Unicode's two.
"""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from wyoming_csm.text.spoken.rule import word_list
from wyoming_csm.text.spoken.words import Words

_LANGUAGES = ("en", "de", "fr", "es", "it", "nl")

# As people and devices also write them.
_ALIASES = """
l=L ml=mL dl=dL cl=cL hl=hL kw=kW KW=kW Kw=kW kwh=kWh KWh=kWh KWH=kWh Kwh=kWh wh=Wh kWhs=kWh mwh=mWh
mAH=mAh mah=mAh °c=°C °f=°F ºC=°C ºF=°F º=° m2=m² m3=m³ m^2=m² m^3=m³ cm2=cm² cm3=cm³ km2=km²
mm2=mm² mm3=mm³ qts=qt gals=gal ozs=oz Tbsp=tbsp tbsps=tbsp Tsp=tsp tsps=tsp qm=m²
mq=m² gr=g kBtu=kBTU kbtu=kBTU MMBtu=MMBTU
ft2=ft² ft3=ft³ in2=in² in3=in³ yd2=yd² mi2=mi² sqm=m² sqft=ft² cbm=m³ cc=cm³ sec=s secs=s Sec=s
mins=min Min=min hr=h hrs=h
Std=h std=h Sek=s sek=s lbs=lb Lbs=lb Kg=kg KG=kg kgs=kg mcg=μg Mhz=MHz Ghz=GHz GHZ=GHz MHZ=MHz
Khz=kHz KHz=kHz
khz=kHz hz=Hz db=dB dBa=dBA KB=kB Kb=kbit kb=kbit Mb=Mbit Gb=Gbit lux=lx RPM=rpm Rpm=rpm kohm=kΩ
Kohm=kΩ ohm=Ω
inH2O=inH₂O floz=fl_oz fl.oz.=fl_oz Beaufort=Bft hpa=hPa kpa=kPa mmhg=mmHg KWp=kWp kwp=kWp PSI=psi
Psi=psi PPM=ppm
msec=ms Nl=L MWH=MWh VAr=var kVAr=kvar VAR=var kVAR=kvar BTUs=BTU Btu=BTU btu=BTU wk=w wks=w yr=y
yrs=y mo=month Lux=lx
"""
_TOGETHER = """
kph=km/h kmh=km/h Km/h=km/h km/hr=km/h kmph=km/h km/u=km/h bps=bit/s kbps=kbit/s Kbps=kbit/s
Mbps=Mbit/s
mbps=Mbit/s Gbps=Gbit/s MBps=MB/s U/min=rpm tr/min=rpm giri/min=rpm t/min=rpm
m/s2=m/s² N·m=Nm N⋅m=Nm kW·h=kWh
"""
# With a blank inside; a blank in a table of words would part them.
_SPACED = {
    "° C": "°C",
    "° F": "°F",
    "º C": "°C",
    "fl. oz.": "fl oz",
    "sq ft": "ft²",
    "sq m": "m²",
} | {
    f"{kind} {unit}": f"{unit}{power}"
    for kind, power in (("sq", "²"), ("cu", "³"))
    for unit in ("mi", "ft", "in", "yd", "km", "m", "cm")
}
# After a slash only.
_PERIODS = """
day=d days=d month=month mo=month hr=h hour=h yr=y year=y week=w wk=w minute=min second=s
Tag=d Monat=month Jahr=y Woche=w Stunde=h Minute=min jour=d mois=month an=y semaine=w heure=h
día=d mes=month año=y semana=w hora=h giorno=d mese=month anno=y settimana=w ora=h dag=d
maand=month jaar=y uur=h
"""
_FRENCH = {"Ko": "kB", "Mo": "MB", "Go": "GB", "To": "TB"}  # octets
_ONLY_TOGETHER = frozenset({"p", "S", "F", "N", "T"})  # too short to be sure of
# What is a word as well, in which language: "5 in the car", "5 y 6".
_WORDS = {
    "en": frozenset({"in"}), "de": frozenset({"in"}), "fr": frozenset({"y"}),
    "es": frozenset({"y", "ha"}), "it": frozenset({"in", "ha"}), "nl": frozenset({"in"}),
}  # fmt: skip
_AFTER_INCHES = re.compile(
    r" (?:of|per|by|x|now|today|yesterday|wide|long|high|tall|deep|thick|hoch|breit|lang)\b"
)
_ARTICLE = re.compile(r" (?:the|my|your|an?|der|die|das|dem|den|il|la|lo|de|het)\b")
_OF_BYTES = re.compile(
    r" (?:of|free|used|left|per|and|are|were|total|von|frei|belegt|pro|und|sont|libres|usados"
    r"|liberi|vrij|gebruikt)\b"
)
_SHORT_RATES = frozenset({"m/s", "L/h", "L/s", "B/s", "l/h", "l/s", "g/L", "g/l"})
_HUNDRED_KM = {
    "en": "per hundred kilometers", "de": "pro hundert Kilometer", "fr": "aux cent kilomètres",
    "es": "por cada cien kilómetros", "it": "ogni cento chilometri", "nl": "per honderd kilometer",
}  # fmt: skip


class Name(NamedTuple):
    """A unit's name for one, for several, and where another is counted by it."""

    one: str
    several: str
    per: str


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Name]]:
    text = (files("wyoming_csm.text.spoken") / "unit_names.txt").read_text(encoding="utf-8")
    rows = (line.split("|") for line in text.splitlines())
    return {
        symbol: {
            language: Name(*cell.split(";"))
            for language, cell in zip(_LANGUAGES, cells, strict=True)
        }
        for symbol, *cells in rows
    }


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    pairs = (pair.split("=") for pair in f"{_ALIASES} {_TOGETHER}".split())
    return {short: name.replace("_", " ") for short, name in pairs} | _SPACED


@lru_cache(maxsize=1)
def periods() -> dict[str, str]:
    """Return the words for a time that stand after a slash, with their units."""
    return dict(pair.split("=") for pair in _PERIODS.split())


@lru_cache(maxsize=1)
def unit_pattern() -> str:
    """Return a pattern without groups for a unit, also of two: km/h, W/m², kWh/100km."""
    together = [alias.split("=")[0] for alias in _TOGETHER.split()]
    simple = [name for name in (*_table(), *_aliases(), *_FRENCH) if name not in together]
    one = f"(?:{word_list(simple)})"
    period = word_list(periods())
    below = rf"(?:\({one}[⋅·*.]{one}\)|100 ?km|(?:{period})(?!\w)|{one})"
    return rf"(?:{word_list(together)}|{one}(?:[/⁄]{below}){{0,2}})(?![\w²³°⁄]|/[^\W\d]|['’.]\w)"


@lru_cache(maxsize=512)
def unit_name(written: str, language: str) -> Name | None:
    """Return the name of a unit as it was written, None if it is none by itself."""
    code = language.partition("-")[0]
    symbol = _symbol(written, code)
    above, slash, below = symbol.replace("⁄", "/").partition("/")
    if not slash:
        return None if symbol in _ONLY_TOGETHER else _table().get(symbol, {}).get(code)
    name, per = _simple(above, code), per_name(below, code)
    return Name(f"{name.one} {per}", f"{name.several} {per}", "") if name and per else None


def counted_unit(number: int, unit: str, words: Words) -> str:
    """Return a whole number of a unit that the table has: two hours."""
    name = unit_name(unit, words.language)
    assert name is not None
    noun = name.one if number == 1 else name.several
    return f"{words.cardinal(number, words.gender(name.one) or 'm')} {noun}"


def _symbol(written: str, code: str) -> str:
    if code == "fr" and written in _FRENCH:
        return _FRENCH[written]
    return _aliases().get(written, written)


def _simple(written: str, code: str) -> Name | None:
    return _table().get(_symbol(written, code), {}).get(code)


def per_name(below: str, language: str) -> str:
    """Return "per hour" for h, "" for what is no unit."""
    code = language.partition("-")[0]
    if re.fullmatch("100 ?km", below):
        return _HUNDRED_KM[code]
    if below.startswith("("):
        names = [_simple(part, code) for part in re.split("[⋅·*.]", below[1:-1])]
        return " ".join(name.per for name in names if name)
    if "/" in below:
        return " ".join(per_name(part, language) for part in below.split("/"))
    name = _simple(periods().get(below, below), code)
    return name.per if name else ""


def is_surely_unit(written: str, number: str, glued: bool, after: str, words: Words) -> bool:
    """Return whether a number's neighbour is its unit, where it may also be a word: "5 in"."""
    if glued:
        return written not in ("st", "B")  # 1st; flat 4B
    if written == "B" and re.match(r" [^\W\d_]{3}", after) and not _OF_BYTES.match(after):
        return False  # 10 B people
    if written not in _WORDS[words.language[:2]] or not re.match(r" ?\w", after):
        return True
    if written == "in" and not number.isdigit() and not _ARTICLE.match(after):
        return True
    return _AFTER_INCHES.match(after) is not None


def is_written_alone(written: str) -> bool:
    """Return whether this is a unit even without a number before it."""
    if "/" in written and written.isalpha() is False and len(written) < 4:
        return written in _SHORT_RATES
    if any(sign in written for sign in "/²³°μΩ‰"):
        return unit_name(written, "en") is not None and written not in ("°", "º")
    mixed = len(written) > 1 and not written.islower() and not written.isupper()
    common = ("km", "cm", "mm", "kg", "ml", "mph", "rpm", "ppm", "ppb", "psi")
    return (mixed and written.isascii() and not written.istitle()) or written in common
