"""What stands between two sentences, however the text was cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wyoming_csm.config import SoundConfig
from wyoming_csm.text.joints import pause_at
from wyoming_csm.text.pieces import Joint, Pause, Speak
from wyoming_csm.text.reader import TextReader

_MARKS = {Joint.PHRASE: "~", Joint.SENTENCE: ".", Joint.ITEM: "-", Joint.PARAGRAPH: "P"}


def joints(text: str, size: int = 10_000) -> str:
    """Return a sign for each sentence's joint, "_" for a pause that the text asks for."""
    reader = TextReader("en")
    pieces = [p for at in range(0, len(text), size) for p in reader.push(text[at : at + size])]
    pieces += reader.finish()
    return "".join("_" if isinstance(piece, Pause) else _MARKS[piece.before] for piece in pieces)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is on. Two is off! Three is on.", "..."),
        ("One is on.\nTwo is off.\nThree is on.", ".--"),
        ("\n\nOne is on.\n\nTwo is off. Three is on.\n \nFour is on.", ".P.P"),
        ("One is on.\r\nTwo is off.\r\n\r\nThree is on.", ".-P"),
        ("One is on.\rTwo is off.", ".-"),
        ("## All of the lights\nOne is on.\n## All of the doors\nTwo is off.", ".PPP"),
        ("These are on:\n- the first one\n- the second\n\nNo more are.", ".--P"),
        ("1. The first one. It is on.\n\n2. The second one.\n\nNo more are.", "..-P"),
        ("One is on.\n\n- the first one\n- the second one", ".P-"),
        ("| The name | Its state |\n|---|---|\n| The door | is open |", ".-"),
        ("One is on.\n***\nTwo is off.", ".P"),
        ("> One is on.\n>\n> Two is off.", ".P"),
        # one word is spoken with its neighbour; what stands before it counts
        ("One is on.\n\nYes. Two is off. Three is on.", ".P."),
        ("One is on.\n\nYes.\nTwo is off.", ".P"),
        # HTML: between its blocks, line ends are how it was written
        ("<h1>All of it</h1><p>One is on.</p>\n\n\n<p>Two is off. So is it.</p>", ".PP."),
        ("<ul>\n <li>the first one</li>\n\n <li>the second one</li>\n</ul>\nOne is on.", ".-P"),
        ("<div>One is on.</div>\n\n<div>Two is off.</div>", ".-"),
        ("One is on.<br/>\nTwo is off.<br><br>Three is on.", ".-P"),
        (
            "<table><tr><td>The door</td><td>is open</td></tr>\n<tr><td>Of one</td></tr></table>",
            ".-",
        ),
        # SSML
        ("<speak><p><s>One is on.</s>\n\n<s>Two is off.</s></p><p>It is on.</p></speak>", "..P"),
        ("<speak>One is on.\n\nTwo is off.</speak>", ".."),
        ("<speak><p>One is on.</p><break time='1s'/><p>Two is off.</p></speak>", "._."),
        ("One is on.\n\n[pause 1s]\n\nTwo is off.\n\nThree is on.", "._.P"),
        # a phrase goes on in another manner, or is too long for one breath
        (
            "So it <prosody rate='slow'>is quite</prosody> on. It was. <lang xml:lang='de'>Ja",
            ".~~.",
        ),
        ('<speak>He said "no," <voice name="x">to me. (So</voice> it *was*)<p>ja', "...~P"),
        ("It is on <prosody volume='loud'>\n- at once</prosody> or not", ".-~"),
        ("one two " * 50, ".~"),
        ("one, two " * 50, "...."),
        ("One is.<break strength='none'/> Two is. Three is <break time='0ms'/> on.", ".~."),
        ("One is<break time='1s'/> on <break time='1s'/><prosody rate='2'>it is", "._._."),
        # what is not spoken
        ("One is on.<tool_call>x</tool_call>Two is off.", ".."),
        ("<think>It is\n\nso.</think>\n\nOne is on.", "."),
    ],
)
def test_what_stands_between_sentences(text: str, expected: str) -> None:
    assert joints(text) == joints(text, 1) == joints(text, 7) == expected


@pytest.mark.parametrize(
    ("joint", "sentence", "preset", "pause"),
    [
        (Joint.SENTENCE, 0.2, None, 0.0),
        (Joint.ITEM, 0.2, None, 0.4),
        (Joint.PARAGRAPH, 0.2, None, 0.9),
        (Joint.PARAGRAPH, 0.2, 0.5, 1.2),
        (Joint.PARAGRAPH, None, None, 0.0),
        (Joint.PARAGRAPH, None, 0.5, 0.0),
        (Joint.PHRASE, 0.2, None, 0.01),
        (Joint.PHRASE, 0.2, 0.0, 0.0),
        (Joint.PHRASE, None, 0.5, 0.0),
    ],
)
def test_how_long_the_pause_is(
    joint: Joint, sentence: float | None, preset: float | None, pause: float
) -> None:
    config = SoundConfig(sentence_pause=sentence, item_pause=0.4, paragraph_pause=0.9)
    assert pause_at(joint, config, preset) == pytest.approx(pause)


def test_a_sentence_that_came_early_is_followed_by_what_came_late() -> None:
    reader = TextReader("en")
    assert reader.push("One is on. ") == []
    assert reader.flush() == [Speak("One is on.")]
    assert reader.push("\n\nTwo is off.\n") == [Speak("Two is off.", before=Joint.PARAGRAPH)]


_TEXTS = st.lists(
    st.sampled_from(
        [
            *("One is on.", "Yes.", "\n", "\r", "\r\n", " ", "- ", "1. ", "# ", "|", "---", ":"),
            *("a b", "<p>", "</p>", "<br>", "<li>", "</li>", "<break/>", "<s>", "\u2028", "<td>"),
            *("<break time='0s'/>", "<lang xml:lang='de'>", "</lang>", "One, ", "a.It", "?"),
        ]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(_TEXTS, st.integers(1, 9))
def test_it_is_the_same_however_the_text_was_cut(text: str, size: int) -> None:
    assert joints(text) == joints(text, size)
