"""The espeak-ng command, as the system voice runs it, and its library, as Coqui's child asks it."""
# ruff: noqa: RUF001

import io
import subprocess
import sys

import pytest
import soundfile

from wyoming_csm.worker.system.espeak_ng import Library, find_command
from wyoming_csm.worker.system.languages import ESPEAK as NAME
from wyoming_csm.worker.system.languages import languages

ESPEAK = (sys.executable, "-m", "wyoming_csm.worker.system.espeak_ng")


def run(*words: str, text: str = "") -> bytes:
    done = subprocess.run((*ESPEAK, *words), input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


def test_the_command_is_found() -> None:
    assert find_command() == ESPEAK


def test_the_version_is_three_numbers(library: Library) -> None:
    assert [int(part) for part in library.version.split(".")] >= [1, 50]


def test_every_language_of_the_system_voice_is_in_the_list(library: Library) -> None:
    assert set(library.languages()) >= {language.codes[NAME] for language in languages()}


def test_phonemes_are_those_that_the_real_command_prints(library: Library) -> None:
    clauses = ["h_ə_l_ˈoʊ", "w_ˈɜː_l_d"]
    for found in (
        library.phonemes("Hello, world!", "en-us"),
        library.traced_phonemes("Hello, world!"),
    ):
        assert [line.strip() for line in found] == clauses


def test_a_voice_goes_by_its_language_too(library: Library) -> None:
    assert "ʒ" in library.phonemes("bonjour", "fr-fr")[0]
    with pytest.raises(ValueError, match="'qqq'"):
        library.phonemes("hello", "qqq")


@pytest.mark.parametrize("words", [("--tie=True",), ("--ipa=1",), ("-x",)])
def test_what_neither_of_them_asks_for_is_refused(words: tuple[str, ...]) -> None:
    done = subprocess.run((*ESPEAK, *words), input="hello", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("espeak-ng: ")


def test_an_unknown_voice_is_an_error() -> None:
    done = subprocess.run((*ESPEAK, "-v", "qqq"), input="hello", capture_output=True, text=True)
    assert done.returncode == 1
    assert "voice does not exist" in done.stderr


def test_sound_comes_as_wav_and_faster_at_a_higher_speed() -> None:
    lengths = []
    for speed in ("120", "350"):
        wav = run("-v", "sv", "-s", speed, "--stdin", "--stdout", text="Dörren är låst.")
        # Its length was not known when the header was written: the samples are what follows.
        samples, rate = soundfile.read(
            io.BytesIO(wav[44:]), format="RAW", samplerate=22_050, channels=1, subtype="PCM_16"
        )
        assert wav[:4] == b"RIFF"
        assert int.from_bytes(wav[24:28], "little") == rate
        assert abs(samples).max() > 0.1
        lengths.append(len(samples))
    assert lengths[0] > 1.5 * lengths[1]
