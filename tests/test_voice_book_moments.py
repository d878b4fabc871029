"""The folder of voices in bad moments: a voice is moved, a disk is away, files cannot be opened."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.test_voice_book import names, warnings
from tests.voice_folders import make, no_descriptors
from wyoming_csm import voice_book
from wyoming_csm.errors import VoiceError
from wyoming_csm.recordings import read_voice
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voices import Voice


def test_a_voice_that_is_being_replaced_stays_for_a_moment(tmp_path: Path) -> None:
    """Between the two steps in which another process does it; never for ever, if that was ended."""
    make(tmp_path, "ann")
    make(tmp_path, "bob")
    make(tmp_path, "cid")
    clock = [0.0]
    book = VoiceBook(tmp_path, clock=lambda: clock[0])
    book.refresh()
    before = tmp_path / f"{voice_book.CHANGING}x" / voice_book.BEFORE
    before.mkdir(parents=True)
    (tmp_path / "ann").rename(before / "ann")
    shutil.rmtree(tmp_path / "cid")
    assert book.refresh()
    assert names(book) == ["ann", "bob"]
    clock[0] += 1.9
    assert not book.refresh()
    clock[0] += 0.1
    assert book.refresh()
    assert names(book) == ["bob"]
    make(tmp_path, "ann")
    assert book.refresh()
    assert names(book) == ["ann", "bob"]


@pytest.mark.parametrize("another", [True, False])
def test_a_voice_that_is_moved_amid_its_reading_is_the_old_one_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    """Never one without words, or none: the folder was there when the look began."""
    ann, other = make(tmp_path, "ann"), make(tmp_path / ".changing-1", "ann")
    (other / "voice.yaml").write_text("description: Other\n")
    book = VoiceBook(tmp_path)
    book.refresh()
    (old,) = book.voices
    (ann / "clip.txt").write_text("It is looked at again.")

    def late(folder: Path) -> Voice:
        ann.rename(tmp_path / ".changing-1/before/ann")
        if another:
            other.rename(ann)
        monkeypatch.undo()
        return read_voice(folder)

    (tmp_path / ".changing-1/before").mkdir()
    monkeypatch.setattr(voice_book, "read_voice", late)
    book.refresh()
    assert book.voices == (old,)
    book.refresh()
    assert [voice.description for voice in book.voices] == ["Other" if another else "ann"]


@pytest.mark.parametrize("changed", [True, False])
@pytest.mark.parametrize("away", ["all", "one"])
def test_what_cannot_be_looked_at_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: bool, away: str
) -> None:
    """When too many files are open, or a network's disk is away."""
    ann, bob = make(tmp_path, "ann"), make(tmp_path, "bob")
    clock = [0.0]
    book, iterdir = VoiceBook(tmp_path, clock=lambda: clock[0]), Path.iterdir
    book.refresh()
    before = book.voices
    if changed:
        (ann / "clip.txt").write_text("These are other words.")
    clock[0] += 2.0

    def failing(path: Path) -> Iterator[Path]:
        if path in (ann, bob):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return iterdir(path)

    with monkeypatch.context() as patch, no_descriptors() if away == "all" else nullcontext():
        if away == "one":
            patch.setattr(Path, "iterdir", failing)
        assert not book.refresh()
    assert book.voices == before
    assert book.refresh() == changed
    assert [voice.fault for voice in book.voices] == ["", ""]


def test_a_fault_of_the_moment_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A voice that could not be read when the server began is well soon; its files are as they
    were."""
    make(tmp_path, "ann")
    clock, moments = [time.time() + 7_200.0], [True]
    monkeypatch.setattr(time, "time", lambda: clock[0])  # the files are old
    book = VoiceBook(tmp_path, clock=lambda: clock[0])

    def late(folder: Path) -> Voice:
        if moments:
            raise VoiceError("clip.txt cannot be read: Input/output error")
        return read_voice(folder)

    monkeypatch.setattr("wyoming_csm.voice_book.read_voice", late)
    book.refresh()
    assert book.voices[0].fault
    moments.clear()
    clock[0] += 30.0
    assert book.refresh()
    assert book.voices[0].fault == ""


def test_a_folder_that_vanishes_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is told where there never was one."""
    book = VoiceBook(tmp_path / "voices")
    book.refresh()
    make(tmp_path / "voices")
    book.refresh()
    shutil.rmtree(tmp_path / "voices")
    for _ in range(3):
        book.refresh()
    assert [message.partition(" is ")[2] for message in warnings(caplog)] == ["not there any more"]
