"""CSM's runner over a tiny checkpoint, driven as by the frame loop; frames can be scripted."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import soundfile
import torch
from torch import Tensor

from wyoming_csm.audio import SAMPLE_RATE
from wyoming_csm.config import ConversationConfig, CsmConfig
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.csm.conversation import Conversations
from wyoming_csm.worker.csm.frame_loop import Wait
from wyoming_csm.worker.csm.load import choose_sampling, load_pipeline, load_runner, speaker_files
from wyoming_csm.worker.csm.runner import CsmRunner
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.csm.speaker_files import SpeakerFiles
from wyoming_csm.worker.csm.speakers import SpeakerPrompts
from wyoming_csm.worker.protocol import Say

SPEAKER = Voice(name="speaker_0", language="en", description="", engine="csm", speaker="0")
CPU = torch.device("cpu")
CODEBOOKS = 8
SOME, END = [5] * CODEBOOKS, [0] * CODEBOOKS  # a frame's codes
FRAMES = 6  # of a sentence, before its end, unless a test says otherwise


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


def voice_of(path: str, speaker: str = "0") -> Voice:
    return msgspec.structs.replace(
        SPEAKER, speaker=speaker, clips=(Clip(path, "the door is open"),)
    )


def as_read_again(voice: Voice) -> Voice:
    """The voice as the folder of voices has it after its recording changed."""
    clips = tuple(msgspec.structs.replace(clip, version="2") for clip in voice.clips)
    return msgspec.structs.replace(voice, clips=clips)


def say(number: int, reply: int, text: str, voice: Voice = SPEAKER) -> Say:
    return Say(number, reply, "", text, voice)


def config_with(**settings: object) -> CsmConfig:
    small = {"max_seconds": 1.0, "seed": 7, "slots": 3, "dtype": "float32", "guard": "none"}
    return msgspec.convert({**small, **settings}, CsmConfig)


def make_runner(
    checkpoint: Path, data: Path, device: torch.device = CPU, **settings: object
) -> CsmRunner:
    return load_runner(config_with(**settings), Checkpoint(checkpoint), data, device)


class Sound(NamedTuple):
    """What a frame was to its sentence."""

    pcm: bytes
    last: bool = False


def _sound(frames: list[bytes], last: bool) -> Sound:
    return Sound(b"".join(frames), last)


class Driver:
    """Runs sentences on a runner, in the slots and by the chunks that a test says."""

    def __init__(self, runner: CsmRunner) -> None:
        self.runner = runner
        self.in_flight: deque[tuple[Sequence[Sentence], Wait]] = deque()

    def prepare(self, say: Say) -> None:
        given_up = time.monotonic() + 60
        while not self.runner.is_prepared(say):
            assert time.monotonic() < given_up
            time.sleep(0.001)

    def start(self, say: Say, slot: int = 0, chunk: int = 10_000) -> Sentence:
        """Until its prompt is read, so many positions at a time."""
        self.prepare(say)
        sentence = Sentence(say, 0.0, slot)
        self.runner.start(sentence)
        self.read(sentence, chunk)
        return sentence

    def read(self, sentence: Sentence, chunk: int = 10_000) -> None:
        while (start := sentence.prefilled) < sentence.positions:
            sentence.prefilled = min(start + chunk, sentence.positions)
            self.runner.prefill(sentence, start, sentence.prefilled)

    def step(self, *sentences: Sentence) -> dict[Sentence, Sound]:
        """Launch a frame of each; return the oldest step's, if the runner is not to be ahead."""
        for sentence in sentences:
            self.read(sentence)  # a second try begins with its prompt's last position
        wait = self.runner.launch(sentences)
        for sentence in sentences:
            sentence.in_flight += 1
        self.in_flight.append((sentences, wait))
        return self.land() if len(self.in_flight) > self.runner.ahead else {}

    def land(self) -> dict[Sentence, Sound]:
        """Return the oldest step in flight; nothing for a sentence that is over."""
        sentences, wait = self.in_flight.popleft()
        for sentence in sentences:
            sentence.in_flight -= 1
        return {
            sentence: _sound(*self.runner.read(sentence, frame))
            for sentence, frame in zip(sentences, wait(), strict=True)
            if not sentence.finished
        }

    def finish(self, sentence: Sentence, *others: Sentence) -> list[Sound]:
        """Return the frames to come of a sentence, with others beside it."""
        sounds: list[Sound] = []
        while not sounds or not sounds[-1].last:
            landed = self.step(sentence, *others)
            sounds += [landed[sentence]] if sentence in landed else []
        self.release(sentence)
        return sounds

    def release(self, sentence: Sentence) -> None:
        self.runner.release(sentence)
        sentence.finished = True

    def speak(self, say: Say, slot: int = 0, chunk: int = 10_000) -> list[Sound]:
        """Return all frames of a sentence."""
        return self.finish(self.start(say, slot, chunk))


@dataclass
class Try:
    """What is in a row of the batch."""

    prompt: tuple[int, int]  # its positions, the seed
    frames: int = 0


class ScriptedGenerator(FrameGenerator):
    """A random model never ends: this one makes the frames that it is told to.

    `script`: codes by the number of the frame in its sentence, else the model's own. `bad`: of
    sentences that end at once, a prompt's positions and the seed; `bad_frames` is how many
    frames they have.
    """

    def __init__(self, model: CsmModel, slots: int, positions: int, sampling: Sampling) -> None:
        super().__init__(model, slots, positions, sampling)
        self.script: dict[int, Sequence[int]] = {FRAMES: END}
        self.bad: set[tuple[int, int]] = set()
        self.bad_frames = 0
        self.prefilled = 0  # positions, of all prompts
        self.ended_early = 0  # sentences that ended at once
        self.tries: dict[int, Try] = {}  # by row

    def prefill(self, slot: int, prompt: Tensor, seed: int, start: int = 0) -> None:
        super().prefill(slot, prompt, seed, start)
        self.prefilled += len(prompt)
        self.tries[slot] = Try((start + len(prompt), seed))

    def swap(self, one: int, other: int) -> None:
        super().swap(one, other)
        moved = {one: self.tries.pop(other, None), other: self.tries.pop(one, None)}
        self.tries |= {row: mine for row, mine in moved.items() if mine is not None}

    def count(self, active: Sequence[int]) -> None:
        super().count(active)
        for row in active:
            self.tries[row].frames += 1

    def decode_frame(self, rows: int) -> None:
        super().decode_frame(rows)
        for row in [row for row in self.tries if row < rows]:
            mine = self.tries[row]
            bad = (
                mine.frames == self.bad_frames
                and mine.prompt in self.bad
                and bool(self.active[row])
            )
            self.ended_early += bad
            codes = END if bad else self.script.get(mine.frames)
            if codes is not None:
                self.codes[row] = torch.tensor(codes)


class Talk(Driver):
    """A scripted runner, with recordings that need no encoding, and an account of each sentence.

    `computed`: positions that were read of each prompt; `codes`: what was spoken.
    """

    def __init__(
        self,
        checkpoint: Path,
        data: Path,
        recordings: dict[str, Tensor] | None = None,
        *,
        ahead: int = 0,
        device: torch.device = CPU,
        cached: int = 10_000,
        pipeline: type[FramePipeline] = FramePipeline,
        saving: Iterable[None] = (),
        turns: int = 0,
        seconds: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        said: type[SpeakerFiles] = SpeakerFiles,
        **settings: object,
    ) -> None:
        """`cached`: positions that the cache of prefixes has room for. `turns`, `seconds`: of
        conversations, by the `clock`. `said` has what speakers said."""
        config, files = config_with(**settings), Checkpoint(checkpoint)
        loaded = load_pipeline(config, files, data, device)
        slots, positions = loaded.generator.slots, loaded.generator.positions
        sampling = choose_sampling(config, files.generation)
        self.recordings = recordings or {}
        self.generator = ScriptedGenerator(loaded.generator.model, slots, positions, sampling)
        self.prompts = loaded.prompts
        self.position_bytes = self._position_bytes()
        self.cache = PrefixCache(cached * self.position_bytes, self.position_bytes)
        self.pipeline = pipeline(self.generator, loaded.decoder, ahead)
        self.computed: list[int] = []
        self.codes: list[Tensor] = []
        super().__init__(
            CsmRunner(
                self.pipeline,
                loaded.prompts,
                lambda clip: self.recordings[clip.path],
                SpeakerPrompts(speaker_files(files, data / "speakers", said), loaded.prompts),
                config,
                self.cache,
                iter(saving),
                conversations=Conversations(
                    ConversationConfig(turns=turns, seconds=seconds), self.cache, clock
                ),
            )
        )

    def start(self, say: Say, slot: int = 0, chunk: int = 10_000) -> Sentence:
        before = self.generator.prefilled
        sentence = super().start(say, slot, chunk)
        self.computed.append(self.generator.prefilled - before)
        return sentence

    def speak(self, say: Say, slot: int = 0, chunk: int = 10_000) -> list[Sound]:
        sentence = self.start(say, slot, chunk)
        sounds = self.finish(sentence)
        self.codes.append(torch.stack(sentence.codes))
        return sounds

    def follow(self, *script: Sequence[int]) -> None:
        """Let each sentence be these frames."""
        self.generator.script = dict(enumerate(script))

    def own(self, text: str, speaker: int = 0) -> int:
        """Return the positions of a text."""
        return len(self.prompts.build((), speaker, text))

    def _position_bytes(self) -> int:
        self.generator.prefill(0, self.prompts.build((), 0, "a"), seed=0)
        block = self.generator.save(0, 2)
        self.generator.release(0)
        self.generator.tries.clear()
        return block.nbytes // 2
