"""The espeak-ng command: what the system voice and Coqui's phonemizer ask of it."""
# ruff: noqa: RUF001

import io
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from wyoming_csm.worker.system.espeak_ng import find_command, install_command
from wyoming_csm.worker.system.languages import ESPEAK as NAME
from wyoming_csm.worker.system.languages import languages

ESPEAK = (sys.executable, "-m", "wyoming_csm.worker.system.espeak_ng")


def run(*words: str, text: str = "", command: tuple[str, ...] = ESPEAK) -> bytes:
    done = subprocess.run((*command, *words), input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


def phonemes(*words: str, text: str = "") -> str:
    return run("-q", "-b", "1", *words, text=text).decode()


def test_the_command_is_found() -> None:
    assert find_command() == ESPEAK


def test_the_version_is_the_fourth_word() -> None:
    version = run("--version").decode().split()[3]
    assert [int(part) for part in version.split(".")] >= [1, 50]


def test_every_language_of_the_system_voice_is_in_the_list_of_voices() -> None:
    head, *lines = run("--voices").decode().splitlines()
    assert head.split()[:2] == ["Pty", "Language"]
    codes = {line.split()[1] for line in lines}
    assert codes >= {language.codes[NAME] for language in languages()}


def test_phonemes_are_printed_as_the_real_command_prints_them(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("Hello, world!", encoding="utf-8")
    printed = phonemes("-v", "en-us", "--ipa=1", "-f", str(text))
    assert [line.strip() for line in printed.splitlines()] == ["h_ə_l_ˈoʊ", "w_ˈɜː_l_d"]


def test_a_voice_goes_by_its_language_too() -> None:
    assert "ʒ" in phonemes("-v", "fr-fr", "--ipa=1", text="bonjour")


@pytest.mark.parametrize("words", [("--tie=True",), ("--ipa=3",), ("-x",)])
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


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_command_can_be_put_on_the_path(tmp_path: Path) -> None:
    path = install_command(tmp_path / "bin")
    assert path.name == "espeak-ng"
    printed = run("-q", "--ipa=1", "-v", "en-us", text="cat", command=(str(path),))
    assert printed.decode().strip() == "k_ˈæ_t"
