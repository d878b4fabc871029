"""SSML: its words and pauses come out; bombs, nesting and broken XML do no harm."""

import time

import pytest

from wyoming_csm.errors import RequestError
from wyoming_csm.text.pieces import Pause, Piece, Speak
from wyoming_csm.text.reader import LONGEST_SILENCE, TextReader
from wyoming_csm.text.ssml import LONGEST_PAUSE

_BOMB = (
    '<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<speak>&b;&b;&b;&b;</speak>"
)
_FILE = '<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><speak>&a;</speak>'


def ssml_pieces(text: str) -> list[Piece]:
    reader = TextReader("en", ssml=True)
    return reader.push(text) + reader.finish()


@pytest.mark.parametrize(
    ("ssml", "pieces"),
    [
        (
            '<speak>Hello <break time="500ms"/>world. Bye.</speak>',
            [Speak("Hello"), Pause(0.5), Speak("world. Bye.")],
        ),
        ('<break strength="strong"/>x', [Pause(0.8), Speak("x")]),
        ('a<break strength="none"/> b<break time="0s"/> c', [Speak("a b c")]),
        ('a<break time="soon"/>b', [Speak("a"), Pause(0.5), Speak("b")]),
        ('a<break time="+1.5s"/>b', [Speak("a"), Pause(1.5), Speak("b")]),
        ('a<break time="1s"/><break time=".5s"/>', [Speak("a"), Pause(1.0), Pause(0.5)]),
        ("<p>one</p><p><s>two</s> <s>three</s></p>", [Speak("one. two"), Speak("three")]),
        (
            'The <sub alias="World Wide Web"><b>W</b>WW</sub> it is',
            [Speak("The World Wide Web it is")],
        ),
        ("Hi\n   there", [Speak("Hi there")]),
        ("Tom & Jerry &lt;3 &nbsp; &#65;", [Speak("Tom & Jerry <3 A")]),
        ('<?xml version="1.0" encoding="utf-16"?><speak>é</speak>', [Speak("é")]),
        ("<mstts:express-as style='sad'>Oh.</mstts:express-as>", [Speak("Oh.")]),
        ("plain text", [Speak("plain text")]),
        ("<speak></speak>", []),
        ("", []),
    ],
)
def test_words_and_pauses(ssml: str, pieces: list[Piece]) -> None:
    assert ssml_pieces(ssml) == pieces


@pytest.mark.parametrize(
    "broken",
    ["<speak>Well <b>then</speak>", "<speak>Well <b then", "Well </b> then\x00", "Well <1> then"],
)
def test_broken_xml_is_read_without_its_tags(broken: str) -> None:
    spoken = " ".join(piece.text for piece in ssml_pieces(broken) if isinstance(piece, Speak))
    assert spoken.startswith("Well")
    assert "then" in spoken


@pytest.mark.parametrize("bomb", [_BOMB, _FILE, "<!DOCTYPE speak><speak>x</speak>"])
def test_document_types_are_refused(bomb: str) -> None:
    with pytest.raises(RequestError, match="DOCTYPE"):
        ssml_pieces(bomb)


def test_absurd_nesting_is_refused() -> None:
    with pytest.raises(RequestError, match="nested"):
        ssml_pieces("<b>" * 100 + "x" + "</b>" * 100)


def test_pauses_are_bounded_each_and_together() -> None:
    assert ssml_pieces('a<break time="99s"/><break time="99s"/>b')[1] == Pause(LONGEST_PAUSE)
    pauses = [p for p in ssml_pieces('a<break time="9s"/>' * 50) if isinstance(p, Pause)]
    assert sum(pause.seconds for pause in pauses) == pytest.approx(LONGEST_SILENCE)


@pytest.mark.parametrize(
    "unit", ["<", "&", "<a/>", "<break/>", "<!--", "<![CDATA[", 'x<break time="9s"/>']
)
def test_hostile_text_costs_little(unit: str) -> None:
    begin = time.process_time()
    ssml_pieces((unit * 10_000)[:10_000])
    assert time.process_time() - begin < 0.5
