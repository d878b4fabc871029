"""One voice's folder: what is read, what is refused and with which words."""

import os
from pathlib import Path

import pytest

from tests.voice_folders import make, record
from wyoming_csm.errors import VoiceError
from wyoming_csm.recordings import read_voice


def complaint(folder: Path) -> str:
    with pytest.raises(VoiceError) as caught:
        read_voice(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_voice_and_its_settings(tmp_path: Path) -> None:
    folder = make(tmp_path, settings="language: de-CH\ndescription: Anna, ruhig\nspeaker: 3\n")
    voice = read_voice(folder)
    assert (voice.name, voice.language, voice.description) == ("ann", "de-CH", "Anna, ruhig")
    assert (voice.engine, voice.speaker) == ("csm", "3")
    (clip,) = voice.clips
    assert (clip.path, clip.text) == (str(folder / "clip.wav"), "Hello there.")
    record(folder / "clip.wav", seconds=2)
    assert read_voice(folder).clips != (clip,), "another recording"


def test_settings_may_be_left_out(tmp_path: Path) -> None:
    for name, settings in (("a", None), ("b", ""), ("c", "# nothing\n")):
        voice = read_voice(make(tmp_path, name, settings))
        assert (voice.language, voice.description, voice.speaker) == ("en", name, "0")


def test_words_over_several_lines(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "clip.txt").write_bytes(b"\xef\xbb\xbfOne two\r\n  three.\r\n")
    assert read_voice(folder).clips[0].text == "One two three."


def test_the_best_recording_is_taken(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "clip.bak").write_bytes(b"not sound")
    (folder / "clip.txt.orig").write_text("old")
    record(folder / "clip.flac")
    assert read_voice(folder).clips[0].path.endswith("clip.wav")
    (folder / "clip.wav").rename(folder / "clip.WAV")
    assert read_voice(folder).clips[0].path.endswith("clip.WAV")
    (folder / "clip.WAV").unlink()
    assert read_voice(folder).clips[0].path.endswith("clip.flac")


def test_paths_do_not_depend_on_where_the_child_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert read_voice(Path("ann")).clips[0].path == str(tmp_path / "ann/clip.wav")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("langage: de", "langage: unknown setting; did you mean 'language'?"),
        ("language: no", "language: Expected `str`, got `bool`; write it in quotes"),
        ("language: german", "language: wrong form (en, de-CH)"),
        ("language: ../../x", "language: wrong form"),
        ("speaker: -1", "speaker: Expected `int` >= 0"),
        ("speaker: one", "speaker: Expected `int`, got `str`"),
        ("speaker: .nan", "speaker: Expected `int`"),
        ('description: "a\\nb"', "description: one line"),
        ('description: "\\uD800"', "description: one line"),
        (f"description: {'x' * 201}", "description: Expected `str` of length <= 200"),
        ("speaker: 1\nspeaker: 2", "line 2: 'speaker' is set twice"),
        ("{", "line 1"),
        ("- 1", "no table of settings"),
    ],
)
def test_wrong_settings(tmp_path: Path, settings: str, words: str) -> None:
    said = complaint(make(tmp_path, settings=settings))
    assert said.startswith("voice.yaml")
    assert words in said


def test_missing_parts(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "clip.txt").write_text(" \n")
    assert "clip.txt is empty" in complaint(folder)
    (folder / "clip.txt").write_bytes(b"\xff\x81")
    assert "not UTF-8" in complaint(folder)
    (folder / "clip.txt").write_text("x" * 3_001)
    assert "longer than 3000" in complaint(folder)
    (folder / "clip.txt").unlink()
    assert "clip.txt is missing" in complaint(folder)
    (folder / "clip.txt").mkdir()
    assert "clip.txt is not a file" in complaint(folder)
    (folder / "clip.wav").unlink()
    assert "clip.wav is missing" in complaint(folder)


def test_recordings_that_do_not_serve(tmp_path: Path) -> None:
    folder = make(tmp_path)
    clip = folder / "clip.wav"
    record(clip, seconds=61)
    assert "lasts 61.0 s" in complaint(folder)
    for seconds in (0, 0.5):
        record(clip, seconds=seconds)
        assert f"lasts {seconds:.1f} s" in complaint(folder)
    record(clip, channels=9)
    assert "9 channels" in complaint(folder)
    record(clip, rate=200_000)
    assert "200000 Hz" in complaint(folder)
    clip.write_bytes(b"RIFF")
    assert "not a recording" in complaint(folder)
    clip.write_bytes(b"")
    assert complaint(folder) == "clip.wav is empty: copy it again"
    clip.unlink()
    clip.mkdir()
    assert "not a file" in complaint(folder)


@pytest.mark.parametrize("name", ["clip.wav", "clip.txt", "voice.yaml"])
def test_nothing_waits_at_a_pipe(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert "is not a file" in complaint(folder)


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "clip.wav").unlink()
    (folder / "clip.wav").symlink_to("clip.wav")
    assert "not a file" in complaint(folder)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    assert complaint(tmp_path / "ann") == "ann cannot be read: No such file or directory"
