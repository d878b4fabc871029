"""SSML's `prosody rate`: what may be written, and what comes of it; how deep elements count."""

import pytest

from wyoming_csm.text.pieces import Joint, Piece, Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.ssml import DEEPEST


def say(text: str) -> list[Piece]:
    reader = TextReader("en", ssml=True)
    return reader.push(text) + reader.finish()


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("x-slow", 0.5),
        (" Slow", 0.75),
        ("medium", 1.0),
        ("default", 1.0),
        ("fast", 1.25),
        ("x-fast", 1.75),
        ("120%", 1.2),
        ("+20%", 1.2),
        ("-20.5%", 0.795),
        ("+20", 1.2),
        ("0.8", 0.8),
        (".5", 0.5),
        ("1.5", 1.5),
        ("120", 1.2),
        ("0%", 0.25),
        ("-100%", 0.25),
        ("10", 4.0),
        ("999%", 4.0),
        ("", 1.0),
        ("%", 1.0),
        ("1e3", 1.0),
        ("-0.5x", 1.0),
    ],
)
def test_rates(written: str, rate: float) -> None:
    (piece,) = say(f'<speak><prosody rate="{written}">it is so</prosody></speak>')
    assert isinstance(piece, Speak)
    assert piece.rate == pytest.approx(rate)


def test_rates_inside_each_other_are_bounded_together() -> None:
    text = "<prosody rate='x-slow'>" * 8 + "it is slow" + "</prosody>" * 8 + " and now not so"
    after = Speak("and now not so", before=Joint.PHRASE)
    assert say(text) == [Speak("it is slow", rate=0.25), after]


def test_elements_inside_each_other_count_to_the_deepest() -> None:
    tag = "prosody volume='-0.1dB'"
    (piece,) = say(f"<{tag}>" * 100 + "One is." + "</prosody>" * 100)
    assert isinstance(piece, Speak)
    assert piece.gain == pytest.approx(-0.1 * DEEPEST)
