"""Units are called what CLDR calls them, and Home Assistant has none that is not known."""

from pathlib import Path

import pytest

from wyoming_csm.text.spoken import spoken
from wyoming_csm.text.spoken.units import unit_name

LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
UNITS = Path(__file__).with_name("home_assistant_units.txt").read_text(encoding="utf-8").split("\n")
MONEY = ("€", "$", "¢")
SENTENCES = {
    "en": "The value is 5 {}.", "de": "Der Wert ist 5 {}.", "fr": "La valeur est 5 {}.",
    "es": "El valor es 5 {}.", "it": "Il valore è 5 {}.", "nl": "De waarde is 5 {}.",
}  # fmt: skip
FIVE = {"en": "five", "de": "fünf", "fr": "cinq", "es": "cinco", "it": "cinque", "nl": "vijf"}


def test_the_table_is_cldrs() -> None:
    pytest.importorskip("babel", reason="it has CLDR's names")
    import unit_names

    assert unit_names.NAMES.read_text(encoding="utf-8") == unit_names.table()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_unit_of_home_assistant_is_said(language: str) -> None:
    begin = SENTENCES[language].partition("5")[0]
    for unit in filter(None, UNITS):
        said = spoken(SENTENCES[language].format(unit), language)
        name = unit_name(unit, language)
        if unit in MONEY:
            assert said.startswith(f"{begin}{FIVE[language]} ")
        elif unit == "m":  # HA's months; everywhere else meters
            assert "met" in said.lower() or "mèt" in said
        else:
            assert name is not None, unit
            assert said == f"{begin}{FIVE[language]} {name.several}."


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("1 kWh", "One kilowatt-hour"),
        ("35 \u03bcg/m³", "Thirty-five micrograms per cubic meter"),
        ("35 \u00b5g/m³", "Thirty-five micrograms per cubic meter"),
        ("3 BTU/(h⋅ft²)", "Three British thermal units per hour per square foot"),
        ("2 inH₂O", "Two inches of water"),
        ("12 fl. oz.", "Twelve fluid ounces"),
        ("The unit is kWh", "The unit is kilowatt-hours"),
        ("Lecture in °C", "Lecture in degrees Celsius"),
        ("He sat 5 in the car", "He sat five in the car"),
        ("A 5 m cable", "A five meters cable"),
        ("70°F/21°C", "Seventy degrees Fahrenheit, twenty-one degrees Celsius"),
    ],
)
def test_one_several_and_per(written: str, words: str) -> None:
    assert spoken(written, "en") == words
