"""Words that a Coqui model has not learnt, and who speaks them: models that note what they get."""

from collections.abc import Iterator

import numpy as np
import pytest

from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm
from wyoming_csm.voices import Voice
from wyoming_csm.worker.coqui.speaker import CoquiSpeaker, LoadedVoice
from wyoming_csm.worker.coqui.tokens import Alphabet


class Model:
    """Says a tone for each text, and notes the text."""

    rate = SAMPLE_RATE
    speakers: tuple[str, ...] = ("ann",)

    def __init__(
        self, name: str, alphabet: Alphabet | None = None, languages: tuple[str, ...] = ()
    ) -> None:
        self.name, self.alphabet, self.languages = name, alphabet, languages
        self.speeds = (1.0, 1.0)
        self.said: list[tuple[str, str, str | None]] = []

    def read(self, text: str, language: str | None) -> None:
        pass

    def say(
        self, text: str, speaker: str, language: str | None, speed: float = 1.0
    ) -> Iterator[Samples]:
        self.said.append((text, speaker, language))
        yield np.sin(np.arange(SAMPLE_RATE // 10) * 0.1).astype(np.float32) * 0.3


def voice(language: str) -> Voice:
    return Voice(name=f"coqui_{language}", language=language, description="", engine="coqui")


def speaker(**models: tuple[Model, str | None]) -> CoquiSpeaker:
    loaded = {
        f"coqui_{language}": LoadedVoice(voice(language), model, own)
        for language, (model, own) in models.items()
    }
    return CoquiSpeaker(loaded, {}, "cpu")


def say(one: CoquiSpeaker, text: str, language: str = "en") -> float:
    """Return the seconds of the sound."""
    return len(from_pcm(b"".join(one.say(text, voice(language))))) / SAMPLE_RATE


def test_a_model_of_several_languages_speaks_the_words_in_their_own() -> None:
    model = Model("xtts", languages=("en", "ru", "zh-cn"))
    say(speaker(en=(model, "en")), "Say Привет and 東京 now")
    assert [(text, language) for text, _, language in model.said] == [
        ("Say ", "en"),
        ("Привет ", "ru"),
        ("and ", "en"),
        ("東京 ", "zh-cn"),
        ("now", "en"),
    ]


def test_another_model_speaks_them_that_has_their_language() -> None:
    english, russian = Model("english"), Model("russian")
    say(speaker(en=(english, None), ru=(russian, None)), "Say Привет")
    assert (english.said, russian.said) == ([("Say ", "", None)], [("Привет", "", None)])


def test_espeak_ng_speaks_them_else() -> None:
    model = Model("english")
    assert say(speaker(en=(model, None)), "Say Привет again") > 0.5
    assert [text for text, _, _ in model.said] == ["Say ", "again"]


def test_what_nobody_here_speaks_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    one = Model("english")
    loaded = speaker(en=(one, None))
    for _ in range(2):
        say(loaded, "Say ⴰⵣⵓⵍ")
    assert [text for text, _, _ in one.said] == ["Say ⴰⵣⵓⵍ"] * 2
    (line,) = caplog.messages
    assert "english leaves out Tifinagh letters" in line


def test_letters_outside_an_alphabet_lose_their_marks_or_go_to_another() -> None:
    german = Model("german", Alphabet("abcdefghijklmnopqrstuvwxyzäöüß ", str.lower))
    say(speaker(de=(german, None)), "Café Łódź für Ærø", "de")
    assert [text for text, _, _ in german.said] == ["Cafe ", "für "]


def test_what_a_cleaner_makes_of_a_letter_counts() -> None:
    plain = Alphabet("abcs ", lambda text: text.lower().replace("ß", "ss"))
    assert plain.lacks("Aßb é c") == "é"
    assert plain.readable("Aßb 5 ç!") == "Aßb 5 c!"
