"""What a home says is read aloud as a person reads it: a table of sentences in six languages."""

from pathlib import Path

import pytest

from wyoming_csm.text.spoken import explained, spoken

TABLES = ("home_sentences.txt", "more_sentences.txt", "odd_sentences.txt")
LINES = [
    line
    for name in TABLES
    for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
]
CASES = [line.split(" | ") for line in LINES if line and not line.startswith("#")]


@pytest.mark.parametrize(("language", "written", "words"), CASES)
def test_is_read_as_a_person_does(language: str, written: str, words: str) -> None:
    assert spoken(written, language) == words


@pytest.mark.parametrize(("language", "written"), [("ja", "室温は21.5°Cです。"), ("sv", "10:30")])
def test_other_languages_stay_as_they_are(language: str, written: str) -> None:
    assert spoken(written, language) == written


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "It is May first, twenty twenty-six."),
        ("en_US", "It is May first, twenty twenty-six."),
        ("en-GB", "It is the fifth of January twenty twenty-six."),
        ("de-AT", "It is fünfter Januar zweitausendsechsundzwanzig."),
    ],
)
def test_the_country_says_whether_month_or_day_comes_first(language: str, words: str) -> None:
    written = "It is 5/1/2026." if language != "de-AT" else "It is 5.1.2026."
    assert spoken(written, language) == words


def test_each_change_is_explained() -> None:
    changes = explained("Dr. Smith, 35 μg/m³ & 10:30.", "en").changes
    assert [(change.rule, change.before, change.after) for change in changes] == [
        ("time", "10:30", "ten thirty"),
        ("measure", "35 μg/m³", "thirty-five micrograms per cubic meter"),
        ("abbreviation", "Dr.", "Doctor"),
        ("sign", "&", "and"),
    ]


def test_what_is_spelled_out_already_stays() -> None:
    for language, written, _ in CASES:
        words = spoken(written, language)
        assert spoken(words, language) == words, written
