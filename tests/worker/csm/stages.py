"""CSM's stage over a tiny checkpoint, sentences spoken on it, and a script for its pipeline."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import cast

import msgspec
import numpy as np
import soundfile
import torch
from torch import Tensor

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.kv_cache import KvBlock
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.csm.load import load_runner
from wyoming_csm.worker.csm.runner import CsmRunner
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.protocol import Say

SPEAKER = Voice(name="speaker_0", language="en", description="", engine="csm", speaker="0")
CPU = torch.device("cpu")


@contextmanager
def one_thread() -> Iterator[None]:
    """Several are slower for a model of this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_clip(path: Path) -> Clip:
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    soundfile.write(path, noise, SAMPLE_RATE)
    return Clip(str(path), "One second of noise.")


def make_stage(
    checkpoint: Path, data: Path, device: torch.device = CPU, **settings: object
) -> CsmRunner:
    config = msgspec.convert(
        {"max_seconds": 1.0, "seed": 7, "slots": 3, "dtype": "float32", **settings}, CsmConfig
    )
    return load_runner(config, checkpoint, data, device)


def prepare(stage: CsmRunner, say: Say) -> None:
    ready = Event()
    if not stage.is_prepared(say, ready.set):
        assert ready.wait(60)
        assert stage.is_prepared(say, ready.set)


def begin(stage: CsmRunner, slot: int, say: Say, positions: int = 10_000) -> None:
    """Until the sentence can speak, its prompt heard in pieces of so many positions."""
    prepare(stage, say)
    stage.begin(slot, say)
    while not stage.prefill(slot, positions):
        pass


def step(stage: CsmRunner, active: list[int]) -> list[Frame]:
    """One frame of each."""
    stage.launch(active)
    return stage.collect()


def speak(stage: CsmRunner, say: Say, slot: int = 0) -> list[Frame]:
    """All frames of one sentence."""
    begin(stage, slot, say)
    frames: list[Frame] = []
    while not frames or not frames[-1].last:
        frames += step(stage, [slot])
    stage.release(slot)
    return frames


class Scripted(FramePipeline):
    """Each sentence says what it is told to; prompts are only counted."""

    script: tuple[Sequence[int], ...]
    heard: list[int]  # positions of each prompt, from its beginning
    computed: list[int]  # how many of them were not known before

    def prefill(self, slot: int, rows: Tensor, seed: int, start: int = 0) -> None:
        self.heard.append(start + len(rows))
        self.computed.append(len(rows))
        self.place = 0

    def save(self, slot: int, n: int) -> KvBlock:
        return KvBlock(torch.zeros(1, 2, 1, n, 1))

    def restore(self, slot: int, block: KvBlock) -> None:
        pass

    def launch(self, active: Sequence[int]) -> FrameHandle:
        row = torch.tensor([self.script[self.place]] * len(active))
        self.place += 1
        return cast(FrameHandle, Made(row))


class Made:
    """A frame of these codes."""

    def __init__(self, codes: Tensor) -> None:
        self.codes = codes

    def wait(self) -> tuple[Tensor, Tensor]:
        return self.codes, torch.zeros(len(self.codes), SAMPLES_PER_FRAME)


def scripted(stage: CsmRunner, *script: Sequence[int]) -> Scripted:
    """The stage's pipeline, turned into one that follows a script."""
    pipeline = cast(Scripted, stage._pipeline)
    pipeline.__class__ = Scripted
    pipeline.script, pipeline.heard, pipeline.computed = script, [], []
    return pipeline
