"""Sentences out of a stream of text: where they end, how early, and that no word is lost."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.stream import FIRST_CLAUSE, LONGEST, LONGEST_ADDRESS, SentenceSplitter


def split(text: str, language: str = "") -> list[str]:
    reader = TextReader(language)
    pieces = reader.push(text) + reader.finish()
    assert all(isinstance(piece, Speak) for piece in pieces)
    return [piece.text for piece in pieces if isinstance(piece, Speak)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ("hi there! all is well? yes.", ["hi there!", "all is well?", "yes."]),
        ("Dr. Smith met Mrs. Jones. They left.", ["Dr. Smith met Mrs. Jones.", "They left."]),
        ("J. R. R. Tolkien wrote. He did.", ["J. R. R. Tolkien wrote.", "He did."]),
        ("At 10:30 it was 3.14, e.g. Pi. Ok.", ["At 10:30 it was 3.14, e.g. Pi.", "Ok."]),
        ("It is 5 p.m. The door is shut.", ["It is 5 p.m.", "The door is shut."]),
        ("It is 21 °C. The door is shut.", ["It is 21 °C.", "The door is shut."]),
        ("The U.S. Army came. It left.", ["The U.S. Army came.", "It left."]),
        ("Nimm z. B. Milch. Oder Saft.", ["Nimm z. B. Milch.", "Oder Saft."]),
        ("3 Mrd. Euro in 2 Std. 30 Min. Dann", ["3 Mrd. Euro in 2 Std. 30 Min.", "Dann"]),
        ("Op vr. 3 okt. 2 taken. Ja.", ["Op vr. 3 okt. 2 taken.", "Ja."]),
        ("In der Hauptstr. 5 brennt Licht. Ja.", ["In der Hauptstr. 5 brennt Licht.", "Ja."]),
        ("Hay 21 °C, mín. 18 °C. Sí.", ["Hay 21 °C, mín. 18 °C.", "Sí."]),
        ("No. 5 is alive. No. It is not.", ["No. 5 is alive.", "No. It is not."]),
        (
            "I need an A. It is good. J. Smith left.",
            ["I need an A.", "It is good.", "J. Smith left."],
        ),
        ("Milk, eggs etc. are out.", ["Milk, eggs etc. are out."]),
        ("So do I. Then go.", ["So do I.", "Then go."]),
        ("See example.com. Or not.", ["See example.com.", "Or not."]),
        ("Well... maybe. Wait... What?", ["Well... maybe.", "Wait... What?"]),
        ('"Really?" he asked. "Yes." She left.', ['"Really?" he asked.', '"Yes." She left.']),
        ("**Done.** Next (really.) Last", ["Done. Next, really.", "Last"]),
        ("Great!🎉 Done.🎉 Next.", ["Great! Done.", "Next."]),
        ("It costs a lot. $5 is more.", ["It costs a lot.", "$5 is more."]),
        ("¡Hola! ¿Qué tal? Bien.", ["¡Hola! ¿Qué tal?", "Bien."]),
        ("Bonjour ! « Ça va ? » Oui.", ["Bonjour! Ça va?", "Oui."]),
        (
            "今天很好。我们走吧！「真的？」他说。",
            ["今天很好。", "我们走吧！", "「真的？」", "他说。"],
        ),
        ("यह घर है। वह बाहर है।", ["यह घर है।", "वह बाहर है।"]),
        ("كيف حالك؟ أنا بخير. شكرا", ["كيف حالك؟", "أنا بخير.", "شكرا"]),
        ("Title\n\nText here\nmore", ["Title", "Text here", "more"]),
        ("- milk\r\n* eggs\n1. Bread\n2. Jam", ["milk. eggs", "1. Bread", "2. Jam"]),
        ("```python\nprint\n```\nDone", ["print", "Done"]),
        ("🎉 *** \n ... !", []),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de-AT", ["Am 3. Oktober um 21. Danach nicht."]),
        ("", ["Am 3. Oktober um 21. Danach nicht."]),
        ("en", ["Am 3.", "Oktober um 21.", "Danach nicht."]),
    ],
)
def test_a_numbers_full_stop_may_mean_an_ordinal(language: str, expected: list[str]) -> None:
    assert split("Am 3. Oktober um 21. Danach nicht.", language) == expected


@pytest.mark.parametrize(
    ("before", "deciding"),
    [
        ("Sure thing! ", ""),  # the white space decides it
        ("Sure thing!", " "),
        ("The light is on. ", "T"),  # "approx. three" must wait for the letter
        ("The light is on.", "\n"),
        ("今天很好。", "我"),
        ("यह घर है।", " "),
        ("x" * FIRST_CLAUSE + ",", " "),  # a long first sentence: its first clause
    ],
)
def test_a_sentence_comes_with_the_character_that_decides_its_end(
    before: str, deciding: str
) -> None:
    reader = TextReader("en")
    early = [sentence for char in before for sentence in reader.push(char)]
    if deciding:
        assert early == []
        early = reader.push(deciding)
    assert early == [Speak(before.strip())]


def test_a_lists_number_stays_with_its_item() -> None:
    assert split("1. Milk. 2. Eggs", "en") == ["1. Milk.", "2. Eggs"]


def test_long_sentences_are_cut_where_clauses_end() -> None:
    clause = "which has been on since seven this morning"
    sentences = split(" ".join(f"{clause}," for _ in range(20)))
    assert len(sentences) > 3
    assert all(sentence.endswith("morning,") for sentence in sentences)
    assert all(len(sentence) <= LONGEST for sentence in sentences)


def test_without_clauses_they_are_cut_between_words() -> None:
    words = "worter " * 200
    sentences = split(words)
    assert " ".join(sentences).split() == words.split()
    assert max(map(len, sentences)) <= LONGEST


def test_without_words_they_are_cut_between_characters() -> None:
    emoji_family = "👩\u200d👩\u200d👧"
    text = "x" + ("e\u0301" + emoji_family) * 200
    splitter = SentenceSplitter()
    raw = [*splitter.cut(text), splitter.rest()]
    assert "".join(raw) == text
    assert len(raw) > 2
    for before, after in pairwise(raw):
        assert after[0] in ("e", "👩")
        assert not before.endswith("\u200d")


def test_past_the_limit_an_earlier_clause_is_still_the_better_cut() -> None:
    start, end = "word " * 28 + "word,", " ".join(["word"] * 30)
    assert split(f"First of all! {start} {end}") == ["First of all!", start, end]


def test_a_wide_character_weighs_three() -> None:
    assert max(map(len, split("好" * 1000))) <= LONGEST // 3


def test_an_address_is_not_cut_apart() -> None:
    address = "https://example.com/" + "a?b.c" * 300
    assert split(f"Look at {address} now.") == ["Look at example.com now."]
    splitter = SentenceSplitter()
    raw = [*splitter.cut("https://" + "a" * 10_000), splitter.rest()]
    assert max(map(len, raw)) <= LONGEST_ADDRESS


def test_a_surrogate_pair_sent_in_two_halves_is_whole_again() -> None:
    reader = TextReader()
    assert reader.push("Saw \ud842") == []  # half of U+20BB7
    assert reader.push("\udfb7") + reader.finish() == [Speak("Saw \U00020bb7")]


_PARTS = st.sampled_from(
    [
        *"abXYZ019 .,;:!?'\"()[]*_-—…\n\r。，！「」好ब।\u0301\u200d🎉\ud83d\ude00",
        "Dr.",
        "z. B.",
        " e.g. ",
        "No. 5",
        "https://x.y/",
        "](",
        "...",
        "word " * 30,
        "x" * 90,
    ]
)
_TEXTS = st.lists(_PARTS, max_size=60).map("".join)


def _chunks(text: str, sizes: list[int]) -> list[str]:
    chunks = []
    for size in sizes:
        chunks.append(text[:size])
        text = text[size:]
    return [*chunks, text]


@settings(max_examples=150, deadline=None)
@given(_TEXTS, st.lists(st.integers(0, 40), max_size=30))
def test_chunks_change_nothing_and_nothing_is_lost(text: str, sizes: list[int]) -> None:
    at_once, by_character, in_chunks = (SentenceSplitter() for _ in range(3))
    whole = [*at_once.cut(text), at_once.rest()]
    single = [fragment for char in text for fragment in by_character.cut(char)]
    assert [*single, by_character.rest()] == whole
    chunked = [fragment for chunk in _chunks(text, sizes) for fragment in in_chunks.cut(chunk)]
    assert [*chunked, in_chunks.rest()] == whole
    assert "".join(whole) == text


_PLAIN = st.lists(
    st.sampled_from(
        [*"abXYZ019 .,;:!?'\"-—…\n。，！好é", "Dr. ", "z. B. ", "word " * 30, "x" * 90]
    ),
    max_size=60,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(_PLAIN)
def test_every_letter_and_digit_is_spoken_once(text: str) -> None:
    spoken = split(text)
    assert all(any(map(str.isalnum, sentence)) for sentence in spoken)
    assert [c for sentence in spoken for c in sentence if c.isalnum()] == [
        c for c in text if c.isalnum()
    ]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "*",
        ".",
        '"',
        "\n",
        " ",
        "a ",
        ". ",
        "A. ",
        "a, ",
        "](",
        "http://",
        "好",
        "e\u0301",
        "?a",
    ],
)
def test_20_000_tiny_chunks_cost_little(unit: str) -> None:
    text = (unit * 20_000)[:20_000]
    reader = TextReader()
    begin = time.thread_time()
    for char in text:
        reader.push(char)
    reader.finish()
    assert time.thread_time() - begin < 1.0  # 0.02 to 0.1 s; rescanning takes seconds
