"""CSM's stage over a tiny checkpoint, and one sentence spoken on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import msgspec
import numpy as np
import soundfile
import torch

from wyoming_csm.audio import SAMPLE_RATE
from wyoming_csm.config import CsmConfig
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.csm import load_stage
from wyoming_csm.worker.csm_stage import CsmStage
from wyoming_csm.worker.frame_loop import Frame
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


def make_stage(checkpoint: Path, data: Path, **settings: object) -> CsmStage:
    config = msgspec.convert({"max_seconds": 1.0, "seed": 7, "slots": 3, **settings}, CsmConfig)
    return load_stage(config, checkpoint, data, CPU, torch.float32)


def prepare(stage: CsmStage, say: Say) -> None:
    ready = Event()
    if not stage.is_prepared(say, ready.set):
        assert ready.wait(60)
        assert stage.is_prepared(say, ready.set)


def speak(stage: CsmStage, say: Say, slot: int = 0) -> list[Frame]:
    """All frames of one sentence."""
    prepare(stage, say)
    stage.begin(slot, say)
    frames: list[Frame] = []
    while not frames or not frames[-1].last:
        frames += stage.step([slot])
    stage.release(slot)
    return frames
