"""A text on the whole way, through reader and rules: cards, states, arrows, words cut short."""

from pathlib import Path

import pytest

from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken import spoken

TABLE = Path(__file__).with_name("whole_sentences.txt").read_text(encoding="utf-8")
CASES = [
    line.split(" | ") for line in TABLE.splitlines() if line.strip() and not line.startswith("#")
]


@pytest.mark.parametrize(("language", "written", "words"), CASES)
def test_is_cut_and_read_as_a_person_does(language: str, written: str, words: str) -> None:
    assert said(written, language) == words


@pytest.mark.parametrize(
    ("written", "words"), [("室温 ↑ 3 ✓", "室温, 3"), ("A ↔ B ★ C", "A, B, C")]
)
def test_symbols_are_pauses_in_languages_without_words_for_them(written: str, words: str) -> None:
    assert said(written, "ja") == words


def said(written: str, language: str) -> str:
    reader = TextReader(language)
    pieces = [*reader.push(written), *reader.finish()]
    return " / ".join(spoken(one.text, language) for one in pieces if isinstance(one, Speak))
