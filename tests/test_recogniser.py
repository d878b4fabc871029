"""What a recogniser writes and what a person reads are compared as words."""

import pytest

from benchmarks.fixtures.recogniser import word_errors, words

pytest.importorskip("num2words", reason="it says what number words are")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("It is 21.5 degrees.", "It is twenty-one point five degrees"),
        ("1,234.05 watts", "one thousand two hundred and thirty-four point zero five watts"),
        ("minus 5\u00b0, -3%", "minus five degrees minus three percent"),
        ("$3.50, $125", "three dollars fifty cents, one hundred twenty-five dollars"),
        (
            "At 7:05 a.m., 12:30 PM. and 3:00 p.m.",
            "at seven oh five AM twelve thirty PM and three PM",
        ),
        ("November 27, 2026", "November twenty-seventh, twenty twenty-six"),
        ("March 3rd, 2025 at 9:15", "March third twenty twenty-five at nine fifteen"),
        ("Version 2026.11.2", "version twenty twenty-six point eleven point two"),
        ("Main\u2019s voltage", "mains voltage"),
        ("15 km/h, 2 per cent", "fifteen kilometers per hour two percent"),
    ],
)
def test_figures_are_the_words_that_were_read(written: str, read: str) -> None:
    assert words(written) == words(read)
    assert not any(map(str.isdigit, "".join(words(written))))


def test_what_is_misunderstood_counts() -> None:
    assert word_errors(words("21.5 degrees"), words("21.4 degrees")) == 1
    assert word_errors(words("fifteen grams"), words("50 grams")) == 1
    assert word_errors(words("a b c"), words("b c d")) == 2
