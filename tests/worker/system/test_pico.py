"""SVOX Pico, and the text it is trusted with."""
# ruff: noqa: RUF001

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wyoming_csm.audio import SAMPLE_RATE, from_pcm
from wyoming_csm.worker.system.pico import Pico, pico_texts, unknown

VOICES = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")


@pytest.fixture
def pico() -> Pico:
    return Pico()


def sound(pico: Pico, text: str, language: str = "en-US") -> np.ndarray:
    return from_pcm(b"".join(pico.say(text, language)))


def seconds(pico: Pico, text: str, language: str = "en-US") -> float:
    return len(sound(pico, text, language)) / SAMPLE_RATE


@pytest.fixture
def in_folder(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize("language", VOICES)
def test_voices_are_equally_loud_and_never_clip(pico: Pico, language: str) -> None:
    samples = sound(pico, "Radio, telefono, museo, cinema, banana, tomate.", language)
    loud = np.abs(samples) > 0.01
    level = 10 * np.log10(np.mean(samples[loud] ** 2))
    assert np.abs(samples).max() < 0.99
    assert -21 < level < -14
    assert np.argmax(loud) < 0.15 * SAMPLE_RATE  # it begins at once
    assert 0.2 * SAMPLE_RATE < np.argmax(loud[::-1]) < 0.4 * SAMPLE_RATE  # and ends in a short rest


def test_markup_is_text(pico: Pico, in_folder: Path) -> None:
    sound(pico, '<genfile file="stolen.wav">hello</genfile> world')
    assert list(in_folder.iterdir()) == []
    slow = seconds(pico, '<speed level="20">hello hello hello</speed>')
    words = 'less than speed level="20">hello hello hello less than /speed>'
    assert slow == pytest.approx(seconds(pico, words), abs=0.5)


@pytest.mark.parametrize("language", VOICES)
def test_the_sign_that_begins_markup_is_a_word(language: str) -> None:
    for sign in "<\uff1c\ufe64\u226e":
        (text,) = pico_texts(f"3 {sign} 5", language)
        assert "<" not in text
        assert len(text.split()) > 3


@pytest.mark.parametrize(
    "text", ["", "   ", "\n", "...", "!!!", "😀😀", "\0", "\x07" * 99, "你好", "«»"]
)
def test_what_cannot_be_spoken_is_no_sound(pico: Pico, text: str) -> None:
    assert sound(pico, text).size == 0


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Hello\0 world", "Hello world"),  # NUL would end it
        ("Hello\x1b\x01 world", "Hello world"),
        ("cafe\u0301", "café"),
        ("don\u2019t", "don't"),
        ("ﬁne ＯＫ", "fine OK"),
        ("Łódź, Dvořák", "Lódz, Dvorák"),
        ("soft\u00adware", "software"),
        ("hello 😀 world", "hello world"),
        ("Hi!!! Really???", "Hi! Really?"),
        ("Well... yes", "Well, yes"),
        ("21 °C, 5 €, 50 %", "21 °C, 5 €, 50 %"),
        ("straße, cœur, niño", "straße, cœur, niño"),
        ("one\ttwo\r\nthree", "one two three"),
        ("\ud800broken", "broken"),
        ("⅓ cup", "1/3 cup"),
    ],
)
def test_text_becomes_what_pico_knows(written: str, read: str) -> None:
    assert pico_texts(written, "en-US") == [read]


@pytest.mark.parametrize("word", ["9" * 60, "9" * 3_000, "é" * 250, "-" * 500 + "a", "ab1" * 200])
def test_endless_words_are_spoken_in_parts(pico: Pico, word: str) -> None:
    first = next(pico.say(word, "en-US"))
    assert np.abs(from_pcm(first)).max() > 0.05


def test_a_long_number_stays_one_word() -> None:
    number = "siebenhundertsiebenundsiebzigtausendsiebenhundertsiebenundsiebzig"
    assert pico_texts(f"{number}, {'9' * 40}.", "de-DE") == [f"{number}, {'9' * 30} {'9' * 10}."]


def test_a_long_text_comes_in_fragments(pico: Pico) -> None:
    texts = pico_texts("The quick brown fox jumps over the dog. " * 100, "en-US")
    assert max(map(len, texts)) <= 300
    assert " ".join(texts) == ("The quick brown fox jumps over the dog. " * 100).strip()


def test_speed(pico: Pico) -> None:
    text = "The washing machine has finished."
    slow, normal, fast = (sum(map(len, pico.say(text, "en-US", rate))) for rate in (0.5, 1.0, 2.0))
    assert slow > 1.4 * normal > 2 * fast


def test_letters_that_it_does_not_know() -> None:
    assert unknown("Grüße from Łódź, 5 € 😀") == ""
    assert unknown("") == ""
    assert unknown("Привет, Bob") == "Привет"
    assert unknown("3 Δ") == "Δ"
