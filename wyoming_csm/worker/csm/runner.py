"""CSM on its stage: sentences in slots, from their prompts to the sound of each frame."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from torch import Tensor

from wyoming_csm.audio import SAMPLE_WIDTH, to_pcm
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineError
from wyoming_csm.model.csm import is_end
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.csm.context import Replies
from wyoming_csm.worker.csm.cost import PrefillPace
from wyoming_csm.worker.csm.endings import FRAMES_PER_SECOND, another_seed, choose_seed, frame_limit
from wyoming_csm.worker.csm.idle_thread import IdleThread
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.csm.voice_prompts import Report, VoicePrompts, speaker_of
from wyoming_csm.worker.csm.warm_up import VoiceWarmUp
from wyoming_csm.worker.protocol import Say

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(eq=False)
class _Sentence:
    say: Say
    limit: int  # frames
    seed: int
    rows: Tensor  # the whole prompt
    voice: int  # so many of the rows, the first, are the voice's
    text: int  # and so many, the last, are the text to speak
    heard: int = 0  # how many of them the slot has heard
    codes: list[Tensor] = field(default_factory=list)  # each [codebooks]
    over: bool = False  # what is still made for it is for nobody
    ended: bool = False  # by itself
    again: bool = False  # tried once before, and that ended before it sounded


class CsmRunner:
    """A `Runner` (see frame_loop) over the pipeline of frames, used from the loop's thread only."""

    def __init__(
        self,
        pipeline: FramePipeline,
        prompts: PromptBuilder,
        encode: Callable[[Clip], Tensor],
        config: CsmConfig,
        kept: PrefixCache,
        saving: Iterator[None],
        report: Report | None = None,
    ) -> None:
        """`prompts` are for as many positions as a slot of the pipeline has. `saving` writes the
        weights to disk, step by step. `report` is told what becomes of each clip, from any
        thread."""
        self._pipeline = pipeline
        self._prompts = prompts
        self._config = config
        self._kept = kept
        self._voices = VoicePrompts(encode, prompts, report)
        self._replies = Replies(kept, config.context_seconds)
        self._rehearsal = VoiceWarmUp(pipeline, self._voices, kept)
        self._saving = IdleThread(saving)
        self._pace = PrefillPace(self._mark if pipeline.device.type == "cuda" else None)
        self._sentences: dict[int, _Sentence] = {}  # by slot
        self._launched: deque[tuple[FrameHandle, list[_Sentence]]] = deque()

    @property
    def slots(self) -> int:
        """Of the pipeline."""
        return self._pipeline.slots

    @property
    def ahead(self) -> int:
        """Of the pipeline: frames to launch before looking at one."""
        return self._pipeline.ahead

    def warm_up(self, progress: Callable[[str], None]) -> None:
        """Before anybody speaks: what the first use of a device loads, and how long things take.

        Raises torch.OutOfMemoryError.
        """
        self._pipeline.capture(progress)
        short = self._prompts.rows((), 0, "Hello.")
        for times in (1, 4, 8):  # kernels for few rows, more and many: first they are built
            self._pipeline.prefill(0, short.repeat(times, 1), seed=0)
        for rows in (short, short.repeat(8, 1)):
            with self._pace.measured(len(rows)):
                self._pipeline.prefill(0, rows, seed=0)
        self._pipeline.start_sound(0)
        for _ in range(2):
            self._pipeline.launch([0]).wait()
        self._pipeline.release(0)

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Encode these voices' clips and hear them behind the scenes: their first sentence is
        quick then."""
        self._voices.prepare(voices)
        self._rehearsal.add(voices)

    def idle(self) -> bool:
        """Nobody speaks: one piece of what makes a later sentence quick. False: nothing is left."""
        more = self._rehearsal.step()
        if not more:
            self._saving.go()
        return more

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        """True once the voice's clips are codes."""
        return self._voices.is_ready(say.voice, wake)

    def begin(self, slot: int, say: Say) -> int:
        """Voice prompt, as much of the reply as may be heard, the text; what is kept of these is
        heard at once. The positions that are left. Raises EngineError, the slot is free then."""
        self._rehearsal.stop()
        self._saving.pause()
        voice, said = self._voices.rows(say.voice), self._replies.said(say.reply)
        text = self._prompts.segment(Segment(speaker_of(say.voice), say.text))
        room = self._prompts.room(voice, text) - self.ahead
        limit = frame_limit(say.text, self._config.max_seconds, room)
        rows = self._prompts.fit(voice, said, text, limit + self.ahead)
        seed = choose_seed(self._config.seed, len(said))
        sentence = _Sentence(say, limit, seed, rows, len(voice), len(text))
        kept = self._kept.longest_prefix(rows)
        if kept is not None:
            self._pipeline.restore(slot, kept)
            sentence.heard = kept.positions
        self._pipeline.start_sound(slot)
        self._sentences[slot] = sentence
        return len(rows) - sentence.heard

    def prefill(self, slot: int, positions: int) -> bool:
        """Let it hear at most so many more positions; True: that was all, it can speak.

        Raises EngineError: the slot is to be released.
        """
        sentence = self._sentences[slot]
        start, end = sentence.heard, min(sentence.heard + positions, len(sentence.rows))
        rows = sentence.rows[start:end]
        with self._pace.measured(len(rows)):
            self._with_room(lambda: self._pipeline.prefill(slot, rows, sentence.seed, start))
        sentence.heard = end
        if start < sentence.voice <= end:
            self._keep(slot, sentence.rows[: sentence.voice])
        return end == len(sentence.rows)

    def launch(self, active: Sequence[int]) -> None:
        """Start a frame of each. Raises EngineError if memory is short: with fewer it may do."""
        for slot in active:
            sentence = self._sentences[slot]
            if sentence.heard < len(sentence.rows):  # it is tried again
                self.prefill(slot, len(sentence.rows))
                self._pipeline.start_sound(slot)
        launched = self._with_room(lambda: self._pipeline.launch(active))
        self._launched.append((launched, [self._sentences[slot] for slot in active]))

    def collect(self) -> list[Frame]:
        """The oldest launched frame of each slot that was active in it, in their order."""
        launched, sentences = self._launched.popleft()
        codes, sound = launched.wait()
        ends, pcm = is_end(codes).tolist(), to_pcm(sound.numpy())
        size = sound.shape[1] * SAMPLE_WIDTH
        return [
            self._frame(sentence, codes[i], pcm[i * size : (i + 1) * size], ends[i])
            for i, sentence in enumerate(sentences)
        ]

    def release(self, slot: int) -> None:
        """A sentence spoken to its end becomes context; one that was cut or left does not."""
        sentence = self._sentences.pop(slot)
        sentence.over = True
        if sentence.ended and sentence.codes:
            frames = self._prompts.frames(torch.stack(sentence.codes))
            reply = sentence.say.reply
            heard = self._replies.add(reply, sentence.rows, sentence.text, frames)
            if heard is not None:
                self._keep(slot, heard)
        self._pipeline.release(slot)

    def end_reply(self, reply: int) -> None:
        """Drop the reply's context."""
        self._replies.end(reply)

    def step_seconds(self, n: int) -> float:
        """Expected of a frame for n slots."""
        return self._pipeline.step_seconds(n)

    def prefill_seconds(self, positions: int) -> float:
        """Expected of one prefill of so many positions."""
        return self._pace.seconds(positions)

    def _frame(self, sentence: _Sentence, codes: Tensor, pcm: bytes, end: bool) -> Frame:
        """The frame of zeros is no sound but the end."""
        if sentence.over:
            return Frame(b"")
        if end and not sentence.codes and not sentence.again:
            self._try_again(sentence)
            return Frame(b"")
        if end:
            sentence.over = sentence.ended = True
            return Frame(b"", last=True, ended=True)
        sentence.codes.append(codes)
        sentence.over = len(sentence.codes) >= sentence.limit
        if sentence.over:
            _LOGGER.warning(
                "A sentence of %d characters found no end in %.0f s and was cut",
                len(sentence.say.text),
                sentence.limit / FRAMES_PER_SECOND,
            )
        return Frame(pcm, last=sentence.over)

    def _try_again(self, sentence: _Sentence) -> None:
        """It ended before it sounded, as the real model does now and then: another seed speaks.

        From the prompt's last row on, with the next launch; what is under way for the first try
        is for nobody.
        """
        _LOGGER.info("A sentence ended before it sounded and is tried again")
        sentence.over = True
        slot = next(slot for slot, one in self._sentences.items() if one is sentence)
        self._sentences[slot] = replace(
            sentence,
            seed=another_seed(sentence.seed),
            heard=len(sentence.rows) - 1,
            over=False,
            again=True,
        )

    def _mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._pipeline.device))
        return event

    def _keep(self, slot: int, rows: Tensor) -> None:
        """`rows` are the first that the slot heard."""
        self._kept.keep(rows, lambda n: self._pipeline.save(slot, n))

    def _with_room(self, work: Callable[[], _T]) -> _T:
        """Where memory is short, what is kept goes; if that is not enough, this fails alone."""
        try:
            return work()
        except torch.OutOfMemoryError:
            self._kept.clear()
        torch.cuda.empty_cache()
        try:
            return work()
        except torch.OutOfMemoryError as error:
            raise EngineError("the GPU's memory is too full for this sentence") from error
