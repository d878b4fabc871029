"""SSML: its words and pauses come out; bombs, nesting and broken XML do no harm."""

import math
import time

import pytest

from wyoming_csm.errors import RequestError
from wyoming_csm.text.pieces import Joint, Pause, Piece, Speak
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
        (
            'It is.<break strength="none"/> It was.',
            [Speak("It is."), Speak("It was.", before=Joint.PHRASE)],
        ),
        ('a<break time="soon"/>b', [Speak("a"), Pause(0.5), Speak("b")]),
        ('a<break time="+1.5s"/>b', [Speak("a"), Pause(1.5), Speak("b")]),
        ('a<break time="1s"/><break time=".5s"/>', [Speak("a"), Pause(1.0), Pause(0.5)]),
        (
            "<p>one</p><p><s>two</s> <s>three</s></p>",
            [Speak("one"), Speak("two. three", before=Joint.PARAGRAPH)],
        ),
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


def say(text: str, *, ssml: bool = True) -> list[Piece]:
    """Return the pieces, the same for chunks of every size."""
    results = []
    for size in (1, 5, len(text) or 1):
        reader = TextReader("en", ssml=ssml)
        pieces = [p for at in range(0, len(text), size) for p in reader.push(text[at : at + size])]
        results.append(pieces + reader.finish())
    assert results[0] == results[1] == results[2]
    return results[0]


@pytest.mark.parametrize(
    ("ssml", "pieces"),
    [
        # say-as: what is written so that it is read as meant
        ('<say-as interpret-as="digits">2026</say-as>', [Speak("2 0 2 6")]),
        ('<say-as interpret-as="characters">Ab 3</say-as> x', [Speak("A b 3 x")]),
        ('<say-as interpret-as="digits">12.5</say-as> x', [Speak("1 2 point 5 x")]),
        ('<say-as interpret-as="characters">AB-1</say-as> x', [Speak("A B dash 1 x")]),
        (
            'on <say-as interpret-as="date" format="yyyymmdd">20260525</say-as>',
            [Speak("on 2026-05-25")],
        ),
        ("in <say-as interpret-as='time'>1&apos;30&quot;</say-as>", [Speak("in 1 min 30 s")]),
        ('<say-as interpret-as="spell-out">TV</say-as> is', [Speak("T V is")]),
        (
            '<say-as interpret-as="telephone">+49 30 12-34</say-as>',
            [Speak("+4 9, 3 0, 1 2, 3 4")],
        ),
        ('the <say-as interpret-as="ordinal">22</say-as> day', [Speak("the 22nd day")]),
        ('the <say-as interpret-as="ordinal">12</say-as> day', [Speak("the 12th day")]),
        (
            'on <say-as interpret-as="date" format="dmy">25.5.2026</say-as>',
            [Speak("on 2026-05-25")],
        ),
        ('on <say-as interpret-as="date" format="dmy">25.13.26</say-as>', [Speak("on 25.13.26")]),
        ('at <say-as interpret-as="time">10:30</say-as>', [Speak("at 10:30")]),
        ('<say-as interpret-as="cardinal">12</say-as> of them', [Speak("12 of them")]),
        ('<say-as interpret-as="cardinal">IV</say-as> of them', [Speak("4 of them")]),
        ('the <say-as interpret-as="ordinal">IV</say-as> day', [Speak("the 4th day")]),
        ('<say-as interpret-as="cardinal">many</say-as> of them', [Speak("many of them")]),
        ('<say-as interpret-as="currency">$5.50</say-as> in all', [Speak("$5.50 in all")]),
        ('<say-as interpret-as="unit">5 km</say-as>', [Speak("5 km")]),
        ('<say-as interpret-as="no-such">5 km</say-as>', [Speak("5 km")]),
        ('<say-as interpret-as="digits">12', [Speak("1 2")]),
        # prosody
        (
            'One is <prosody volume="soft">not so loud</prosody> as two',
            [
                Speak("One is"),
                Speak("not so loud", -6.0, before=Joint.PHRASE),
                Speak("as two", before=Joint.PHRASE),
            ],
        ),
        (
            '<prosody volume="+6dB"><prosody volume="-10dB">both at once</prosody> and one',
            [Speak("both at once", -4.0), Speak("and one", 6.0, before=Joint.PHRASE)],
        ),
        ('<prosody volume="silent">not so loud</prosody>', [Speak("not so loud", -math.inf)]),
        ('<prosody volume="50">half of it</prosody>', [Speak("half of it", 20 * math.log10(0.5))]),
        ('<prosody volume="+900%">it is so loud</prosody>', [Speak("it is so loud", 6.0)]),
        ('<prosody volume="odd" rate="odd">as it is</prosody>', [Speak("as it is")]),
        (
            'One is <prosody rate="slow" volume="soft">not so fast</prosody> as two',
            [
                Speak("One is"),
                Speak("not so fast", -6.0, rate=0.75, before=Joint.PHRASE),
                Speak("as two", before=Joint.PHRASE),
            ],
        ),
        (
            '<prosody rate="80%"><prosody rate="+50%">both at once</prosody> and one',
            [
                Speak("both at once", rate=0.8 * 1.5),
                Speak("and one", rate=0.8, before=Joint.PHRASE),
            ],
        ),
        # words stay, whatever stands round them
        (
            'One is <voice name="x">in a <prosody volume="soft">voice too</prosody></voice> or not',
            [
                Speak("One is"),
                Speak("in a", voice="x", before=Joint.PHRASE),
                Speak("voice too", -6.0, "x", before=Joint.PHRASE),
                Speak("or not", before=Joint.PHRASE),
            ],
        ),
        ("<voice>as it is</voice>", [Speak("as it is")]),
        ('<lang xml:lang="de_DE">Guten Tag</lang>', [Speak("Guten Tag", language="de-DE")]),
        (
            '<p xml:lang="de">Ja ja</p> no no',
            [Speak("Ja ja", language="de"), Speak("no no", before=Joint.PARAGRAPH)],
        ),
        ('<voice language="fr-FR">Oui non</voice>', [Speak("Oui non", language="fr-FR")]),
        ('<voice xml:lang="fr">Oui non</voice>', [Speak("Oui non", language="fr")]),
        ('<lang xml:lang="not one!">Guten Tag</lang>', [Speak("Guten Tag")]),
        (  # a voice that is named, in a language; words of another language in that voice
            '<lang xml:lang="de"><voice name="a">Ja ja <s xml:lang="fr">Oui non</s></voice></lang>',
            [
                Speak("Ja ja", voice="a", language="de"),
                Speak("Oui non", voice="a", language="fr", inner=True),
            ],
        ),
        (  # as the language says it
            '<lang xml:lang="de">Am 3. Mai <say-as interpret-as="characters">.</say-as></lang>',
            [Speak("Am 3. Mai Punkt", language="de")],
        ),
        ('It <emphasis level="strong">is</emphasis> so', [Speak("It is so")]),
        ('<phoneme alphabet="ipa" ph="x">Words</phoneme> stay', [Speak("Words stay")]),
        ('<audio src="a.wav"><desc>Rain</desc>It rains now</audio>', [Speak("It rains now")]),
        ("<nonsense a='b'>Words stay</nonsense>", [Speak("Words stay")]),
        ("<!-- not this -->But <![CDATA[<this> & 5]]> too", [Speak("But <this> & 5 too")]),
        ('<sub alias="so and so"/> on', [Speak("so and so on")]),
        ('<sub alias="Tom &amp; Ben">They</sub> came', [Speak("Tom & Ben came")]),
        (f'<speak a="{"x" * 2_100}" b="y">One and two</speak>', [Speak("One and two")]),
        ('<sub alias="a b">' + "x" * 200 + "y is said", [Speak("a by is said")]),
        # tags that cross or never end
        (
            "<p>One and two<p>Three and four",
            [Speak("One and two"), Speak("Three and four", before=Joint.PARAGRAPH)],
        ),
        ("<b>One <i>and</b> two</i>", [Speak("One and two")]),
        ("</p></speak>One and two", [Speak("One and two")]),
        ("One < two & three > four", [Speak("One < two & three > four")]),
        # an entity that nobody defined, characters as numbers
        ("One &such; and &#x41;&#0;", [Speak("One &such; and A")]),
        ("&deg;C and &eacute;", [Speak("°C and é")]),
    ],
)
def test_documents(ssml: str, pieces: list[Piece]) -> None:
    assert say(ssml) == say(f"<speak>{ssml}</speak>") == pieces
    assert say(f"<?xml version='1.0'?>\n <SPEAK version='1.1'>{ssml}", ssml=False) == pieces


def test_only_a_text_that_begins_with_it_is_ssml_by_itself() -> None:
    assert say("<speak>One\nand two</speak> three\nfour five", ssml=False) == [
        Speak("One and two"),
        Speak("three. four five"),
    ]
    assert say("So <speak>One is\nand two</speak>", ssml=False) == [
        Speak("So. One is"),
        Speak("and two", before=Joint.ITEM),
    ]


def test_a_streamed_document_is_spoken_before_its_end() -> None:
    reader = TextReader("en")
    assert reader.push("<speak><p>This is the first.") == []
    assert reader.push("</p>") == [Speak("This is the first.")]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Wait here. [pause 500ms] Then go.", [Speak("Wait here."), Pause(0.5), Speak("Then go.")]),
        ("Wait here [Pause 2 s]then go", [Speak("Wait here"), Pause(2.0), Speak("then go")]),
        ("[pause 1.5 seconds]Then go", [Pause(1.5), Speak("Then go")]),
        ("One. [pause] Two and three", [Speak("One."), Pause(0.5), Speak("Two and three")]),
        ("It [pauses 5s] now", [Speak("It, pauses 5s, now")]),
        # Home Assistant's users cannot say that it is SSML, and nobody wants it read.
        ("Wait <break time='1s'/> now", [Speak("Wait"), Pause(1.0), Speak("now")]),
        ("A while [pause 99s] b", [Speak("A while"), Pause(LONGEST_PAUSE), Speak("b")]),
    ],
)
def test_pauses_in_plain_text(text: str, pieces: list[Piece]) -> None:
    assert say(text, ssml=False) == pieces


@pytest.mark.parametrize(
    "broken",
    ["<speak>Well <b>then</speak>", "<speak>Well <b then", "Well </b> then\x00", "Well <1> then"],
)
def test_broken_xml_is_read_without_its_tags(broken: str) -> None:
    spoken = " ".join(piece.text for piece in ssml_pieces(broken) if isinstance(piece, Speak))
    assert spoken.startswith("Well")
    assert "then" in spoken


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        ("<speak>One two. <break time=", ["One two."]),
        ("<speak>One two. <prosody rate='slow", ["One two."]),
        ("<speak>One two. </spea", ["One two."]),
        ("<speak>One two. <", ["One two."]),
        ("<speak>One two. <?xml vers", ["One two."]),
        ("<speak>One <b two", ["One two"]),
        ("<speak version='1.0", []),
        ("<speak", []),
        ('<speak>One <s a="x>and two</s></speak>', ["One and two"]),  # a quotation mark is missing
        ("One two <break time='1s", ["One two"]),
        # what may as well be text
        ("One <b", ["One <b"]),
        ("I had a <break", ["I had a <break"]),
        ("I write <speak", ["I write <speak"]),
        ("<speak>3 < 5", ["3 < 5"]),
    ],
)
def test_a_tag_that_the_end_cuts_off_is_never_read(cut: str, words: list[str]) -> None:
    assert say(cut, ssml=False) == [Speak(text) for text in words]


@pytest.mark.parametrize("bomb", [_BOMB, _FILE])
def test_definitions_of_entities_are_refused(bomb: str) -> None:
    with pytest.raises(RequestError, match="DOCTYPE"):
        ssml_pieces(bomb)
    reader = TextReader()  # as plain text they are not read
    assert "ha" not in str(reader.push(bomb) + reader.finish())


def test_a_document_type_alone_does_no_harm() -> None:
    assert ssml_pieces('<!DOCTYPE speak PUBLIC "-//W3C//DTD SYNTHESIS 1.0//EN" "x"><speak>x') == [
        Speak("x")
    ]


@pytest.mark.parametrize("tag", ["b", "prosody volume='-1dB'", "sub alias=''", "p", "x"])
def test_absurd_nesting_asks_for_nothing_more(tag: str) -> None:
    name = tag.split()[0]
    pieces = ssml_pieces(f"<{tag}>" * 5_000 + "One is one" + f"</{name}>" * 5_000 + ". Two is")
    assert [piece.text for piece in pieces if isinstance(piece, Speak)][-1].endswith("Two is")
    assert len(pieces) <= 2


def test_pauses_are_bounded_each_and_together() -> None:
    assert ssml_pieces('a<break time="99s"/><break time="99s"/>b')[1] == Pause(LONGEST_PAUSE)
    pauses = [p for p in ssml_pieces('a<break time="9s"/>' * 50) if isinstance(p, Pause)]
    assert sum(pause.seconds for pause in pauses) == pytest.approx(LONGEST_SILENCE)


@pytest.mark.parametrize(
    "unit", ["<", "&", "<a/>", "<break/>", "<!--", "<![CDATA[", 'x<break time="9s"/>']
)
def test_hostile_text_costs_little(unit: str) -> None:
    begin = time.thread_time()
    ssml_pieces((unit * 10_000)[:10_000])
    assert time.thread_time() - begin < 0.5
