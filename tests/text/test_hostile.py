"""Hostile text: any construct, again and again, costs no more for each character than once."""

import time

import pytest

from wyoming_csm.text.reader import TextReader

# fmt: off
UNITS = [
    "a", "a ", "a, ", "A. ", "a.b", "you.It ", "Done!The ", "x?y", "Mr. ", "1.", "5 - ",
    "\u597d", "\u3002", "- a\n", "a\n", "1. a\n", "# a\n", "> ", "| a ", "|", "***", "**a** ",
    "`", "```", "```py\n", "```homeassistant\n", "~~", "_a_ ", "[", "]", "[a", "[a]", "[a](",
    "[a](b", "[a](b)", "[a](b c", '[a](b "', '[a](b "c") ', "[a][", "[a][b]", "[1]", "[1][",
    "[^a]", "[a]: http://x ", "[a]: ", "![a](b)", "([a](b.c))", "([", "([a](b.c), ", "(", "((",
    ")", "(a) ", "[pause 1ms]", "[pause ", "[THINK]", "[TOOL_CALLS]", "\u3010",
    "\u30101\u2020a\u3011", "\ue200", "\ue200a\ue201", "\u25c1", "\u25c1think\u25b7", "<", "<a",
    "<a ", "<a b", "<a b=", "<a b='", '<a b="x', '<a b="\'', '<a href="x">', "<b>", "</b>",
    "<br>", "<p>", "<li>", "<td>", "<x>", "<x y>", "<x y='z'>", "</x>", "<!--", "<!-- -->", "<!",
    "<!DOCTYPE ", "<!DOCTYPE a>", "<!DOCTYPE a [", "<![CDATA[", "<![CDATA[a]]>", "]]>", "<?",
    "<?xml?>", "<|", "<|a", "<|a|>", "<|im_start|>a\n", "<|channel|>", "<think>", "</think>",
    "<think></think>", "<tool_call>", "<script>", "<speak>", "<speak><p>", "<break/>",
    "<break time='1ms'/>", "<sub alias='a'>", "<say-as interpret-as='digits'>1",
    "<prosody volume='soft'>", "<prosody volume='soft'>a</prosody>", "&", "&a", "&amp;", "&amp",
    "&#", "&#65;", "&#x41;", "&amp;amp;lt;", "&copy", "http://", "http://a ", "www.", "www.a.b ",
    "a@b.cd ", "a@", "@", "a.b@", "<http://a>", "<a@b.c>", ":)", " :)",
    ":contentReference[oaicite:0]{index=0}", "->", "--", "- ", "<-", "<=", "=>", "!!!", "?!",
    "...", "\u2026", "..a", "\u2026A", '"', "'", '"\'', ",", ";", ":", "a;b", "a:B", "%", "\xb0",
    "\u20ac", "\U0001f389", "\U0001f469\u200d\U0001f692", "1\ufe0f\u20e3", "\u200d", "e\u0301",
    "\u0301", "\u33a1", "\U0001d41b", "\u2460", "\u03bc", "\xb5", "\ud83d", "\ude00", "\x00",
    "\u0600\u200d", "\u2028", "\t", "\\", "\\*", "\\\\", "^", "{", "}", "{index=1}", "5*5", "* ",
    "#", "#a", " #", "+ ", "+", "~", "~5", "\u2014", "\u2013", "\u22125 ",
    "1' x 1\" ", "1\xba-2\xba ", "1\u20ac-", "3.-5. ", "call 112, ", "tel 12-34-", "/a/b ",
    "1\u21922 ", "1 pts ", "1/day ", "1e5 ", "1Q22 ",
    "\xb7 ", "1 \xb7 ", "\u2605", "\u2713", "\u2194", "+ and ", "for 5m ", "1\xb01'", "Oak St. ",
    "1,00,", "00:00:01 ", "in 1:01 ", "555 1234 ", "max. A",
]
# fmt: on
MARKS = "<&[]`*"  # only where one of them stands, SSML is read otherwise
OFTEN = 3  # measured, for the machine's other work


def seconds(unit: str, length: int, ssml: bool) -> float:
    """Measure the time of the processor for `length` characters, in chunks as from a client."""
    text = (unit * length)[:length]
    reader = TextReader("en", ssml=ssml)
    begin = time.thread_time()
    for at in range(0, length, 250):
        reader.push(text[at : at + 250])
    reader.finish()
    return time.thread_time() - begin


def cases(length: int) -> list[tuple[str, bool, int]]:
    """Return each unit as text, and as SSML what may mean something there and is not refused."""
    marked = [unit for unit in UNITS if set(unit) & set(MARKS) and unit != "<!DOCTYPE a ["]
    texts = [(unit, False, length) for unit in UNITS]
    return texts + [(unit, True, length) for unit in marked]


@pytest.mark.parametrize(
    ("unit", "ssml", "length"),
    [*cases(2_000), *(pytest.param(*one, marks=pytest.mark.weekly) for one in cases(4_000))],
)
def test_four_times_the_text_takes_four_times_as_long(unit: str, ssml: bool, length: int) -> None:
    """What is quadratic takes sixteen times as long."""
    for _ in range(OFTEN):
        few, many = seconds(unit, length, ssml), seconds(unit, 4 * length, ssml)
        if many < 8 * few + 0.002:
            break
    assert many < 8 * few + 0.002
    assert many / length < 2e-4  # 1e-6 to 2e-5


def test_a_text_of_one_character_chunks() -> None:
    reader = TextReader("en")
    begin = time.thread_time()
    for unit in UNITS:
        for char in (unit * 100)[:100]:
            reader.push(char)
    assert time.thread_time() - begin < 1.0  # 0.1 s
