"""The system voice: which synthesiser speaks what."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from wyoming_csm.audio import SAMPLE_RATE, from_pcm
from wyoming_csm.errors import EngineError, EngineUnavailable
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure
from wyoming_csm.worker.system.espeak_ng import find_command
from wyoming_csm.worker.system.hibari import Hibari
from wyoming_csm.worker.system.languages import (
    ESPEAK,
    HIBARI,
    PICO,
    PLATFORM,
    RATES,
    espeak_code,
    find_synthesisers,
    languages,
)
from wyoming_csm.worker.system.pico import Pico
from wyoming_csm.worker.system.speaker import Espeak, SystemSpeaker, load


class Named:
    """A synthesiser that says its own name and the language, and then may fail."""

    def __init__(self, name: str, fails_after: int | None = None) -> None:
        self._name, self._fails_after = name, fails_after

    def say(self, text: str, language: str, rate: float) -> Iterator[bytes]:
        if self._fails_after != 0:
            yield f"{self._name} {language}{'' if rate == 1 else f' {rate}x'}".encode()
        if self._fails_after is not None:
            raise EngineError(f"{self._name} failed")


BOTH = {PICO: Named("pico").say, ESPEAK: Named("espeak").say}
ALL = {HIBARI: Named("hibari").say, **BOTH}
PICO_ALONE, ESPEAK_ALONE = {PICO: BOTH[PICO]}, {ESPEAK: BOTH[ESPEAK]}
PLATFORM_ALONE = {PLATFORM: Named("platform").say}


def voice(tag: str) -> Voice:
    return Voice(name=f"system_{tag}", language=tag, description="", engine="system")


def configure() -> Configure:
    return Configure("system", {}, data_dir="", download_dir="")


def seconds(speaker: Espeak, text: str, language: str = "en-us") -> float:
    return len(from_pcm(b"".join(speaker.say(text, language)))) / SAMPLE_RATE


@pytest.mark.parametrize(
    ("speaker", "tag", "text", "by"),
    [
        (SystemSpeaker(ALL), "en-US", "Hello.", "hibari en-US"),
        (SystemSpeaker(ALL), "pico_en-US", "Hello.", "pico en-US"),
        (SystemSpeaker(ALL), "en-GB", "Hello.", "pico en-GB"),
        (SystemSpeaker(ALL), "de-DE", "Hallo.", "pico de-DE"),
        (SystemSpeaker(ALL), "en-US", "Алиса", "espeak ru"),
        (SystemSpeaker(ALL), "en-US", "ʃəmp", "espeak en-us"),
        (SystemSpeaker(ESPEAK_ALONE), "pico_en-US", "Hello.", "espeak en-us"),
        (SystemSpeaker(BOTH), "en-US", "Hello.", "pico en-US"),
        (SystemSpeaker(BOTH), "sv", "Hej.", "espeak sv"),
        (SystemSpeaker(BOTH), "zh", "你好", "espeak cmn"),
        (SystemSpeaker(BOTH), "en-US", "Привет", "espeak ru"),
        (SystemSpeaker(BOTH), "sv", "Привет", "espeak ru"),
        (SystemSpeaker(BOTH), "bg", "Здравей", "espeak bg"),
        (SystemSpeaker(BOTH), "ru", "Hello", "espeak ru"),
        (SystemSpeaker(ESPEAK_ALONE), "de-DE", "Hallo.", "espeak de"),
        (SystemSpeaker(PICO_ALONE), "en-US", "Привет", "pico en-US"),
        (SystemSpeaker(PLATFORM_ALONE), "en-US", "Hello.", "platform en-US"),
    ],
)
def test_the_best_synthesiser_that_has_the_language_speaks(
    speaker: SystemSpeaker, tag: str, text: str, by: str
) -> None:
    assert b"".join(speaker.say(text, voice(tag))).decode() == by


def test_words_of_another_script_are_spoken_by_a_voice_of_their_language() -> None:
    asked: list[tuple[str, str, str]] = []

    class Noting:
        def __init__(self, name: str) -> None:
            self._name = name

        def say(self, text: str, language: str, rate: float) -> Iterator[bytes]:
            asked.append((self._name, language, text))
            yield b"\0\0"

    speaker = SystemSpeaker({name: Noting(name).say for name in (HIBARI, PICO, ESPEAK)})
    list(speaker.say("The film 東京物語, by Алиса, is good.", voice("en-US")))
    assert asked == [
        (HIBARI, "en-US", "The film "),
        (ESPEAK, "cmn", "東京物語, "),
        (HIBARI, "en-US", "by "),
        (ESPEAK, "ru", "Алиса, "),
        (HIBARI, "en-US", "is good."),
    ]


def test_letters_that_nobody_knows_are_said_to_be_missing_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    speaker = SystemSpeaker({HIBARI: ALL[HIBARI], PICO: ALL[PICO]})
    for _ in range(2):
        assert b"".join(speaker.say("Playing Алиса now.", voice("en-US"))) == b"hibari en-US"
    assert b"".join(speaker.say("Playing Алиса.", voice("pico_en-US"))) == b"pico en-US"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{name} leaves out Cyrillic letters that it does not know"
        for name in ("Hibari", "SVOX Pico")
    ]


def test_the_next_one_speaks_where_one_fails_before_it_is_heard() -> None:
    silent, cut_off = Named("hibari", fails_after=0), Named("hibari", fails_after=1)
    said = SystemSpeaker({**ALL, HIBARI: silent.say}).say("Hello.", voice("en-US"))
    assert b"".join(said) == b"pico en-US"
    said = SystemSpeaker({**ALL, HIBARI: cut_off.say}).say("Hello.", voice("en-US"))
    assert next(said) == b"hibari en-US"
    with pytest.raises(EngineError, match="hibari failed"):
        next(said)


@pytest.mark.parametrize("name", [HIBARI, PICO, ESPEAK])
def test_each_speaks_at_all_rates_that_the_front_is_told_of(name: str) -> None:
    if name not in find_synthesisers():
        pytest.skip(f"{name} is not installed")
    classes: dict[str, Callable[[], Hibari | Pico | Espeak]]
    classes = {HIBARI: Hibari, PICO: Pico, ESPEAK: Espeak}
    speaker = SystemSpeaker({name: classes[name]().say})

    def seconds(rate: float) -> float:
        said = speaker.say("The door of the kitchen is open this morning.", voice("en-US"), rate)
        return np.count_nonzero(np.abs(from_pcm(b"".join(said))) > 0.01) / SAMPLE_RATE

    usual = seconds(1.0)
    for rate in RATES[name]:
        assert usual / seconds(rate) == pytest.approx(rate, rel=0.1)


def test_what_none_of_them_speaks_is_an_error() -> None:
    with pytest.raises(EngineError, match="Swedish"):
        SystemSpeaker(PICO_ALONE).say("Hej.", voice("sv"))
    with pytest.raises(EngineError, match="no system voice"):
        SystemSpeaker(BOTH).say("Hej.", voice("tlh"))


def test_loading() -> None:
    speaker = load(configure())
    assert speaker.detail == ", ".join(find_synthesisers())
    assert "SVOX Pico, eSpeak NG" in speaker.detail
    for tag, text in {"en-US": "Hello.", "nb": "God morgen.", "ru": "Доброе утро."}.items():
        samples = from_pcm(b"".join(speaker.say(text, voice(tag))))
        assert np.abs(samples).max() > 0.1
        assert 0.4 < len(samples) / SAMPLE_RATE < 4


def test_without_any_synthesiser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hibari", "py_nanotts", "espeakng_loader"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineUnavailable, match="pip install py-nanotts"):
        load(configure())


def test_what_cannot_load_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Installed, but made for another machine."""

    def broken(models: object = None) -> None:
        raise ImportError("libnanotts.so: wrong ELF class")

    for name in ("hibari.Hibari", "pico.Pico"):
        monkeypatch.setattr(f"wyoming_csm.worker.system.{name}", broken)
    speaker = load(configure())
    assert speaker.detail == "eSpeak NG"
    assert np.abs(from_pcm(b"".join(speaker.say("Hello.", voice("en-US"))))).max() > 0.1
    assert "SVOX Pico is left out: libnanotts.so: wrong ELF class" in caplog.text
    monkeypatch.setattr("wyoming_csm.worker.system.languages.find_command", lambda: None)
    with pytest.raises(EngineUnavailable, match="wrong ELF class"):
        load(configure())


def test_an_installed_command_serves_where_the_wheel_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = tmp_path / "espeak-ng"
    command.write_text("#!/bin/sh\n", encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_command() == (str(command),)


def test_espeak_reads_markup_and_phonemes_as_text() -> None:
    reader = Espeak()
    assert seconds(reader, "[[h@l'oU]] <break time='10s'/> <audio src='/dev/zero'/>") < 15
    assert seconds(reader, "[[a]]") > seconds(reader, "a")
    assert seconds(reader, "[[[a]]") >= seconds(reader, "[[a]]")
    assert seconds(reader, "Hello.\0 And goodbye.") > 1.4 * seconds(reader, "Hello.")


@pytest.mark.parametrize("text", ["", "\n", "\ud800"])
def test_espeak_has_nothing_to_say(text: str) -> None:
    assert seconds(Espeak(), text) < 1.0


def test_espeak_speed() -> None:
    text = "The washing machine has finished."
    slow, normal, fast = (
        sum(map(len, Espeak().say(text, "en-us", rate))) for rate in (0.5, 1.0, 2.0)
    )
    assert slow > 1.5 * normal > 2.25 * fast


def test_espeak_failures_are_engine_errors(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="voice does not exist"):
        list(Espeak().say("hello", "qqq"))
    with pytest.raises(EngineError, match="espeak-ng"):
        list(Espeak((str(tmp_path / "missing"),)).say("hello", "en"))


@pytest.mark.parametrize(
    ("language", "code"),
    [("zh-TW", "cmn"), ("pt_BR", "pt-br"), ("pt", "pt"), ("en", "en-us"), ("tlh", None)],
)
def test_languages_as_espeak_ng_calls_them(language: str, code: str | None) -> None:
    assert espeak_code(language) == code


def test_tags_are_unique_and_cover_the_world() -> None:
    names = [language.name for language in languages()]
    assert len(names) == len(set(names)) > 100
    tags = [language.tag for language in languages()]
    assert len(set(tags)) == len(tags) - 1  # US English has two
    assert tags[0] == "en-US"
    assert {"nb", "zh", "pt-BR", "pt-PT", "sv", "he", "uk"} <= set(tags)
    assert not {"no", "cmn", "pt"} & set(tags)
