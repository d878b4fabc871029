"""Greek letters that stand alone are said by their names."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import pytest

from wyoming_csm.text.spoken import spoken


@pytest.mark.parametrize(
    ("written", "language", "said"),
    [
        ("The angle α is 30°.", "en", "The angle alpha is thirty degrees."),
        ("Der Winkel β ist groß.", "de", "Der Winkel Beta ist groß."),
        ("γ-rays, Σ", "en", "gamma-rays, sigma"),
        ("L'angle θ", "fr", "L'angle thêta"),
        ("5 kΩ, 3 Ω, π", "en", "Five kilohms, three ohms, pi"),  # what has a word of its own
        ("Η πόρτα είναι ανοιχτή", "en", "Η πόρτα είναι ανοιχτή"),  # Greek, not eta
        ("αβ and αβγ", "en", "αβ and αβγ"),
    ],
)
def test_names_of_letters(written: str, language: str, said: str) -> None:
    assert spoken(written, language) == said
