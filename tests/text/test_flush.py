"""A text that stalls: what seems whole is spoken, what may go on waits."""

import pytest

from wyoming_csm.text.pieces import Piece, Speak
from wyoming_csm.text.stream import SentenceSplitter


def texts(pieces: list[Piece]) -> list[str]:
    return [piece.text for piece in pieces if isinstance(piece, Speak)]


@pytest.mark.parametrize(
    "text", ["Let me check.", "Let me check. ", 'He said "no." ', "It is 5 pm. "]
)
def test_a_whole_sentence_is_spoken(text: str) -> None:
    splitter = SentenceSplitter("en")
    assert splitter.push(text) == []
    assert texts(splitter.flush()) == [text.strip()]
    assert texts(splitter.push("The door is open.")) == []
    assert texts(splitter.finish()) == ["The door is open."]


@pytest.mark.parametrize("text", ["", "Let me", "Ask Dr.", "It is 3.", "Meet J. R.", "First, "])
def test_what_may_go_on_waits(text: str) -> None:
    splitter = SentenceSplitter("en")
    assert splitter.push(text) == []
    assert splitter.flush() == []
    assert texts(splitter.push("14 now.") + splitter.finish()) == [f"{text}14 now.".strip()]


def test_what_follows_the_sentence_is_not_lost() -> None:
    splitter = SentenceSplitter("en")
    splitter.push("Let me check. (")
    assert texts(splitter.flush()) == ["Let me check."]
    assert texts(splitter.push("It takes a while.) ") + splitter.finish()) == ["It takes a while."]
