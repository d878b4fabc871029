"""CSM's process where the disk that replicas share does not answer, or fails: it speaks on."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.server.clients import logged
from tests.worker.csm.runners import SPEAKER, Talk, say, voice_of
from tests.worker.csm.test_speakers import LENGTH, idle, prompt, read, talk_with
from wyoming_csm.worker.csm.speaker_files import (
    PatientSpeakerFiles,
    Reference,
    SpeakerFiles,
    reroll,
)

pytestmark = pytest.mark.usefixtures("thread")


def started(checkpoint: Path, data: Path, **settings: object) -> tuple[Talk, Tensor]:
    """A runner whose speaker_0 has said its sentence, and its prompt."""
    talk = talk_with(checkpoint, data, cached=0, **settings)
    read(talk, 1)
    idle(talk)
    return talk, prompt(talk, 2)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """So long that a busy machine makes no disk silent that is well."""
    monkeypatch.setattr("wyoming_csm.worker.csm.speaker_files.LOOK_SECONDS", 1.0)


@pytest.fixture
def hang(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Let the disk hang whoever reads a speaker's seed, as a pipe does that nobody writes; not for
    ever, so that a test which waits for it ends."""
    end = threading.Timer(20.0, answer, (tmp_path,))

    def replace() -> None:
        (tmp_path / "speakers/0.seed").unlink(missing_ok=True)
        os.mkfifo(tmp_path / "speakers/0.seed")
        end.start()

    yield replace
    end.cancel()


def answer(data: Path) -> None:
    """Let what hangs read nothing, and come back."""
    writer = os.open(data / "speakers/0.seed", os.O_RDWR | os.O_NONBLOCK)
    (data / "speakers/0.seed").unlink()
    os.close(writer)
    for thread in threading.enumerate():
        if thread.name == "disk":
            thread.join(60.0)


def test_a_disk_that_does_not_answer_holds_up_no_frame(
    checkpoint: Path, tmp_path: Path, hang: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a sentence's begin nor an idle moment; speakers sound as they did."""
    made, before = started(checkpoint, tmp_path)
    talk = talk_with(checkpoint, tmp_path, cached=0, said=PatientSpeakerFiles)
    assert prompt(talk, 1).equal(before)
    hang()
    try:
        for number in range(2, 6):
            assert prompt(talk, number).equal(before)
            idle(talk)
        (line,) = logged(caplog)
        assert line.getMessage().startswith(f"The disk of {tmp_path / 'speakers'} does not answer")
    finally:
        answer(tmp_path)
    reroll(tmp_path / "speakers", 0)
    idle(made)
    new = prompt(made, 3)
    assert not new.equal(before)
    assert prompt(talk, 6).equal(new)


def test_what_is_made_while_it_does_not_answer_lasts(
    checkpoint: Path, tmp_path: Path, hang: Callable[[], None]
) -> None:
    (tmp_path / "speakers").mkdir()
    hang()
    try:
        _, before = started(checkpoint, tmp_path, said=PatientSpeakerFiles)
        assert len(before) > LENGTH
    finally:
        answer(tmp_path)


@pytest.mark.parametrize("call", ["os.stat", "pathlib.Path.read_text", "pathlib.Path.read_bytes"])
def test_a_disk_that_fails_takes_no_voice_away(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: str,
) -> None:
    """As a soft mount does; one warning, and afterwards what is there counts."""
    talk, before = started(checkpoint, tmp_path)
    folder = tmp_path / "speakers"
    (file,) = folder.glob("*.json")
    os.utime(file, (1, 1))  # it is to be read again
    with monkeypatch.context() as patch:
        patch.setattr(call, failing_below(folder, call))
        for number in range(3, 6):
            assert prompt(talk, number).equal(before)
            assert not talk.runner.idle(), "nothing is to be made"
    assert caplog.text.count("speaker_0 goes on sounding as before: ") == 1
    assert prompt(talk, 6).equal(before)
    file.unlink()
    assert read(talk, 7) == 0


def failing_below(folder: Path, call: str) -> Callable[..., Any]:
    real = os.stat if call == "os.stat" else getattr(Path, call.rpartition(".")[2])

    def fail(path: Any, *args: Any, **kwargs: Any) -> Any:
        if str(path).startswith(str(folder)):
            raise OSError(5, "Input/output error", str(path))
        return real(path, *args, **kwargs)

    return fail


def test_a_reference_is_parsed_once_however_often_it_is_looked_at(tmp_path: Path) -> None:
    """Though it is touched, here and by other replicas, so that it is not the one that goes."""
    files = SpeakerFiles(tmp_path, "abc", 2, 16)
    files.store(0, Reference("hello", [[1, 2]]))
    first = files.look(0).reference
    assert first is not None
    stamp = files.look(0).stamp
    assert files.look(0).stamp == stamp
    os.utime(files.path(0), (1, 1))
    seen = files.look(0)
    assert seen.reference is first
    assert (files.look(0).stamp, files.path(0).stat().st_mtime) == (seen.stamp, 1)


def test_another_process_that_was_quicker_counts(tmp_path: Path) -> None:
    ours = PatientSpeakerFiles(tmp_path, "abc", 2, 16)
    quicker, slower = Reference("hello", [[1, 2]]), Reference("hello", [[3, 4]])
    SpeakerFiles(tmp_path, "abc", 2, 16).store(0, quicker)
    ours.store(0, slower)
    assert ours.look(0).reference == quicker


def test_a_recording_is_not_looked_at_by_the_loop(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, looked = Talk(checkpoint, tmp_path), []
    anna = voice_of("anna")
    talk.recordings["anna"] = torch.full((5, 8), 3)
    real = os.stat

    def stat(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        looked.append(path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", stat)
    talk.release(talk.start(say(2, 2, "yes", anna)))
    talk.release(talk.start(say(3, 3, "yes", SPEAKER)))
    assert "anna" not in looked
    assert looked, "a speaker is"
