#!/usr/bin/env python3
"""Makes wyoming_csm/text/spoken/unit_names.txt: what each unit of Home Assistant is called.

script/unit_names.py                   writes the names, from CLDR by way of babel
script/unit_names.py HOMEASSISTANT.whl also the list of Home Assistant's units, for the tests: the
                                       wheel comes from
                                       pip download --no-deps --python-version 3.14.2 homeassistant

A line has a symbol and, for each language, its name for one, for several, and after "per". CLDR
has most names whole; some are a prefix and a name; the few that it lacks stand below.
"""

# ruff: noqa: E501, RUF001  (a table; look-alike characters are meant)

import ast
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAMES = ROOT / "wyoming_csm" / "text" / "spoken" / "unit_names.txt"
UNITS = ROOT / "tests" / "text" / "spoken" / "home_assistant_units.txt"
LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
# CLDR's own word, but for Italian, whose "al" would have to be bent.
PER = {"en": "per", "de": "pro", "fr": "par", "es": "por", "it": "per", "nl": "per"}

# Symbol and CLDR's name of the unit, with `prefix*name` where CLDR has only the two.
CLDR = """
% concentr-percent, ‰ concentr-permille, ppm concentr-part-per-1e6, ppb concentr-part-per-1e9,
mol concentr-mole, mmol 10p-3*concentr-mole, ° angle-degree,
°C temperature-celsius, °F temperature-fahrenheit, K temperature-kelvin,
ns duration-nanosecond, μs duration-microsecond, ms duration-millisecond, s duration-second,
min duration-minute, h duration-hour, d duration-day, w duration-week, month duration-month,
y duration-year,
nm length-nanometer, μm length-micrometer, mm length-millimeter, cm length-centimeter,
dm length-decimeter, m length-meter, km length-kilometer, in length-inch, ft length-foot,
yd length-yard, mi length-mile, nmi length-nautical-mile,
cm² area-square-centimeter, m² area-square-meter,
km² area-square-kilometer, in² area-square-inch, ft² area-square-foot, yd² area-square-yard,
mi² area-square-mile, ac area-acre, ha area-hectare,
cm³ volume-cubic-centimeter,
m³ volume-cubic-meter, km³ volume-cubic-kilometer, in³ volume-cubic-inch, ft³ volume-cubic-foot,
yd³ volume-cubic-yard, L volume-liter, mL volume-milliliter, cL volume-centiliter,
dL volume-deciliter, hL volume-hectoliter, gal volume-gallon, fl_oz volume-fluid-ounce,
qt volume-quart, pt volume-pint, tbsp volume-tablespoon, tsp volume-teaspoon,
kg mass-kilogram, g mass-gram, mg mass-milligram, μg mass-microgram, t mass-tonne, oz mass-ounce,
lb mass-pound, st mass-stone,
mW power-milliwatt, W power-watt, kW power-kilowatt, MW power-megawatt, GW power-gigawatt,
TW 10p12*power-watt, hp power-horsepower,
J energy-joule, kJ energy-kilojoule, MJ 10p6*energy-joule, GJ 10p9*energy-joule,
kWh energy-kilowatt-hour, cal energy-calorie, kcal energy-kilocalorie, Mcal 10p6*energy-calorie,
Gcal 10p9*energy-calorie, thm energy-therm-us, BTU energy-british-thermal-unit,
eV energy-electronvolt, N force-newton, Nm torque-newton-meter,
μA 10p-6*electric-ampere, mA electric-milliampere, A electric-ampere,
μV 10p-6*electric-volt, mV 10p-3*electric-volt, V electric-volt, kV 10p3*electric-volt,
MV 10p6*electric-volt, mΩ 10p-3*electric-ohm, Ω electric-ohm, kΩ 10p3*electric-ohm,
MΩ 10p6*electric-ohm, S electric-siemens, mS 10p-3*electric-siemens, μS 10p-6*electric-siemens,
F electric-farad, mF 10p-3*electric-farad, μF 10p-6*electric-farad, nF 10p-9*electric-farad,
pF 10p-12*electric-farad, Bq energy-becquerel, Sv energy-sievert, mSv 10p-3*energy-sievert,
μSv 10p-6*energy-sievert, T magnetic-tesla, mT 10p-3*magnetic-tesla, μT 10p-6*magnetic-tesla,
mHz 10p-3*frequency-hertz, Hz frequency-hertz, kHz frequency-kilohertz, MHz frequency-megahertz,
GHz frequency-gigahertz,
mPa 10p-3*pressure-pascal, Pa pressure-pascal, hPa pressure-hectopascal, kPa pressure-kilopascal,
MPa pressure-megapascal, bar pressure-bar, cbar 10p-2*pressure-bar, mbar pressure-millibar,
mmHg pressure-millimeter-ofhg, inHg pressure-inch-ofhg,
psi pressure-pound-force-per-square-inch, atm pressure-atmosphere,
bit digital-bit, kbit digital-kilobit, Mbit digital-megabit, Gbit digital-gigabit,
B digital-byte, kB digital-kilobyte, MB digital-megabyte, GB digital-gigabyte, TB digital-terabyte,
PB digital-petabyte, EB 10p18*digital-byte, ZB 10p21*digital-byte, YB 10p24*digital-byte,
KiB 1024p1*digital-byte, MiB 1024p2*digital-byte, GiB 1024p3*digital-byte,
TiB 1024p4*digital-byte, PiB 1024p5*digital-byte, EiB 1024p6*digital-byte,
ZiB 1024p7*digital-byte, YiB 1024p8*digital-byte,
lx light-lux, lm light-lumen, cd light-candela, kn speed-knot, mph speed-mile-per-hour,
Bft speed-beaufort, px graphics-pixel, MP graphics-megapixel
"""

# What CLDR lacks, or what nobody says: symbol; name for one, for several, in each language.
OURS = """
ppm| ; |Teil pro Million;Teile pro Million| ; | ; | ; | ;
ppb| ; |Teil pro Milliarde;Teile pro Milliarde| ; | ; | ; | ;
mm²|square millimeter;square millimeters|Quadratmillimeter;Quadratmillimeter|millimètre carré;millimètres carrés|milímetro cuadrado;milímetros cuadrados|millimetro quadrato;millimetri quadrati|vierkante millimeter;vierkante millimeter
mm³|cubic millimeter;cubic millimeters|Kubikmillimeter;Kubikmillimeter|millimètre cube;millimètres cubes|milímetro cúbico;milímetros cúbicos|millimetro cubo;millimetri cubi|kubieke millimeter;kubieke millimeter
dm³|cubic decimeter;cubic decimeters|Kubikdezimeter;Kubikdezimeter|décimètre cube;décimètres cubes|decímetro cúbico;decímetros cúbicos|decimetro cubo;decimetri cubi|kubieke decimeter;kubieke decimeter
°| ; | ; | ; | ; | ; |graad;graden
ac| ; | ; |acre;acres| ; | ; |
kWh|kilowatt-hour;kilowatt-hours| ; | ; |kilovatio-hora;kilovatios-hora| ; | ;
kΩ|kilohm;kilohms| ; | ; | ; | ; | ;
MΩ|megohm;megohms| ; | ; | ; | ; | ;
psi|pound per square inch;pounds per square inch| ; |livre par pouce carré;livres par pouce carré|libra por pulgada cuadrada;libras por pulgada cuadrada|libbra per pollice quadrato;libbre per pollice quadrato|pond per vierkante inch;pond per vierkante inch
thm|therm;therms|Therm;Therm|therm;therms|termia;termias|therm;therm|therm;therm
%| ; | ; | ; | ;|per cento;per cento| ;
Wp|watt peak;watts peak|Watt Peak;Watt Peak|watt-crête;watts-crête|vatio pico;vatios pico|watt di picco;watt di picco|wattpiek;wattpiek
ct|cent;cents|Cent;Cent|centime;centimes|céntimo;céntimos|centesimo;centesimi|cent;cent
Bft|Beaufort;Beaufort|Beaufort;Beaufort|Beaufort;Beaufort|Beaufort;Beaufort|Beaufort;Beaufort|Beaufort;Beaufort
dB|decibel;decibels|Dezibel;Dezibel|décibel;décibels|decibelio;decibelios|decibel;decibel|decibel;decibel
dBA|A-weighted decibel;A-weighted decibels|Dezibel A;Dezibel A|décibel A;décibels A|decibelio A;decibelios A|decibel A;decibel A|decibel A;decibel A
dBm|decibel-milliwatt;decibel-milliwatts|Dezibel Milliwatt;Dezibel Milliwatt|décibel milliwatt;décibels milliwatt|decibelio milivatio;decibelios milivatio|decibel milliwatt;decibel milliwatt|decibel milliwatt;decibel milliwatt
VA|volt-ampere;volt-amperes|Voltampere;Voltampere|voltampère;voltampères|voltiamperio;voltiamperios|voltampere;voltampere|voltampère;voltampère
var|volt-ampere reactive;volt-amperes reactive|Var;Var|voltampère réactif;voltampères réactifs|voltiamperio reactivo;voltiamperios reactivos|voltampere reattivo;voltampere reattivi|voltampère reactief;voltampère reactief
Wh|watt-hour;watt-hours|Wattstunde;Wattstunden|wattheure;wattheures|vatio-hora;vatios-hora|wattora;wattora|wattuur;wattuur
Ah|ampere-hour;ampere-hours|Amperestunde;Amperestunden|ampère-heure;ampères-heures|amperio-hora;amperios-hora|amperora;amperora|ampère-uur;ampère-uur
rpm|revolution per minute;revolutions per minute|Umdrehung pro Minute;Umdrehungen pro Minute|tour par minute;tours par minute|revolución por minuto;revoluciones por minuto|giro al minuto;giri al minuto|toer per minuut;toeren per minuut
Ci|curie;curies|Curie;Curie|curie;curies|curio;curios|curie;curie|curie;curie
p|particle;particles|Partikel;Partikel|particule;particules|partícula;partículas|particella;particelle|deeltje;deeltjes
CCF|hundred cubic feet;hundred cubic feet|hundert Kubikfuß;hundert Kubikfuß|cent pieds cubes;cent pieds cubes|cien pies cúbicos;cien pies cúbicos|cento piedi cubi;cento piedi cubi|honderd kubieke voet;honderd kubieke voet
MCF|thousand cubic feet;thousand cubic feet|tausend Kubikfuß;tausend Kubikfuß|mille pieds cubes;mille pieds cubes|mil pies cúbicos;mil pies cúbicos|mille piedi cubi;mille piedi cubi|duizend kubieke voet;duizend kubieke voet
inH₂O|inch of water;inches of water|Zoll Wassersäule;Zoll Wassersäule|pouce d'eau;pouces d'eau|pulgada de agua;pulgadas de agua|pollice d'acqua;pollici d'acqua|inch waterkolom;inch waterkolom
kBTU|thousand British thermal units;thousand British thermal units|tausend British thermal units;tausend British thermal units|mille British Thermal Units;mille British Thermal Units|mil unidades térmicas británicas;mil unidades térmicas británicas|mila unità termiche britanniche;mila unità termiche britanniche|duizend British thermal unit;duizend British thermal unit
MMBTU|million British thermal units;million British thermal units|Millionen British thermal units;Millionen British thermal units|millions de British Thermal Units;millions de British Thermal Units|millones de unidades térmicas británicas;millones de unidades térmicas británicas|milioni di unità termiche britanniche;milioni di unità termiche britanniche|miljoen British thermal unit;miljoen British thermal unit
cfm|cubic foot per minute;cubic feet per minute|Kubikfuß pro Minute;Kubikfuß pro Minute|pied cube par minute;pieds cubes par minute|pie cúbico por minuto;pies cúbicos por minuto|piede cubo al minuto;piedi cubi al minuto|kubieke voet per minuut;kubieke voet per minuut
s²|second squared;seconds squared|Quadratsekunde;Quadratsekunden|seconde au carré;secondes au carré|segundo al cuadrado;segundos al cuadrado|secondo quadrato;secondi quadrati|secondekwadraat;secondekwadraat
UV index|UV index;UV index|UV-Index;UV-Index|indice UV;indice UV|índice UV;índice UV|indice UV;indice UV|uv-index;uv-index
"""
# Prefixes of those: symbol, CLDR's prefix, the symbol without.
PREFIXED = """
mVA 10p-3 VA, kVA 10p3 VA, mvar 10p-3 var, kvar 10p3 var, mWh 10p-3 Wh, MWh 10p6 Wh, GWh 10p9 Wh,
TWh 10p12 Wh, mAh 10p-3 Ah, kAh 10p3 Ah, kWp 10p3 Wp, MWp 10p6 Wp, pCi 10p-12 Ci, varh 0 varh, kvarh 10p3 varh
"""
OURS_OF_ONE_HOUR = """
varh|volt-ampere reactive hour;volt-ampere reactive hours|Varstunde;Varstunden|voltampère réactif heure;voltampères réactifs heures|voltiamperio reactivo hora;voltiamperios reactivos hora|voltampere reattivo ora;voltampere reattivi ora|voltampère reactief uur;voltampère reactief uur
"""


class _Cldr:
    """CLDR's long names in one language."""

    def __init__(self, language: str) -> None:
        from babel import Locale

        data: Any = Locale(language)._data
        self._units, self._compounds = data["unit_patterns"], data["compound_unit_patterns"]

    def names(self, identifier: str) -> tuple[str, str, str]:
        """Return one, several and, where CLDR has it, the whole of "per …"."""
        *compounds, unit = identifier.split("*")
        long = self._units[unit]["long"]
        one, other = (_bare(long.get(form, long["other"])) for form in ("one", "other"))
        for compound in reversed(compounds):
            one, other = self.compound(compound, one), self.compound(compound, other)
        return one, other, "" if compounds else _bare(long.get("per", ""))

    def compound(self, prefix: str, name: str) -> str:
        """Put kilo, milli or the like before a name."""
        return _joined(self._compounds[prefix]["long"]["prefix"], name)


def _joined(pattern: str, name: str) -> str:
    before = pattern.partition("{0}")[0]
    glued = before and not before[-1].isspace()
    return pattern.format(name[:1].lower() + name[1:] if glued and before[0].isupper() else name)


def _bare(pattern: str) -> str:
    return pattern.replace("{0}", "").replace("\xa0", " ").replace("’", "'").strip()


def table() -> str:
    """Return the whole table, as it is committed."""
    cldr = {language: _Cldr(language) for language in LANGUAGES}
    rows: dict[str, dict[str, tuple[str, str, str]]] = {}
    for entry in " ".join(CLDR.split()).split(", "):
        symbol, identifier = entry.split(" ")
        rows[symbol] = {language: cldr[language].names(identifier) for language in LANGUAGES}
    for line in (OURS + OURS_OF_ONE_HOUR).strip().replace("\n\n", "\n").split("\n"):
        symbol, *names = line.split("|")
        row = rows.setdefault(symbol, {})
        for language, both in zip(LANGUAGES, names, strict=True):
            one, _, other = both.partition(";")
            if one.strip():
                row[language] = (one, other, "")
    for entry in " ".join(PREFIXED.split()).split(", "):
        symbol, prefix, base = entry.split(" ")
        if prefix != "0":
            rows[symbol] = {
                language: (
                    cldr[language].compound(prefix, one),
                    cldr[language].compound(prefix, other),
                    "",
                )
                for language, (one, other, _) in rows[base].items()
            }
    return "".join(_line(symbol, row) for symbol, row in rows.items())


def _line(symbol: str, row: dict[str, tuple[str, str, str]]) -> str:
    cells = (
        f"{one};{other};{per or f'{PER[language]} {one}'}"
        for language, (one, other, per) in ((language, row[language]) for language in LANGUAGES)
    )
    return "|".join((symbol.replace("_", " "), *cells)) + "\n"


def home_assistant_units(source: str) -> list[str]:
    """Return every unit in the text of homeassistant/const.py, in its order."""
    return list(dict.fromkeys(_units(ast.parse(source))))


def _units(tree: ast.Module) -> Iterator[str]:
    single = ("DEGREE", "CURRENCY_", "LIGHT_LUX", "UV_INDEX", "REVOLUTIONS_", "SIGNAL_STRENGTH_")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("UnitOf"):
            yield from (v for p in node.body if isinstance(p, ast.Assign) if (v := _text(p.value)))
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.target).startswith(single):
            yield from filter(None, [_text(node.value)])
        elif isinstance(node, ast.Assign) and "CONCENTRATION" in ast.unparse(node.targets[0]):
            yield from filter(None, map(_text, getattr(node.value, "args", [])[:1]))


def _text(node: object) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def main() -> None:
    """Write the names and, from a wheel, the units."""
    NAMES.write_text(table(), encoding="utf-8")
    for wheel in sys.argv[1:]:
        with zipfile.ZipFile(wheel) as archive:
            source = archive.read("homeassistant/const.py").decode()
        UNITS.write_text("\n".join(home_assistant_units(source)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
