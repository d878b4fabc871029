"""hibari, and the text it is trusted with."""
# ruff: noqa: RUF001

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wyoming_csm.audio import SAMPLE_RATE, from_pcm
from wyoming_csm.worker.system.hibari import Hibari, hibari_texts, unknown

needs_hibari = pytest.mark.skipif(
    find_spec("hibari") is None or find_spec("onnxruntime") is None,
    reason="hibari is not installed: it has no wheel for every machine",
)


@pytest.fixture(scope="module")
def voice() -> Hibari:
    return Hibari()


def sound(voice: Hibari, text: str) -> np.ndarray:
    return from_pcm(b"".join(voice.say(text, "en-US")))


def seconds(voice: Hibari, text: str) -> float:
    return len(sound(voice, text)) / SAMPLE_RATE


@needs_hibari
@pytest.mark.parametrize("text", ["Radio, telephone, banana.", "The front door is locked."])
def test_it_is_as_loud_as_pico_begins_at_once_and_never_clips(voice: Hibari, text: str) -> None:
    samples = sound(voice, text)
    loud = np.abs(samples) > 0.01
    level = 10 * np.log10(np.mean(samples[loud] ** 2))
    assert np.abs(samples).max() < 0.99
    assert -19 < level < -15
    assert np.argmax(loud) < 0.06 * SAMPLE_RATE
    assert 0.2 * SAMPLE_RATE < np.argmax(loud[::-1]) < 0.4 * SAMPLE_RATE


@needs_hibari
def test_the_same_text_is_the_same_sound(voice: Hibari) -> None:
    first = sound(voice, "The washing machine has finished.")
    sound(voice, "Good morning.")
    assert np.array_equal(first, sound(voice, "The washing machine has finished."))
    assert np.array_equal(first, sound(Hibari(), "The washing machine has finished."))


@needs_hibari
def test_speed(voice: Hibari) -> None:
    text = "The washing machine has finished."
    slow, normal, fast = (sum(map(len, voice.say(text, "en-US", rate))) for rate in (0.5, 1.0, 2.0))
    assert slow > 1.5 * normal > 2.25 * fast


@needs_hibari
@pytest.mark.parametrize("text", ["", "   ", "\n", "...", "!!!", "\0", "\x07" * 99, "你好", "()[]"])
def test_what_cannot_be_spoken_is_no_sound(voice: Hibari, text: str) -> None:
    assert sound(voice, text).size == 0


@needs_hibari
@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is 21.5°C.", "It is 21.5 degrees Celsius."),
        ("It is 21,5 °C.", "It is 21.5 degrees Celsius."),
        ("It is 21 °C.", "It is twenty one degrees Celsius."),
        ("At 10:30.", "At ten thirty."),
        ("At 07:05.", "At seven oh five."),
        ("−5 °C", "minus five degrees Celsius"),
        ("5 − 3", "five minus three"),
        ("3 €", "three euros"),
        ("3,50 €", "three euros and fifty cents"),
        ("50 %", "fifty percent"),
        ("12,345", "twelve thousand three hundred forty five"),
        ("1,2,3", "one, two, three"),
        ("Lights 1,2 and 3", "Lights one, two and three"),
        ("007", "zero zero seven"),
        ("a ≥ b", "a greater than or equal to b"),
        ("⅓ cup", "one third cup"),
        ("60 km/h", "sixty kilometers per hour"),
        ("[x](/y/)", "x, y,"),
        ("a [b] c", "a, b, c"),
    ],
)
def test_what_it_says_of_signs_and_numbers(voice: Hibari, written: str, spoken: str) -> None:
    assert np.array_equal(sound(voice, written), sound(voice, spoken))


@needs_hibari
@pytest.mark.parametrize("word", ["9" * 60, "9" * 400, "1," * 60 + "1", "é" * 250, "ab1" * 200])
def test_endless_words_and_numbers_are_spoken_in_parts(voice: Hibari, word: str) -> None:
    assert np.abs(from_pcm(next(voice.say(word, "en-US")))).max() > 0.05


@needs_hibari
@settings(max_examples=60, deadline=None)
@given(st.text(max_size=25))
def test_no_text_is_too_odd(voice: Hibari, text: str) -> None:
    sound(voice, text)


def test_a_long_text_comes_in_fragments() -> None:
    text = "The quick brown fox, if it can, jumps over the dog; " * 100
    texts = hibari_texts(text)
    assert max(map(len, texts)) <= 200
    assert " ".join(texts) == text.strip()
    assert all(one.endswith((",", ";")) for one in texts)
    without_stops = hibari_texts("word " * 600)
    assert max(map(len, without_stops)) <= 200
    assert " ".join(without_stops) == ("word " * 600).strip()


@example("0\uff08")
@example("a\u2474")
@given(st.text())
def test_no_bracket_reaches_its_markup(text: str) -> None:
    assert not set("".join(hibari_texts(text))) & set("[](){}")


@given(st.characters(categories=["Lu", "Ll", "Lo", "Nd", "No", "Sm", "Sc"]))
def test_no_letter_digit_or_sign_vanishes_unless_it_is_told(character: str) -> None:
    assert unknown(character) or len(hibari_texts(f"a {character} b")[0]) > len("a b")


def test_letters_that_it_does_not_know() -> None:
    assert unknown("Grüße from Łódź, Hawaiʻi, ⅓ of 21 °C") == ""
    assert unknown("Привет, Bob") == "Привет"
    assert unknown("3 Δ") == "Δ"


@needs_hibari
def test_nothing_is_stored_in_order_to_be_sent(tmp_path: Path) -> None:
    """As it is imported, onnxruntime writes files under the user's cache for its reports."""
    code = (
        "from wyoming_csm.worker.system.hibari import Hibari;"
        "assert b''.join(Hibari().say('Hello.', 'en-US'));"
        "import sys; assert 'scipy' not in sys.modules"  # it would take longer to load
    )
    env = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
