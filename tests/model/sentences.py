"""Sentences for a generator or a pipeline: one alone, and a crowd that comes and goes at random."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.sampling import Sampling

GREEDY = Sampling(temperature=0.0, depth_temperature=0.0)
SAMPLED = Sampling(temperature=0.9, top_k=50, depth_temperature=0.8, depth_top_k=20)
POSITIONS = 150
SLOTS = 5
FRAMES = 10


def prompt(number: int) -> Tensor:
    """Tokens [10 to 100, codebooks + 1] of frames, as good as any."""
    generator = torch.Generator().manual_seed(number)
    n = 10 + number * 37 % 91
    tokens = torch.randint(128, (n, 9), generator=generator)
    tokens[:, -1] = -1
    return tokens


def speak(generator: FrameGenerator, slot: int, tokens: Tensor, seed: int) -> Tensor:
    """FRAMES frames of one slot alone: [frames, codebooks]."""
    generator.prefill(slot, tokens, seed)
    made = torch.cat([generator.step([slot]) for _ in range(FRAMES)])
    generator.release(slot)
    return made


@dataclass
class Sentence:
    number: int
    frames: int
    codes: list[Tensor] = field(default_factory=list)
    sound: list[Tensor] = field(default_factory=list)
    prefilled: int = 0  # of its prompt
    launched: int = 0

    def prefill(self, pipeline: FramePipeline, slot: int, n: int) -> None:
        tokens = prompt(self.number)[self.prefilled : self.prefilled + n]
        pipeline.prefill(slot, tokens, self.number, start=self.prefilled)
        self.prefilled += len(tokens)

    @property
    def is_ready(self) -> bool:
        return self.prefilled == len(prompt(self.number))


def alone(generator: FrameGenerator, decoder: MimiDecoder, number: int) -> Sentence:
    pipeline = FramePipeline(generator, decoder)
    said = Sentence(number, FRAMES)
    said.prefill(pipeline, 0, 1000)
    pipeline.start_sound(0)
    for _ in range(FRAMES):
        codes, samples = pipeline.launch([0])()
        said.codes.append(codes[0])
        said.sound.append(samples[0])
    return said


def crowd(pipeline: FramePipeline, chance: random.Random) -> Iterator[Sentence]:
    """Sentences that come, are prefilled in chunks, speak, pause and leave at random."""
    speaking: dict[int, Sentence] = {}
    in_flight: list[tuple[FrameHandle, list[Sentence]]] = []
    coming = iter(range(14))
    while True:
        free = [slot for slot in range(SLOTS) if slot not in speaking]
        number = next(coming, None) if free and chance.random() < 0.6 else None
        if number is not None:
            slot = chance.choice(free)
            speaking[slot] = Sentence(number, chance.choice([3, FRAMES, FRAMES]))
            pipeline.start_sound(slot)
        for slot, sentence in speaking.items():
            if not sentence.is_ready:
                sentence.prefill(pipeline, slot, chance.choice([7, 100]))
        ready = [slot for slot, sentence in speaking.items() if sentence.is_ready]
        active = chance.sample(ready, chance.randint(1, len(ready))) if ready else []
        if active:
            in_flight.append((pipeline.launch(active), [speaking[slot] for slot in active]))
        for slot in active:
            speaking[slot].launched += 1
            if speaking[slot].launched == speaking[slot].frames:
                pipeline.release(slot)  # its last frame is still being made
                yield speaking.pop(slot)
        while len(in_flight) > (pipeline.ahead if active else 0):
            launched, sentences = in_flight.pop(0)
            for sentence, codes, samples in zip(sentences, *launched(), strict=True):
                sentence.codes.append(codes)
                sentence.sound.append(samples)
        if not speaking and number is None and not free[SLOTS:] and not in_flight:
            number = next(coming, None)
            if number is None:
                return
            speaking[0] = Sentence(number, FRAMES)
            pipeline.start_sound(0)
