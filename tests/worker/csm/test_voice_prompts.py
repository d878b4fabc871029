"""Clips become prompts behind the scenes; what becomes of each is told."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor

from tests.worker.csm.runners import SPEAKER
from wyoming_csm.errors import VoiceError
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.csm.voice_prompts import VoicePrompts

GOOD, SILENT = Clip("good.wav", "hello"), Clip("silent.wav", "hello")
PATIENCE = 20.0


class Told:
    """Reports, and a way to wait for so many of them."""

    def __init__(self) -> None:
        self.reports: list[tuple[Clip, str]] = []
        self._more = threading.Condition()

    def __call__(self, clip: Clip, fault: str) -> None:
        with self._more:
            self.reports.append((clip, fault))
            self._more.notify_all()

    def wait(self, number: int) -> list[tuple[Clip, str]]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.reports) >= number, PATIENCE)
            return self.reports


@pytest.fixture(scope="module")
def builder(checkpoint: Path) -> PromptBuilder:
    return PromptBuilder.of(Checkpoint(checkpoint), 256)


def voice(clip: Clip) -> Voice:
    return msgspec.structs.replace(SPEAKER, clips=(clip,))


def encoder(silent: list[Clip]) -> Callable[[Clip], Tensor]:
    def encode(clip: Clip) -> Tensor:
        if clip in silent:
            raise VoiceError("nothing is heard in it")
        return torch.zeros(3, 8, dtype=torch.int64)

    return encode


def test_each_clip_is_reported_and_a_fault_is_one_line(
    builder: PromptBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    told, silent = Told(), [SILENT]
    prompts = VoicePrompts(encoder(silent), builder, told)
    prompts.prepare([voice(GOOD), voice(SILENT), SPEAKER])
    assert told.wait(2) == [(GOOD, ""), (SILENT, "nothing is heard in it")]
    assert prompts.is_ready(voice(SILENT))
    lines = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert [one.getMessage() for one in lines] == [
        "The clip silent.wav cannot be used: nothing is heard in it"
    ]
    prompts.prepare([voice(GOOD)])
    silent.clear()
    prompts.prepare([voice(SILENT)])
    assert told.wait(3)[2:] == [(SILENT, "")], "what failed is tried again, and nothing else"
    assert len(prompts.prompt(voice(SILENT)))


def test_a_recording_that_changed_is_encoded_anew(builder: PromptBuilder) -> None:
    """Whoever asks has seen it, and says so; one that did not change is encoded once."""
    told = Told()
    prompts = VoicePrompts(encoder([]), builder, told)
    changed = msgspec.structs.replace(GOOD, version="2")
    prompts.prepare([voice(GOOD), voice(GOOD), voice(changed), voice(changed)])
    assert told.wait(2) == [(GOOD, ""), (changed, "")]


def test_recordings_that_go_on_changing_take_no_more_memory(
    builder: PromptBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wyoming_csm.worker.csm.voice_prompts.MOST_CLIPS", 3)
    made: list[Tensor] = []

    def encode(clip: Clip) -> Tensor:
        codes = torch.zeros(3, 8, dtype=torch.int64)
        made.append(codes)
        return codes

    told = Told()
    prompts = VoicePrompts(encode, builder, told)
    clips = [msgspec.structs.replace(GOOD, version=str(number)) for number in range(6)]
    prompts.prepare(list(map(voice, clips)))
    told.wait(6)
    prompts.prepare(list(map(voice, clips[3:])))
    prompts.prepare([voice(clips[0])])
    told.wait(7)
    assert len(made) == 7, "the last three were there still, the first was not"


def test_a_recording_on_a_disk_that_does_not_answer_is_told_and_tried_again_by_itself(
    builder: PromptBuilder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sentence that waits for it is spoken by another voice; the next finds it in time."""
    monkeypatch.setattr("wyoming_csm.worker.csm.voice_prompts.AGAIN_SECONDS", 0.01)
    told, tries = Told(), iter(range(3))

    def encode(clip: Clip) -> Tensor:
        if next(tries) < 2:
            raise TimeoutError("the disk does not answer")
        return torch.zeros(3, 8, dtype=torch.int64)

    prompts = VoicePrompts(encode, builder, told)
    prompts.prepare([voice(GOOD)])
    assert told.wait(3) == [*[(GOOD, "the disk does not answer")] * 2, (GOOD, "")]
    assert len(prompts.prompt(voice(GOOD)))
    assert not caplog.records


def test_several_clips_are_one_prompt_in_their_order(builder: PromptBuilder) -> None:
    told = Told()
    other = Clip("other.wav", "good bye")
    several = msgspec.structs.replace(SPEAKER, clips=(GOOD, other))
    prompts = VoicePrompts(encoder([]), builder, told)
    prompts.prepare([several])
    told.wait(2)
    assert prompts.is_ready(several)
    each = [prompts.prompt(voice(clip)) for clip in (GOOD, other)]
    assert torch.equal(prompts.prompt(several), torch.cat(each))


def test_a_voice_is_ready_when_its_clip_is_reported(builder: PromptBuilder) -> None:
    told, recorded = Told(), threading.Event()

    def encode(clip: Clip) -> Tensor:
        assert recorded.wait(PATIENCE)
        return torch.zeros(3, 8, dtype=torch.int64)

    prompts = VoicePrompts(encode, builder, told)
    assert not prompts.is_ready(voice(GOOD))
    assert not prompts.is_ready(voice(GOOD)), "asking again encodes nothing again"
    recorded.set()
    assert told.wait(1) == [(GOOD, "")]
    assert prompts.is_ready(voice(GOOD))
