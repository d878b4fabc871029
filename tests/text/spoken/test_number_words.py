"""Number words are num2words' own, but for what it gets wrong."""

import random
import re

import pytest

from wyoming_csm.text.spoken.words import words_of

num2words = pytest.importorskip("num2words", reason="it says what number words are")

LANGUAGES = ("en", "de", "fr", "es", "it", "nl")


def numbers() -> list[int]:
    chance = random.Random(1)
    large = [chance.randrange(10 ** chance.randrange(4, 13)) for _ in range(400)]
    return [*range(1300), *large]


def alike(words: str, language: str) -> str:
    """Without commas, hyphens, and what is right either way."""
    words = words.replace(",", "").replace("-", " ")
    match language:
        case "en":
            return words.replace(" and ", " ")
        case "de":  # einstausend
            return re.sub(r"hunderteinstausend", "hunderteintausend", words)
        case "es":  # veintiuno mil
            words = re.sub(r"\buno (?=mil)", "un ", words)
            return words.replace("veintiuno mil", "veintiún mil")
        case "it":  # un milione e duecento; ventitre; dicotto
            words = re.sub(r"((?:milion|miliard)[eio]) e ", r"\1 ", words)
            return words.replace("é", "e").replace("dicotto", "diciotto")
        case "nl":
            return words.replace("éé", "ee")
    return words


@pytest.mark.parametrize("language", LANGUAGES)
def test_cardinals(language: str) -> None:
    words = words_of(language)
    assert words is not None
    wrong = [
        (number, ours, theirs)
        for number in numbers()
        if alike(ours := words.cardinal(number, ""), language)
        != alike(theirs := num2words.num2words(number, lang=language), language)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "number", "ending", "ordinal"),
    [
        ("en", 1, "", "first"), ("en", 12, "", "twelfth"), ("en", 21, "", "twenty-first"),
        ("en", 100, "", "one hundredth"), ("de", 1, "", "erste"), ("de", 3, "am", "dritten"),
        ("de", 7, "der", "siebte"), ("de", 20, "", "zwanzigste"),
        ("de", 101, "", "einhunderterste"),
        ("fr", 1, "re", "première"), ("fr", 5, "e", "cinquième"), ("fr", 9, "e", "neuvième"),
        ("fr", 21, "e", "vingt et unième"), ("fr", 80, "e", "quatre-vingtième"),
        ("es", 1, "er", "primer"), ("es", 2, "ª", "segunda"), ("es", 21, "º", "vigésimo primero"),
        ("it", 3, "ª", "terza"), ("it", 23, "º", "ventitreesimo"), ("it", 6, "º", "sesto"),
        ("nl", 8, "e", "achtste"), ("nl", 19, "e", "negentiende"), ("nl", 20, "e", "twintigste"),
    ],
)  # fmt: skip
def test_ordinals(language: str, number: int, ending: str, ordinal: str) -> None:
    words = words_of(language)
    assert words is not None
    assert words.ordinal(number, ending) == ordinal


@pytest.mark.parametrize(
    ("language", "number", "gender", "words"),
    [
        ("de", 1, "f", "eine"), ("de", 1, "m", "ein"), ("de", 1, "", "eins"),
        ("fr", 21, "f", "vingt et une"), ("fr", 200, "", "deux cents"),
        ("fr", 203, "", "deux cent trois"),
        ("es", 21, "m", "veintiún"), ("es", 31, "f", "treinta y una"),
        ("es", 200, "f", "doscientas"),
        ("it", 1, "f", "una"), ("it", 28, "", "ventotto"), ("it", 108, "", "centotto"),
    ],
)  # fmt: skip
def test_numbers_are_bent_for_their_nouns(
    language: str, number: int, gender: str, words: str
) -> None:
    known = words_of(language)
    assert known is not None
    assert known.cardinal(number, gender) == words
