"""Speakers without a clip: one calm sentence is made for each, and is its prompt from then on."""

import logging
from collections.abc import Generator
from typing import NamedTuple

import torch
from torch import Tensor

from wyoming_csm.audio import to_pcm
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.csm import is_end
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.voices import BARE_SPEAKERS
from wyoming_csm.worker.csm.guard import Guard, Level
from wyoming_csm.worker.csm.speaker_files import Reference, Seen, SpeakerFiles, Stamp
from wyoming_csm.worker.csm.usual import Usual, frame_limit

_LOGGER = logging.getLogger(__name__)

Making = Generator[None, None, None]
TEXT = "It is a quiet morning, and the light falls softly through the kitchen window."
_MOST_SECONDS, _LEAST_FRAMES = 12.0, 25  # of the sentence: people take 5 s
_TRIES = 4


class _Made(NamedTuple):
    seed: int
    stamp: Stamp  # of its file
    prompt: Tensor


class SpeakerPrompts:
    """Prompts of speakers without a clip, used from one thread."""

    def __init__(self, files: SpeakerFiles, prompts: PromptBuilder) -> None:
        self._files = files
        self._prompts = prompts
        self._made: dict[int, _Made] = {}
        self._seeds = self._seeds_now()
        self._replies: dict[int, Tensor] = {}  # what each began with
        self._given_up: set[tuple[int, int]] = set()  # speakers, with the seed
        self._nothing = prompts.join(())

    def prompt(self, speaker: int, reply: int) -> Tensor:
        """Return a speaker's prompt [positions, codebooks + 1], empty if it is not made yet.

        A reply goes on as it began, also if the prompt is made meanwhile.
        """
        if reply not in self._replies:
            _, self._replies[reply] = self._now(speaker)
        return self._replies[reply]

    def end_reply(self, reply: int) -> None:
        """Forget how a reply began."""
        self._replies.pop(reply, None)

    def lacks(self, speaker: int) -> bool:
        """Return whether a speaker's reference is to be made."""
        seed, _ = self._now(speaker)
        made = self._made.get(speaker)
        return (made is None or made.seed != seed) and (speaker, seed) not in self._given_up

    def rerolled(self) -> list[int]:
        """Return the speakers that were to get another voice since this was asked last."""
        before, self._seeds = self._seeds, self._seeds_now()
        return [number for number, seed in enumerate(before) if seed != self._seeds[number]]

    def make(self, speaker: int, pipeline: FramePipeline, slot: int, config: CsmConfig) -> Making:
        """Make and store a speaker's reference in a free slot, a frame at each step.

        Frames that go bad are made again with the next seed, some times. Raises EngineError and
        torch.OutOfMemoryError; the slot is freed however it ends.
        """
        seed, prompt = self._files.look(speaker).seed, self._prompts.build((), speaker, TEXT)
        try:
            for number in range(_TRIES):
                pipeline.prefill(slot, prompt, seed + number)
                pipeline.start_sound(slot)
                codes = yield from self._speak(pipeline, slot, config, len(prompt))
                if codes is not None:
                    self._store(speaker, seed, Reference(TEXT, codes.tolist(), seed))
                    break
            else:
                self._give_up(speaker, seed)
        finally:
            pipeline.release(slot)
        if self.lacks(speaker):  # it was rerolled meanwhile
            yield from self.make(speaker, pipeline, slot, config)

    def _speak(
        self, pipeline: FramePipeline, slot: int, config: CsmConfig, used: int
    ) -> Generator[None, None, Tensor | None]:
        """Return the codes [frames, codebooks] of a sentence that ended well, else None."""
        room = self._prompts.room(self._nothing, self._nothing) - used - 1
        limit = frame_limit(TEXT, min(_MOST_SECONDS, config.max_seconds), room)
        guard = Guard(Usual(), TEXT, min(limit, room), config.guard)
        made: list[Tensor] = []
        while True:
            yield
            codes, samples = pipeline.launch([slot])()
            if is_end(codes)[0]:
                return torch.stack(made) if len(made) >= _LEAST_FRAMES else None
            made.append(codes[0])
            if guard.judge(to_pcm(samples[0].numpy()), codes[0]).level is Level.BAD:
                return None

    def _now(self, speaker: int) -> tuple[int, Tensor]:
        """Return the seed, and the prompt as it is stored; one that is rerolled stays until that
        is made."""
        now, known = self._files.look(speaker), self._made.get(speaker)
        if known is not None and (known.seed, known.stamp) == (now.seed, now.stamp):
            return now.seed, known.prompt
        if now.reference is not None:
            return now.seed, self._note(speaker, now, now.reference)
        if known is not None and known.seed != now.seed:
            return now.seed, known.prompt
        self._made.pop(speaker, None)
        return now.seed, self._nothing

    def _seeds_now(self) -> list[int]:
        return [seen.seed for seen in self._files.looks(range(BARE_SPEAKERS))]

    def _store(self, speaker: int, seed: int, reference: Reference) -> None:
        """Store it; where that fails, it lasts as long as the process."""
        self._files.store(speaker, reference)
        now = self._files.look(speaker)
        if now.seed == seed:
            self._note(speaker, now, now.reference or reference)
            _LOGGER.info("speaker_%d has a voice that stays", speaker)

    def _give_up(self, speaker: int, seed: int) -> None:
        self._given_up.add((speaker, seed))
        how = "as before" if speaker in self._made else "different each time"
        _LOGGER.warning("speaker_%d goes on sounding %s: no try was good", speaker, how)

    def _note(self, speaker: int, seen: Seen, reference: Reference) -> Tensor:
        codes = torch.tensor(reference.codes)
        prompt = self._prompts.segment(Segment(speaker, reference.text, codes))
        self._made[speaker] = _Made(seen.seed, seen.stamp, prompt)
        return prompt
