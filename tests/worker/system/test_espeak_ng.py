"""The espeak-ng command: what the system voice and Coqui's phonemizer ask of it."""
# ruff: noqa: RUF001

import io
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from wyoming_csm.worker.system.espeak_ng import find_command, install_command
from wyoming_csm.worker.system.languages import languages

ESPEAK = (sys.executable, "-m", "wyoming_csm.worker.system.espeak_ng")


def run(*words: str, text: str = "", command: tuple[str, ...] = ESPEAK) -> bytes:
    done = subprocess.run((*command, *words), input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


def phonemes(*words: str) -> str:
    return run("-q", "-b", "1", *words).decode()


def test_the_command_is_found() -> None:
    assert find_command() == ESPEAK


def test_the_version_is_the_fourth_word() -> None:
    version = run("--version").decode().split()[3]
    assert [int(part) for part in version.split(".")] >= [1, 50]


def test_every_language_of_the_system_voice_is_in_the_list_of_voices() -> None:
    head, *lines = run("--voices").decode().splitlines()
    assert head.split()[:2] == ["Pty", "Language"]
    codes = {line.split()[1] for line in lines}
    assert codes >= {language.espeak for language in languages()}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-v", "en-us", "--ipa=1"), " h_ə_l_ˈoʊ\n w_ˈɜː_l_d\n"),
        (("-v", "en-us", "--ipa"), " həlˈoʊ\n wˈɜːld\n"),
        (("-v", "en-us", "--ipa=3"), " həlˈo\u200dʊ\n wˈɜːld\n"),
        (("-v", "en-us", "--ipa=3", "--tie=True"), " həlˈoTʊ\n wˈɜːld\n"),
        (("-v", "en-us", "-x"), " h@l'oU\n w'3:ld\n"),
    ],
)
def test_phonemes_are_printed_as_the_real_command_prints_them(
    tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    text = tmp_path / "text"
    text.write_text("Hello, world!", encoding="utf-8")
    printed = phonemes(*words, "-f", str(text))
    assert [line.strip() for line in printed.splitlines()] == expected.replace(" ", "").splitlines()


def test_a_voice_goes_by_its_language_too() -> None:
    assert "ʒ" in phonemes("-v", "fr-fr", "--ipa=1", "bonjour")


def test_an_unknown_voice_is_an_error() -> None:
    done = subprocess.run((*ESPEAK, "-v", "qqq", "hello"), capture_output=True, text=True)
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


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_command_can_be_put_on_the_path(tmp_path: Path) -> None:
    path = install_command(tmp_path / "bin")
    assert path.name == "espeak-ng"
    assert run("-q", "--ipa=1", "-v", "en-us", "cat", command=(str(path),)).decode().strip() == (
        "k_ˈæ_t"
    )
