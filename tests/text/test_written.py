"""What language models and sensors really write, and what is spoken of it."""

# ruff: noqa: RUF001  (look-alike characters are meant)

from typing import Literal

import pytest

from wyoming_csm.config import ReadingConfig
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader

SIZES = (1, 3, 7, 10_000)  # of the chunks that a text comes in


def spoken(text: str, language: str = "en", style: ReadingConfig | None = None) -> list[str]:
    """Return the sentences, the same for every size of chunks."""
    results = []
    for size in SIZES:
        reader = TextReader(language, style=style)
        pieces = [p for at in range(0, len(text), size) for p in reader.push(text[at : at + size])]
        pieces += reader.finish()
        results.append([piece.text for piece in pieces if isinstance(piece, Speak)])
    assert all(result == results[0] for result in results)
    return results[0]


ANSWER = "The light is on."


@pytest.mark.parametrize(
    "silent",
    [
        "<think>\nThe user wants the light on. <b>So</b> 5 < 6.\n</think>\n\n",
        "<think></think>",
        "<THINKING type='long'>Hm. </thinking>",
        "<seed:think>Hm.</seed:think>",
        "<reasoning>Hm. <think>Twice.</reasoning>",
        "[THINK]Hm.[/THINK]",
        "◁think▷Hm.◁/think▷",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>",
        "<|start|>assistant<|channel|>commentary to=functions.light <|constrain|>json<|message|>"
        '{"on": 1}<|call|><|start|>assistant<|channel|>final<|message|>',
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|im_start|>assistant\n",
        "<|begin_of_thought|>Hm.<|end_of_thought|>",
        "<|START_THINKING|>Hm.<|END_THINKING|>",
        '<tool_call>\n{"name": "turn_on", "arguments": {"a": "<b>"}}\n</tool_call>\n',
        '<function=turn_on>{"name": "light"}</function>',
        '[TOOL_CALLS][{"name": "turn_on"}]\n',
        '<|python_tag|>{"name": "turn_on"}<|eom_id|>',
        "<|tool_call|>[turn_on()]<|/tool_call|>",
        "<|turn>model\n<|channel>thought\nHm.<channel|>",
        '<|tool_call>call:turn_on{a:<|"|>b<|"|>}<tool_call|>',
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>turn_on<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "<｜tool▁calls▁begin｜>turn_on<｜tool▁calls▁end｜>",
        '```homeassistant\n{"service": "light.turn_on"}\n```\n',
        "<!-- a comment. With a stop -->",
        "<script>let a = 1. B</script><style>p {color: red}</style>",
        "<s>[INST]",
        "<|begin_of_text|>[0]",
        "<bos><start_of_turn>",
    ],
)
def test_what_is_written_for_machines_is_silent(silent: str) -> None:
    assert spoken(silent + ANSWER) == [ANSWER]
    assert spoken(f"Wait a moment. {silent}{ANSWER}") == ["Wait a moment.", ANSWER]


@pytest.mark.parametrize(
    "end", ["</s>", "<turn|>", "<|eot_id|>", "<|im_end|>\n", "<|return|>", "<eos>"]
)
def test_a_token_at_the_end_is_silent(end: str) -> None:
    assert spoken(ANSWER + end) == [ANSWER]


@pytest.mark.parametrize("begin", ["<think>", "<tool_call>", "[THINK]", "<!--", "<|python_tag|>"])
def test_a_silence_that_never_ends_is_silent_to_the_texts_end(begin: str) -> None:
    assert spoken(f"{ANSWER} {begin}And so on. And on.") == [ANSWER]
    reader = TextReader()
    assert reader.push(f"{begin}Only this.") + reader.finish() == []
    assert reader.silenced_by == begin


def test_an_end_without_a_beginning_is_silent_alone() -> None:
    assert spoken("So it is</think>Then go on.") == ["So it is", "Then go on."]
    assert spoken(f"So it is.</think>\n{ANSWER}") == ["So it is.", ANSWER]


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        # Markdown
        ('See [the docs](https://x.y/z_(a)?q=1 "Its title.") now.', ["See the docs now."]),
        ("![A cat](cat.png) sits. See ![it][1]!", ["A cat sits.", "See it!"]),
        ("[**Bold** and R&amp;D](#there) [x][1] [y][]", ["Bold and R&D x y"]),
        ("[![Badge](a.svg)](b.c) is green", ["Badge is green"]),
        ("See [it]: not now.\n[it]: https://x.y/z\nDone now", ["See, it: not now.", "Done now"]),
        ("The [door](now) is [open].", ["The, door, now, is, open."]),
        ("- **Milk**: two\n- Eggs: six\n", ["Milk: two", "Eggs: six"]),
        ("1. Go out\n   - now or\n   - then", ["1. Go out", "now or", "then"]),
        ("# The Weather\nIt is sunny", ["The Weather", "It is sunny"]),
        ("| Room | °C |\n|---|--:|\n| Hall | 21.5 |\n", ["Room, °C", "Hall, 21.5"]),
        ("> It was said\n\n---\n\n***\nand done", ["It was said", "and done"]),
        ("```python\nprint(1)\n```", ["print, 1"]),
        ("~~Not this~~ `x = 5` - [x] done", ["Not this x = 5, x, done"]),
        # HTML
        (
            "by:<ul><li>bonds</li><li>notes<br>and more</li></ul>is not",
            ["by:", "bonds. notes", "and more", "is not"],
        ),
        ("<h1>The title</h1><p class='a'>One line.</p>", ["The title", "One line."]),
        ("<td>21</td><td>°C</td>", ["21, °C"]),
        ("un<b>believ</b>able <img src='a.b' alt='A cat'/>", ["unbelievable A cat"]),
        ("H<sub>2</sub>O and 10 m<sup>2</sup>", ["H₂O and 10 m²"]),
        ('<a href="http://x.y/?a>b">a link</a>', ["a link"]),
        ("It is a <function> of <reason>.", ["It is a, function, of, reason."]),
        ("I am <name>. <Turn it on>", ["I am, name.", "Turn it on"]),
        ("2 < 3, a<b and c>d, <5 kg, 1<2", ["2 < 3, a<b and c>d, <5 kg, 1<2"]),
        ("<answer>It is on.</answer>", ["It is on."]),
        (
            "That&#8217;s good &amp; fine &hellip; 20 &deg;C &#x27;now&#x27; caf&eacute;",
            ["That's good & fine...", "20 °C 'now' café"],
        ),
        (
            "a&nbsp;b &amp;lt; c &lt;3 &notit; AT&T R&D; &copy 2",
            ["a b < c <3 &notit; AT&T R&D; © 2"],
        ),
        ("&lt;think&gt; is a tag", ["<think> is a tag"]),
        # citations
        ("It is so.[1][2] Or [3, 4] not [^5].", ["It is so.", "Or not."]),
        ("It is so【4:0†source】. And so【12†】", ["It is so.", "And so"]),
        ("今天【重要】很好。", ["今天, 重要, 很好。"]),
        (
            "It is blue ([wikipedia.org](https://en.wikipedia.org/a_(b)), [x](y.z)). And so on.",
            ["It is blue.", "And so on."],
        ),
        ("So it is (https://x.y/z). And [https://a.b] so on", ["So it is.", "And so on"]),
        ("Said \ue200cite\ue202turn0search1\ue201 he.", ["Said he."]),
        ("So it is:contentReference[oaicite:0]{index=0}.", ["So it is."]),
        # addresses
        ("Go to https://www.example.com/a?b=c#d, now.", ["Go to example.com, now."]),
        ("Mail <anna.b@example.com>!", ["Mail anna.b@example.com!"]),
        ("See <https://x.y/z>. Or not", ["See x.y.", "Or not"]),
        ("At http://u:p@192.168.1.5:8123/x.", ["At 192.168.1.5."]),
    ],
)
def test_markup_as_it_is_written(written: str, sentences: list[str]) -> None:
    assert spoken(written) == sentences


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        (
            "Let me check that for you.It is sunny outside.",
            ["Let me check that for you.", "It is sunny outside."],
        ),
        ("Done!The light is on.", ["Done! The light is on."]),
        ("It is done!The light is on.", ["It is done!", "The light is on."]),
        ("Is it so?Yes.", ["Is it so?", "Yes."]),
        ("First item;second item,third item.", ["First item; second item, third item."]),
        ("The light is at 50%.Then off.", ["The light is at 50%.", "Then off."]),
        ("It is 21 °C.The door is shut.", ["It is 21 °C.", "The door is shut."]),
        ("The TV is on.I am (not).A lot", ["The TV is on.", "I am, not.", "A lot"]),
        (
            "**All done.**The rest is so...Then more",
            ["All done.", "The rest is so...", "Then more"],
        ),
        ("See it: Node.js, Node.JS, e.g. 3.14", ["See it: Node.js, Node.JS, e.g. 3.14"]),
        ("A Ph.D. of the U.S.Army, z.B.Milch", ["A Ph.D. of the U.S.Army, z.B.Milch"]),
        ("On org.apache.Foo, a.b@Example.Com", ["On org.apache.Foo, a.b@Example.Com"]),
        ("See https://a.b/Foo.Bar?Baz=Yes!No", ["See a.b"]),
        ("Yahoo!'s 10:30, 5!=6 and 5!", ["Yahoo!'s 10:30, 5≠6 and 5!"]),
        ("¡Hola a todos!¿Qué tal?Bien", ["¡Hola a todos!", "¿Qué tal?", "Bien"]),
        ('"It is."He said so', ['"It is."', "He said so"]),
    ],
)
def test_glued_sentences_are_parted_and_nothing_else(written: str, sentences: list[str]) -> None:
    assert spoken(written) == sentences


@pytest.mark.parametrize(
    ("addresses", "emoji", "sentence"),
    [
        ("spoken", "dropped", "So it is, at a.b or c@d.ef."),
        ("dropped", "dropped", "So it is, at or."),
        ("dropped", "named", "So it is, party popper, thumbs up sign, at or."),
    ],
)
def test_settings(
    addresses: Literal["spoken", "dropped"], emoji: Literal["dropped", "named"], sentence: str
) -> None:
    style = ReadingConfig(addresses=addresses, emoji=emoji)
    assert spoken("So it is 🎉👍🏽, at http://a.b/c or c@d.ef.", style=style) == [sentence]
    assert spoken("🎉", style=style) == (["party popper"] if emoji == "named" else [])


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        ("Yes. The light is on.", ["Yes. The light is on."]),
        ("Milk\nEggs\nBread and butter", ["Milk. Eggs", "Bread and butter"]),
        ("- Milk\n- Eggs\n- Bread and butter", ["Milk. Eggs", "Bread and butter"]),
        ("Yes!\nNo!\nOh!", ["Yes! No! Oh!"]),
        ("- Milk\n- Bread\n- Eggs\n- Butter\n- Salt\n", ["Milk. Bread. Eggs. Butter. Salt"]),
        ("- Milk\n- Two eggs\n- Salt", ["Milk. Two eggs", "Salt"]),
        ("# Kitchen\n\nThe light is on.", ["Kitchen", "The light is on."]),
        ("Yes.\n\nNo.\n\nThe light is on.", ["Yes.", "No.", "The light is on."]),
        ("好。我们走吧。", ["好。 我们走吧。"]),
        ("Yes.", ["Yes."]),
    ],
)
def test_a_single_word_is_not_spoken_alone_if_more_follows(
    written: str, sentences: list[str]
) -> None:
    assert spoken(written) == sentences


def test_the_first_clause_of_a_long_sentence_comes_early_also_after_a_single_word() -> None:
    reader = TextReader("en")
    first = "Sure! The light in the kitchen, the one over the table, has been on since,"
    assert reader.push(first) == []
    assert reader.push(" ") == [Speak(first)]


def test_a_single_word_comes_when_the_text_stalls() -> None:
    reader = TextReader("en")
    assert reader.push("Sure! ") == []
    assert reader.flush() == [Speak("Sure!")]
    assert reader.push("One! The light") == []
    assert reader.flush() == []
