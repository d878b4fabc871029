"""A text that stalls: what seems whole is spoken, what may go on waits."""

import pytest

from wyoming_csm.text.pieces import Piece, Speak
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


def test_what_follows_the_sentence_is_not_lost() -> None:
    reader = TextReader("en")
    reader.push("Let me check. (")
    assert texts(reader.flush()) == ["Let me check."]
    assert texts(reader.push("It takes a while.) ") + reader.finish()) == ["It takes a while."]
