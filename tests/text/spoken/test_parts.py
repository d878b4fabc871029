"""Figures make a sentence longer: what engines get stays short enough for them, and whole."""

from itertools import pairwise

from wyoming_csm.text.spoken import spoken
from wyoming_csm.text.spoken.parts import in_parts


def test_digits_come_in_parts_that_are_the_whole() -> None:
    for digits in ("7" * 250, ", ".join(["7" * 20] * 11)):
        parts = in_parts(spoken(digits, "en"))
        assert len(parts) > 1
        assert all(60 < len(part) <= 300 for part in parts[:-1])
        assert " ".join(parts) == spoken(digits, "en")


def test_a_comma_is_the_place_to_cut() -> None:
    parts = in_parts(spoken("It is 1234567, " * 10 + "no more.", "en"))
    assert len(parts) > 1
    assert all(before.endswith(",") for before, _ in pairwise(parts))


def test_what_is_short_is_one_part() -> None:
    assert in_parts(spoken("It is 5.", "en")) == ["It is five."]
