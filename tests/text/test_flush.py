"""A text that stalls: what seems whole is spoken, what may go on waits."""

import pytest

from wyoming_csm.text.pieces import Joint, Piece, Speak
from wyoming_csm.text.reader import TextReader


def texts(pieces: list[Piece]) -> list[str]:
    return [piece.text for piece in pieces if isinstance(piece, Speak)]


@pytest.mark.parametrize(
    "text", ["Let me check.", "Let me check. ", 'He said "no." ', "It is 5 pm. "]
)
def test_a_whole_sentence_is_spoken(text: str) -> None:
    reader = TextReader("en")
    assert reader.push(text) == []
    assert texts(reader.flush()) == [text.strip()]
    assert texts(reader.push("The door is open.")) == []
    assert texts(reader.finish()) == ["The door is open."]


@pytest.mark.parametrize("text", ["", "Let me", "Ask Dr.", "It is 3.", "Meet J. R.", "First, "])
def test_what_may_go_on_waits(text: str) -> None:
    reader = TextReader("en")
    assert reader.push(text) == []
    assert reader.flush() == []
    assert texts(reader.push("14 now.") + reader.finish()) == [f"{text}14 now.".strip()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello there, ", "Hello there,"),
        ("Hello there,", "Hello there,"),
        ("Hello there, this is a ", "Hello there,"),
        ("Sure, ", "Sure,"),
        ("Sure! I", "Sure!"),
        ("The weather in Berlin is fi", "The weather in Berlin is"),
        ("- The weather in Berlin is 5", "The weather in Berlin is"),
        ("It takes about 5 ", "It takes about"),
        ("Ask the Dr. ", "Ask the"),
        ("At 5, ", "At 5,"),
    ],
)
def test_words_come_of_a_sentence_that_takes_its_time(text: str, said: str) -> None:
    reader = TextReader("en")
    assert reader.push(text) + reader.flush() == []
    assert texts(reader.hurry()) == [said]
    (rest,) = reader.push("14 of them now.") + reader.finish()
    assert isinstance(rest, Speak)
    goes_on = said[-1] not in ",!"
    assert rest.before is (Joint.PHRASE if goes_on else Joint.SENTENCE)
    assert rest.text.endswith("14 of them now.")
    assert not reader.hurry()


@pytest.mark.parametrize("text", ["", "Hello", "Hello ", "1. ", "http://a.b/c,d", "1,"])
def test_nothing_comes_of_what_says_nothing_yet(text: str) -> None:
    reader = TextReader("en")
    assert reader.push(text) + reader.hurry() == []


def test_what_follows_the_sentence_is_not_lost() -> None:
    reader = TextReader("en")
    reader.push("Let me check. (")
    assert texts(reader.flush()) == ["Let me check."]
    assert texts(reader.push("It takes a while.) ") + reader.finish()) == ["It takes a while."]
