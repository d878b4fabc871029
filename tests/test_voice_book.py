"""The folder of voices while it is watched: names, links, changes, and what is said how often."""

import logging
import os
from pathlib import Path

import pytest

from tests.voice_folders import make
from wyoming_csm import voices as module
from wyoming_csm.voices import VoiceBook


def names(book: VoiceBook) -> list[str]:
    return [voice.name for voice in book.voices]


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
    kept = book.voices
    assert not book.refresh()
    assert all(new is old for new, old in zip(book.voices, kept, strict=True))
    (ann / "voice.yaml").write_text("description: Ann\n")
    assert book.refresh()
    assert book.voices[0].description == "Ann"
    assert book.voices[1] is kept[1]
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
    assert names(book) == ["ann"]
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "'bob' is left out: clip.txt is missing" in warnings[0].getMessage()
    (bob / "clip.txt").write_text(words)
    assert book.refresh()
    assert names(book) == ["ann", "bob"]


def test_a_voice_that_breaks_is_gone(tmp_path: Path) -> None:
    ann = make(tmp_path)
    book = VoiceBook(tmp_path)
    book.refresh()
    (ann / "clip.wav").write_bytes(b"")
    assert book.refresh()
    assert names(book) == []


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
    monkeypatch.setattr(module, "MAX_VOICES", 2)
    for name in "abc":
        make(tmp_path, name)
    book = VoiceBook(tmp_path)
    for _ in range(3):
        book.refresh()
    assert names(book) == ["a", "b"]
    assert caplog.text.count("the first 2 are used") == 1
