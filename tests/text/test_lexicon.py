"""Words that are said otherwise than written: which are found, and how long that takes."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_csm.errors import ConfigError
from wyoming_csm.text.lexicon import MAX_ENTRIES, Lexicon, read_entries, replacements

HOUSE = {
    "wi-fi": "why fie",
    "Nest": "Nesst",
    "US": "you ess",
    "living room": "salon",
    "living": "alive",
    "a/c": "air con",
    "°C": "degrees",
    "C++": "see plus plus",
    "don't": "do not",
    "Zoë": "Zoey",
    "क": "ka",
}


def said(text: str, *entries: dict[str, str]) -> str:
    lexicons = [Lexicon(read_entries(one)) for one in entries or (HOUSE,)]
    return "".join(said for _, said in replacements(text, lexicons))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("The Wi-Fi is down, WI-FI!", "The why fie is down, why fie!"),
        ("The Nest by the nest.", "The Nesst by the nest."),
        ("Tell us of the US.", "Tell us of the you ess."),
        ("The living room lives.", "The salon lives."),
        ("The LIVING  room's lamp.", "The salon's lamp."),
        ("A living thing; living rooms.", "A alive thing; alive rooms."),
        ("The A/C has 20 °C, or 20°C.", "The air con has 20 degrees, or 20degrees."),
        ("C++, not C+.", "see plus plus, not C+."),
        ("I don't. Nor dont.", "I do not. Nor dont."),
        ("Zoë, zoë", "Zoey, zoë"),
        ("Nested Nests", "Nested Nests"),
        ("क का किक", "ka का किक"),
        ("", ""),
    ],
)
def test_whole_words_are_found_by_their_case(text: str, spoken: str) -> None:
    assert said(text) == spoken


def test_letters_and_quotes_are_the_same_however_they_are_written() -> None:
    assert said("Zoë don't", {"Zoe\u0308": "Zoey", "don\u2019t": "do not"}) == "Zoey do not"


def test_the_longest_counts_then_the_first_lexicon() -> None:
    own, house = {"anna": "Anna mine", "b": "own"}, {"anna": "other", "anna b": "both"}
    assert said("Anna. Anna b, b.", own, house) == "Anna mine. both, own."


def test_what_was_put_in_is_not_looked_at_again() -> None:
    assert said("a b", {"a": "b", "b": "a"}) == "b a"


@given(st.text(max_size=200))
def test_without_an_entry_every_character_stays(text: str) -> None:
    assert said(text, {"quite something else": "x"}, {}) == text


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (["Nest"], "write a table of words, as `Wi-Fi: why fie`"),
        ({False: "nope"}, "False: write both words in quotes"),
        ({"four": 4}, "'four': write both words in quotes"),
        ({"a": ""}, "'a': on each side stand 1 to 100 characters in one line"),
        ({" ": "a"}, "1 to 100 characters"),
        ({"a": "b" * 101}, "1 to 100 characters"),
        ({"a\x00": "b"}, "1 to 100 characters"),
        ({"a " * 40: "b"}, "a dozen words is the longest"),
        ({f"{n}": "x" for n in range(MAX_ENTRIES + 1)}, "it has 5001 entries: 5000 are the most"),
    ],
)
def test_what_is_no_lexicon_is_said_with_its_cure(document: object, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_entries(document)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "text", ["a " * 5_000, "a" * 10_000, "a" * 5_000 + "-a" * 2_500, "-" * 10_000]
)
def test_hostile_texts_take_no_longer_than_others(text: str) -> None:
    words = random.Random(1)
    entries = {"".join(words.choices("abc ", k=12)).strip() or "x": "y" for _ in range(4_000)}
    entries |= {" ".join("a" * n): "y" for n in range(2, 12, 2)} | {"-" * 20 + "x": "y"}
    lexicon = Lexicon(read_entries(entries))
    replacements(text, [lexicon])
    began = time.thread_time()
    replacements(text, [lexicon, lexicon])
    assert time.thread_time() - began < 0.15
