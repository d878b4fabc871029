"""Sentences with words that another voice speaks: what is asked of whom, and how it is joined."""

from collections.abc import Iterator

import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm
from wyoming_csm.text.scripts import Run, letters_outside, scripts_of
from wyoming_csm.worker.strange_words import Say, say_each


class Tone:
    """Says a text as 0.3 s of a tone between two silences, and notes it."""

    def __init__(self, amplitude: float, said: list[str]) -> None:
        self._amplitude, self._said = amplitude, said

    def say(self, text: str) -> Iterator[bytes]:
        self._said.append(text)
        yield b""
        yield to_pcm(self.sound())

    def sound(self) -> Samples:
        wave = np.sin(np.arange(round(0.3 * SAMPLE_RATE)) * 0.1) * self._amplitude
        still = np.zeros(SAMPLE_RATE)
        return np.concatenate((still, wave, still)).astype(np.float32)


def english(text: str) -> str:
    return letters_outside(text, scripts_of("en"))


def ignored(letters: str) -> None:
    """Nobody is told what is left out."""


def joined(text: str, own: Say, other: Say | None) -> Samples:
    return from_pcm(b"".join(say_each(text, english, own, lambda run: other, ignored)))


def test_only_strange_words_are_spoken_by_another() -> None:
    said: list[str] = []
    asked: list[Run] = []
    spoken: list[str] = []
    lost: list[str] = []
    other = Tone(0.5, spoken).say

    def find(run: Run) -> Say | None:
        asked.append(run)
        return other if run.language == "ru" else None

    list(say_each("Say Привет or 東京, now", english, Tone(0.5, said).say, find, lost.append))
    assert spoken == ["Привет "]
    assert said == ["Say ", "or 東京, now"]
    assert [run.language for run in asked] == ["ru", "zh"]
    assert [set(letters) for letters in lost] == [set("東京")]


def test_a_sentence_of_one_voice_comes_as_it_is_made() -> None:
    said: list[str] = []
    own, other = Tone(0.5, said), Tone(0.1, said)
    sound = to_pcm(own.sound())
    assert list(say_each("Say hello", english, own.say, lambda run: other.say, ignored)) == [
        b"",
        sound,
    ]
    assert list(say_each("Say Привет", english, own.say, lambda run: None, ignored)) == [
        b"",
        sound,
    ]
    assert list(say_each("Привет", english, own.say, lambda run: other.say, ignored))[1] != sound
    assert said == ["Say hello", "Say Привет", "Привет"]


def test_joints_are_no_longer_than_those_of_words_and_all_is_equally_loud() -> None:
    sound = joined("Say Привет again", Tone(0.2, []).say, Tone(0.8, []).say)
    loud = np.abs(sound) > 0.01
    (at,) = np.nonzero(loud)
    silent = len(sound) - (at[-1] - at[0])
    assert abs(silent - 2 * SAMPLE_RATE) < 5  # the ends are left as they are
    gaps = np.diff(at)
    joints = gaps[gaps > SAMPLE_RATE // 100]
    assert len(joints) == 2
    assert joints.max() < 0.08 * SAMPLE_RATE
    assert 0.19 < np.abs(sound).max() < 0.21


def test_a_comma_at_a_joint_is_a_pause() -> None:
    sound = joined("Привет, again", Tone(0.2, []).say, Tone(0.2, []).say)
    (at,) = np.nonzero(np.abs(sound) > 0.01)
    assert 0.2 * SAMPLE_RATE < np.diff(at).max() < 0.3 * SAMPLE_RATE


def test_a_sentence_that_changes_all_the_time_ends_in_one_voice() -> None:
    said: list[str] = []
    spoken: list[str] = []
    text = "ab Привет " * 20
    list(say_each(text, english, Tone(0.5, said).say, lambda run: Tone(0.5, spoken).say, ignored))
    assert len(said) + len(spoken) == 12
    assert "".join(said) + "".join(spoken[:-1]) == "ab " * 6 + "Привет " * 5
    assert spoken[-1] == "Привет " + "ab Привет " * 14


def test_no_sound_of_some_words_leaves_the_others() -> None:
    assert len(joined("Say Привет again", Tone(0.2, []).say, lambda text: iter([b""])))
    assert len(joined("Say Привет again", lambda text: iter([]), Tone(0.2, []).say))
