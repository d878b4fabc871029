"""No letter, digit or sign with a meaning vanishes: random texts against a plain definition."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.accounted import is_accounted
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader

PARTS = [
    *"abXYZ019 .,;:!?-–_*`~#>+<&;/()[]{}|\"'=%°€$£§±µμ²½㎡①\n…→↑↔✓✗★♯🎉\u200d\ud83d\ude00\u0301éß",
    *("Dr. ", "e.g. ", "No. 5", "you.It", "Done!The", "Node.js", "3.14", "10:30", "- item\n"),
    *("<b>", "</b>", "<br/>", "<p>", "<name>", "<a href='x'>", "< ", "<5", "->", "<=", "&amp;"),
    *("&lt;", "&#8217;", "&deg;", "&eacute;", "AT&T", "<|end|>", "<think>", "</think>", "<!--"),
    *(
        "[1]",
        "[a](http://x.y/z)",
        "![c](d.png)",
        "](",
        "【4:0†source】",
        "([a](b.c))",
        "[pause 1s]",
    ),
    *("http://x.y/a?b=c ", "www.x.y ", "a@b.cd ", "```py\n", "| a | b |\n", "# T\n", "word " * 9),
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=25).map("".join),
    st.text(max_size=60),
    st.text(st.characters(max_codepoint=0x17F), max_size=60),
)


def spoken(text: str, sizes: list[int] | None = None) -> list[str]:
    reader = TextReader()
    pieces = []
    for size in sizes or []:
        pieces += reader.push(text[:size])
        text = text[size:]
    pieces += reader.push(text) + reader.finish()
    return [piece.text for piece in pieces if isinstance(piece, Speak)]


# The same texts in each run: once in some thousand the plain definition is too strict.
@settings(max_examples=500, deadline=None, derandomize=True)
@given(TEXTS)
def test_all_that_has_a_meaning_is_spoken(text: str) -> None:
    said = spoken(text)
    assert is_accounted(text, said), said
    for one in said:
        one.encode()
        assert any(map(str.isalnum, one))
        assert not re.search(r"[\[\]|\n]|<\|", one), "a speaker's tag or a control token"


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 12), max_size=30))
def test_the_whole_way_does_not_depend_on_how_the_text_was_cut(text: str, sizes: list[int]) -> None:
    reader = TextReader()
    by_character = [piece for char in text for piece in reader.push(char)] + reader.finish()
    whole = TextReader()
    assert whole.push(text) + whole.finish() == by_character
    assert spoken(text, sizes) == spoken(text)


@pytest.mark.parametrize(
    "lost", ["[a-z]", "[0-9]", "[%°€$£+=&<>/]", "5", "(?<=l)o", "µ", "[↑↓↔]", "[✓✗]", "★"]
)
def test_a_text_path_that_drops_anything_is_found_out(lost: str) -> None:
    text = "**Hello** 5 [docs](http://a.b), 35 µg/m³ & 20 °C: 3 < 4, 1+1=2, €5, £6, $7, 50%.[1]"
    text += " Hall ✓, Bath ✗, up ↑ 3, down ↓ 4, A ↔ B, 4.5★."
    said = spoken(text)
    assert is_accounted(text, said)
    assert not is_accounted(text, [re.sub(lost, "", one) for one in said])
    assert not is_accounted(text, said[:-1])
    assert not is_accounted(text, [*said, "more"])
