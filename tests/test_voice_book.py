"""The folder of voices while it is watched: names, links, changes, and what is said how often."""

import logging
import os
import time
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.voice_folders import make
from wyoming_csm import voice_book
from wyoming_csm.voice_book import VoiceBook


def names(book: VoiceBook) -> list[str]:
    return [voice.name for voice in book.voices]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


def test_linked_folders_serve(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere")
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices/bob").symlink_to(tmp_path / "elsewhere/ann")
    (tmp_path / "voices/gone").symlink_to(tmp_path / "nowhere")
    book = VoiceBook(tmp_path / "voices")
    assert book.refresh()
    assert names(book) == ["bob"]


@pytest.mark.parametrize("name", ["Zoë", "安妮", "a b", "100%", "[a-z]*", "%s", "$HOME", "a'b\"c"])
def test_odd_names_serve(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    book = VoiceBook(tmp_path)
    assert book.refresh()
    assert names(book) == [name]


@pytest.mark.parametrize("name", [b"a\nb", b"a\x1b[2J", b"caf\xe9"])
def test_names_that_cannot_be_shown_are_refused(
    tmp_path: Path, name: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "ann")
    make(tmp_path, "bob").rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    book = VoiceBook(tmp_path)
    book.refresh()
    assert names(book) == ["ann"]
    assert "cannot be printed" in caplog.text
    caplog.text.encode()  # the log itself can be written
    assert "\x1b" not in caplog.text


def test_changes_are_seen_and_unchanged_voices_not_read_again(tmp_path: Path) -> None:
    book = VoiceBook(tmp_path / "voices")
    assert not book.refresh()  # no folder at all
    ann = make(tmp_path / "voices", "ann")
    make(tmp_path / "voices", "bob")
    assert book.refresh()
    assert names(book) == ["ann", "bob"]
    before = book.voices
    assert not book.refresh()
    assert all(new is old for new, old in zip(book.voices, before, strict=True))
    (ann / "voice.yaml").write_text("description: Ann\n")
    assert book.refresh()
    assert book.voices[0].description == "Ann"
    assert book.voices[1] is before[1]
    for path in ann.iterdir():
        path.unlink()
    ann.rmdir()
    assert book.refresh()
    assert names(book) == ["bob"]


def test_a_broken_voice_is_one_warning_until_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "ann")
    bob = make(tmp_path, "bob")
    words = (bob / "clip.txt").read_text()
    (bob / "clip.txt").unlink()
    book = VoiceBook(tmp_path)
    for _ in range(3):
        book.refresh()
    assert names(book) == ["ann", "bob"]
    fault = "clip.txt is missing: write the exact words of the clip there"
    assert [(voice.fault, bool(voice.clips)) for voice in book.voices] == [
        ("", True),
        (fault, False),
    ]
    assert warnings(caplog) == [f"Voice 'bob' cannot be used: {fault}"]
    (bob / "clip.txt").write_text(words)
    assert book.refresh()
    assert [voice.fault for voice in book.voices] == ["", ""]


def test_what_is_being_copied_is_said_when_it_rests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a copy is no fault yet; what was there at the start is said at once."""
    make(tmp_path, "ann")
    book = VoiceBook(tmp_path)
    book.refresh()
    (tmp_path / "bob").mkdir()
    book.refresh()
    (tmp_path / "bob/clip.wav").write_bytes((tmp_path / "ann/clip.wav").read_bytes()[:20])
    book.refresh()
    (tmp_path / "bob/clip.wav").write_bytes((tmp_path / "ann/clip.wav").read_bytes())
    book.refresh()
    assert warnings(caplog) == []
    assert book.voices[1].fault.startswith("clip.txt is missing")
    (tmp_path / "bob/clip.txt").write_text("Hello.")
    book.refresh()
    assert [voice.fault for voice in book.voices] == ["", ""]
    (tmp_path / "bob/clip.txt").write_text("")
    for _ in range(3):
        book.refresh()
    assert len(warnings(caplog)) == 1


@pytest.fixture
def whole_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk whose times are coarse: all that is written in this test has one."""
    stat, now = Path.stat, int(time.time()) * 10**9

    def coarse(path: Path, *, follow_symlinks: bool = True) -> SimpleNamespace:
        found = stat(path, follow_symlinks=follow_symlinks)
        times = {"st_mtime_ns": now, "st_ctime_ns": now}
        return SimpleNamespace(st_size=found.st_size, st_mode=found.st_mode, **times)

    monkeypatch.setattr(Path, "stat", coarse)


@pytest.mark.usefixtures("whole_seconds")
def test_a_change_that_times_and_sizes_do_not_show_is_seen(tmp_path: Path) -> None:
    clock = [0.0]
    ann = make(tmp_path)
    book = VoiceBook(tmp_path, clock=lambda: clock[0])
    book.refresh()
    (ann / "clip.txt").write_text("Hullo there.\n")
    assert not book.refresh(), "another change might follow within the disk's second"
    clock[0] += 2.0
    assert book.refresh()
    assert book.voices[0].clips[0].text == "Hullo there."
    (ann / "clip.txt").write_text("Hallo there.\n")
    clock[0] += 9.0
    assert not book.refresh(), "it is read twice, not for ever"


def test_what_is_read_twice_is_one_voice_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "ann")
    (make(tmp_path, "bob") / "clip.txt").unlink()
    (tmp_path / "cid").mkdir()
    clock = [0.0]
    book = VoiceBook(tmp_path, clock=lambda: clock[0])
    assert book.refresh()
    before = book.voices
    for _ in range(3):
        clock[0] += 2.0
        assert not book.refresh()
        assert all(new is old for new, old in zip(book.voices, before, strict=True))
    assert len(warnings(caplog)) == 2


def test_a_folder_that_was_not_meant_as_a_voice_is_none(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/notes.md").write_text("about")
    for name in ("__MACOSX", "@eaDir", ".Trash"):
        make(tmp_path, name)
    book = VoiceBook(tmp_path)
    book.refresh()
    assert names(book) == []


def test_a_recording_without_a_folder_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "anna.m4a").write_bytes(b"sound")
    book = VoiceBook(tmp_path)
    for _ in range(3):
        book.refresh()
    (line,) = warnings(caplog)
    assert line.endswith("itself holds 'anna.m4a': put it in a folder of the voice's name")


def test_a_name_is_one_however_its_letters_are_written(tmp_path: Path) -> None:
    """macOS takes ë apart; a typed name does not."""
    make(tmp_path, unicodedata.normalize("NFD", "Zoë"))
    book = VoiceBook(tmp_path)
    book.refresh()
    assert names(book) == [unicodedata.normalize("NFC", "Zoë")]
    assert Path(book.voices[0].clips[0].path).exists()
    if (tmp_path / "Zoë").exists():
        return  # the disk itself takes them for one
    make(tmp_path, "Zoë")
    book.refresh()
    assert names(book) == ["Zoë"]


def test_a_voice_that_breaks_is_listed_by_its_name(tmp_path: Path) -> None:
    """Home Assistant has stored it."""
    ann = make(tmp_path)
    book = VoiceBook(tmp_path)
    book.refresh()
    (ann / "clip.wav").write_bytes(b"")
    assert book.refresh()
    assert [(voice.name, voice.fault) for voice in book.voices] == [
        ("ann", "clip.wav is empty: copy it again")
    ]


def test_hidden_folders_and_files_are_none(tmp_path: Path) -> None:
    make(tmp_path, ".git")
    (tmp_path / "README.md").write_text("about")
    book = VoiceBook(tmp_path)
    assert not book.refresh()


def test_a_folder_that_is_none_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "voices").write_text("")
    book = VoiceBook(tmp_path / "voices")
    for _ in range(3):
        assert not book.refresh()
    assert caplog.text.count("cannot be read") == 1


def test_too_many_are_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice_book, "MAX_VOICES", 2)
    for name in "abc":
        make(tmp_path, name)
    book = VoiceBook(tmp_path)
    for _ in range(3):
        book.refresh()
    assert names(book) == ["a", "b"]
    assert caplog.text.count("the first 2 are used") == 1
