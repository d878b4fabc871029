"""Folders as phones, laptops and file managers fill them: what is found, and what is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.voice_folders import record
from wyoming_csm.errors import VoiceError
from wyoming_csm.recordings import read_voice

CURE = "this kind cannot be read; convert it to WAV, FLAC, OGG or MP3"
M4A = b"\0\0\0\x1cftypM4A \0\0\0\0"


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One recording of each kind."""
    folder = tmp_path_factory.mktemp("sounds")
    for kind in ("wav", "flac", "ogg", "mp3"):
        record(folder / f"a.{kind}", seconds=2, rate=16_000)
    soundfile.write(folder / "a.opus", np.zeros(48_000), 48_000, format="OGG", subtype="OPUS")
    return folder


def fill(folder: Path, sounds: Path, files: str) -> Path:
    """A folder with these files, `|` between them: recordings as their name says, else words."""
    (folder / "ann").mkdir()
    for name in files.split("|"):
        kind = name.rpartition(".")[2].lower()
        if name.startswith((".", "~")) or not (sounds / f"a.{kind}").exists():
            (folder / "ann" / name).write_bytes(M4A if kind in ("m4a", "mp4") else b"Hello.")
        else:
            shutil.copy(sounds / f"a.{kind}", folder / "ann" / name)
    return folder / "ann"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("Clip.WAV|Clip.TXT", "Clip.WAV"),
        ("clip.mp3|clip.txt.txt", "clip.mp3"),
        ("clip.wav.wav|clip.wav.txt", "clip.wav.wav"),
        ("clip (1).wav|clip (1).txt", "clip (1).wav"),
        ("clip - Copy.wav|clip.txt", "clip - Copy.wav"),
        ("recording.wav|recording.txt", "recording.wav"),
        ("New Recording 7.mp3|words.txt|README.txt", "New Recording 7.mp3"),
        ("PTT-20261127-WA0001.opus|clip.txt", "PTT-20261127-WA0001.opus"),
        ("clip.mp3|clip.wav|clip.txt", "clip.wav"),
        ("clip.old.wav|clip.mp3|clip.txt", "clip.mp3"),
        ("clip.wav|clip.m4a|original.flac|clip.txt|notes.txt|a.txt", "clip.wav"),
        ("Thumbs.db|desktop.ini|.DS_Store|._clip.wav|~$clip.docx|clip.wav|clip.txt", "clip.wav"),
        ("._clip.wav|._clip.txt|clip.flac|clip.txt|Voice.YAML", "clip.flac"),
    ],
)
def test_what_is_there_is_found(tmp_path: Path, sounds: Path, files: str, found: str) -> None:
    folder = fill(tmp_path, sounds, files)
    if (folder / "Voice.YAML").exists():
        (folder / "Voice.YAML").write_text("language: de")
    voice = read_voice(folder)
    assert voice.clips[0].path == str(folder / found)
    assert voice.clips[0].text == "Hello."
    assert voice.language == ("de" if "YAML" in files else "en")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("b.wav|b.txt|clip.wav|clip.txt", "clip.wav b.wav"),
        ("Part10.mp3|part10.txt|Part2.flac|part2.TXT", "Part2.flac Part10.mp3"),
        ("clip.wav|clip.mp3|clip.txt|clip2.mp3|clip2.wav|clip2.txt", "clip.wav clip2.wav"),
        ("clip.wav|clip.txt|clip2.wav|clip2.txt|raw.wav|notes.txt", "clip.wav clip2.wav"),
    ],
)
def test_each_recording_with_a_text_of_its_name_is_a_clip(
    tmp_path: Path, sounds: Path, files: str, found: str
) -> None:
    folder = fill(tmp_path, sounds, files)
    for text in folder.glob("*.[tT]*"):
        text.write_text(f"The words of {text.stem.lower()}.")
    clips = read_voice(folder).clips
    assert [Path(clip.path).name for clip in clips] == found.split()
    said = [f"The words of {Path(clip.path).stem.lower()}." for clip in clips]
    assert [clip.text for clip in clips] == said


def test_several_clips_fit_together_or_are_refused_with_a_cure(tmp_path: Path) -> None:
    folder = tmp_path / "ann"
    folder.mkdir()
    for name in ("one", "two", "three"):
        record(folder / f"{name}.wav", seconds=25)
        (folder / f"{name}.txt").write_text("Hello.")
    with pytest.raises(VoiceError, match=r"its 3 clips last 75.0 s: 60 s in all are .* take some"):
        read_voice(folder)
    (folder / "two.txt").unlink()
    assert len(read_voice(folder).clips) == 2


@pytest.mark.parametrize(
    ("seconds", "rate", "channels", "said"),
    [
        (61.0, 8_000, 1, "lasts 61.0 s: 10 to 30 s serve best, 1 to 60 s are allowed"),
        (0.5, 8_000, 1, "lasts 0.5 s"),
        (0.98, 8_000, 1, "lasts 0.98 s"),
        (0.9999, 10_000, 1, "lasts 0.99 s"),
        (60.004, 1_000, 1, "lasts 60.01 s"),
        (1.0, 8_000, 9, "has 9 channels at 8000 Hz: 8 channels at 192000 Hz are the most"),
        (1.0, 192_001, 1, "has 1 channels at 192001 Hz"),
    ],
)
def test_a_recording_beyond_the_bounds_is_refused(
    tmp_path: Path, seconds: float, rate: int, channels: int, said: str
) -> None:
    folder = tmp_path / "ann"
    folder.mkdir()
    record(folder / "clip.wav", seconds, rate, channels)
    (folder / "clip.txt").write_text("Hello.")
    with pytest.raises(VoiceError, match=said):
        read_voice(folder)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("clip.m4a|clip.txt", f"found clip.m4a: {CURE}"),
        ("Clip.M4A|clip.txt|other.wav", f"found Clip.M4A: {CURE}"),
        ("New Recording 3.m4a|clip.txt", f"found New Recording 3.m4a: {CURE}"),
        ("clip.webm|clip.txt", f"found clip.webm: {CURE}"),
        (
            "one.wav|two.wav|clip.txt",
            "several recordings (one.wav, two.wav): call the right one cl",
        ),
        ("clip1.wav|clip2.wav|x.wav|clip.txt", "several recordings (clip1.wav, clip2.wav): call"),
        ("clip.wav|a.txt|b.txt", "several texts (a.txt, b.txt): call the clip's words clip.txt"),
        ("clip.wav|clip.docx", "found clip.docx: save the clip's words as plain text, clip.txt"),
        ("clip.wav|README.txt", "clip.txt is missing: write the exact words of the clip there"),
        ("clip.wav.part|clip.txt", "clip.wav.part is not copied to its end"),
        (
            "clip.txt",
            "clip.wav is missing (there is clip.txt): put a recording of 10 to 30 seconds",
        ),
        (".clip.wav|.DS_Store|desktop.ini", "clip.wav is missing: put a recording of 10 to 30 sec"),
        ("a.jpg|b.jpg|c.jpg|d.jpg", "clip.wav is missing (there is a.jpg, b.jpg, c.jpg, …): put"),
        ("a\nb.jpg", "clip.wav is missing (there is 'a\\nb.jpg'): put"),
        ("a\nb.wav|clip.txt", "'a\\nb.wav' holds what cannot be printed: rename it"),
        ("\udcff.wav|clip.txt", "'\\udcff.wav' holds what cannot be printed: rename it"),
    ],
)
def test_what_cannot_be_used_is_named_for_what_it_is(
    tmp_path: Path, sounds: Path, files: str, said: str
) -> None:
    with pytest.raises(VoiceError) as caught:
        read_voice(fill(tmp_path, sounds, files))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (M4A, "M4A or MP4"),
        (b"\x1aE\xdf\xa3", "WebM"),
        (b"#!AMR\n", "AMR"),
        (b"0&\xb2u\x8ef\xcf\x11", "WMA"),
        (b"\xff\xf1P\x80", "AAC"),
        (b"PK\x03\x04", "a ZIP archive"),
    ],
)
def test_a_wrong_name_makes_no_recording(
    tmp_path: Path, sounds: Path, head: bytes, kind: str
) -> None:
    folder = fill(tmp_path, sounds, "clip.wav|clip.txt")
    (folder / "clip.wav").write_bytes(head + bytes(200))
    with pytest.raises(VoiceError) as caught:
        read_voice(folder)
    assert str(caught.value) == f"clip.wav is really {kind}: {CURE}"


def test_a_name_that_is_wrong_but_harmless(tmp_path: Path, sounds: Path) -> None:
    folder = fill(tmp_path, sounds, "clip.mp3|clip.txt")
    (folder / "clip.mp3").rename(folder / "clip.wav")
    assert read_voice(folder).clips[0].path.endswith("clip.wav")


def test_links_to_files_serve(tmp_path: Path, sounds: Path) -> None:
    folder = fill(tmp_path, sounds, "clip.txt")
    (folder / "clip.wav").symlink_to(sounds / "a.wav")
    assert read_voice(folder).clips[0].path == str(folder / "clip.wav")


FRENCH = "Ça va\u202f? Où est l\u2019œuf\u202f?"


@pytest.mark.parametrize(
    ("data", "language", "words"),
    [
        (FRENCH.encode("utf-8-sig"), "fr", FRENCH),
        (FRENCH.encode("utf-16"), "fr", FRENCH),
        (b"\xfe\xff" + FRENCH.encode("utf-16-be"), "fr", FRENCH),
        ("Hello.\r\nYou.\r\n".encode("utf-16-le"), "en", "Hello. You."),
        ("Größe, 20 €, “ja”".encode("cp1252"), "de", "Größe, 20 €, “ja”"),
        ("Zażółć gęślą jaźń".encode("cp1250"), "pl", "Zażółć gęślą jaźń"),
        ("Съешь ещё".encode("cp1251"), "ru-RU", "Съешь ещё"),
        (b"One\r\n\r\n two.\r\n", "en", "One two."),
        ("Zoe\u0308".encode(), "en", "Zo\xeb"),
        ("\u0645\u06cc\u200c\u062e".encode(), "fa", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_words_in_whatever_a_system_writes_them(
    tmp_path: Path, sounds: Path, data: bytes, language: str, words: str
) -> None:
    folder = fill(tmp_path, sounds, "clip.wav|clip.txt")
    (folder / "clip.txt").write_bytes(data)
    (folder / "voice.yaml").write_text(f"language: {language}")
    assert read_voice(folder).clips[0].text == " ".join(words.split())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "clip.txt is empty"),
        (b"\xef\xbb\xbf\r\n", "clip.txt is empty"),
        (b"{\\rtf1\\ansi Hello.}", "clip.txt is no plain text"),
        (b"PK\x03\x04\x14\x00\x06\x00word", "clip.txt is no plain text"),
        (b"x" * 50_000, "clip.txt is longer than 3000"),
        ("𝄞".encode() * 4_000, "clip.txt is longer than 3000"),
        (("é" * 20_000).encode("utf-16"), "clip.txt is longer than 3000"),
    ],
)
def test_words_that_are_none(tmp_path: Path, sounds: Path, data: bytes, said: str) -> None:
    folder = fill(tmp_path, sounds, "clip.wav|clip.txt")
    (folder / "clip.txt").write_bytes(data)
    with pytest.raises(VoiceError) as caught:
        read_voice(folder)
    assert str(caught.value).startswith(said)
