"""Words in letters that a voice does not know, found inside sentences."""

# ruff: noqa: RUF001

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_csm.text.scripts import LANGUAGES, LATIN, Run, letters_outside, runs, scripts_of
from wyoming_csm.worker.system.languages import languages

TEXTS = st.text(st.sampled_from("ab é1,. «»-ПріїўΩж東の한مپहिש́ーʻ")) | st.text()


def not_latin(text: str) -> str:
    return letters_outside(text, frozenset([LATIN]))


def strange(text: str, language: str) -> Run:
    return Run(text, strange=True, language=language)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The door is open.", [Run("The door is open.")]),
        (
            "The film 東京物語 starts at eight",
            [Run("The film "), strange("東京物語 ", "zh"), Run("starts at eight")],
        ),
        ("Привет means hello", [strange("Привет ", "ru"), Run("means hello")]),
        (
            "He says «Привет, мир!», then 5 more",
            [Run("He says "), strange("«Привет, мир!», ", "ru"), Run("then 5 more")],
        ),
        ("Київ is not Москва.", [strange("Київ ", "uk"), Run("is not "), strange("Москва.", "ru")]),
        ("(שלום) - hi", [strange("(שלום) - ", "he"), Run("hi")]),
        ("نماز مرحبا پدر", [strange("نماز مرحبا ", "ar"), strange("پدر", "fa")]),
        ("नमस्ते दुनिया", [strange("नमस्ते दुनिया", "hi")]),
        ("iPhoneをください", [Run("iPhone"), strange("をください", "ja")]),
        (
            "スーパー 안녕 αβγ",
            [strange("スーパー ", "ja"), strange("안녕 ", "ko"), strange("αβγ", "el")],
        ),
        ("2026年 10", [strange("2026年 ", "zh"), Run("10")]),
        ("Łódź, Hawaiʻi, naïve, Smith’s", [Run("Łódź, Hawaiʻi, naïve, Smith’s")]),
        ("ⴰⵣⵓⵍ here", [strange("ⴰⵣⵓⵍ ", ""), Run("here")]),
    ],
)
def test_words_of_another_script_are_runs_of_their_own(text: str, found: list[Run]) -> None:
    assert runs(text, not_latin) == found


@given(TEXTS)
def test_runs_are_the_whole_text_and_all_strange_letters_are_in_strange_ones(text: str) -> None:
    found = runs(text, not_latin)
    assert "".join(run.text for run in found) == text
    assert not any(not_latin(run.text) for run in found if not run.strange)
    assert all(not_latin(run.text) for run in found if run.strange)
    assert all(one[1:] != other[1:] for one, other in pairwise(found))


def test_a_latin_word_that_a_voice_does_not_know_has_no_other_language() -> None:
    def no_schwa(text: str) -> str:
        return "".join(c for c in text if c == "ə")

    assert runs("Say həmə now", no_schwa) == [Run("Say "), strange("həmə ", ""), Run("now")]


@pytest.mark.parametrize(
    ("language", "scripts"),
    [
        ("en-GB", {"LATIN"}),
        ("ru", {"CYRILLIC"}),
        ("zh_TW", {"CJK", "BOPOMOFO"}),
        ("ja", {"CJK", "HIRAGANA", "KATAKANA"}),
        ("el", {"GREEK"}),
    ],
)
def test_scripts_of_languages(language: str, scripts: set[str]) -> None:
    assert scripts_of(language) == scripts


def test_espeak_ng_speaks_the_likeliest_language_of_each_script() -> None:
    assert {first for first, *_ in LANGUAGES.values()} <= {one.tag for one in languages()}
