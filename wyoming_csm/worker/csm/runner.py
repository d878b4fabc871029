"""CSM as the frame loop runs it: a sentence's prompt, slot, seed, frames, limit, use as context."""

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from wyoming_csm.audio import SAMPLE_WIDTH, to_pcm
from wyoming_csm.config import ConversationConfig, CsmConfig
from wyoming_csm.errors import EngineError
from wyoming_csm.model.csm import is_end
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.csm.context import Replies
from wyoming_csm.worker.csm.conversation import Conversations
from wyoming_csm.worker.csm.cost import PrefillPace
from wyoming_csm.worker.csm.ending import Ending, Outcome, Then
from wyoming_csm.worker.csm.frame_loop import Frame, Wait
from wyoming_csm.worker.csm.idle_work import IDLE_SLOT, IdleWork
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.csm.speakers import Making, SpeakerPrompts
from wyoming_csm.worker.csm.usual import UsualVoices, frame_limit
from wyoming_csm.worker.csm.voice_prompts import Report, VoicePrompts, speaker_of
from wyoming_csm.worker.fair_queue import FIRST_SOUND_SECONDS
from wyoming_csm.worker.protocol import Say

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")
# Of sound that a listener has left; its first sentence is due sooner.
_PATIENT_SECONDS = FIRST_SOUND_SECONDS + 0.5
_STORED = np.dtype("<i2")  # of codes outside this process
_OTHER_BITS = 0x1E3779B97F4A7C15  # any that look random


class CsmRunner:
    """A `Runner` (see frame_loop) over the pipeline of frames, used from the loop's thread only."""

    def __init__(
        self,
        pipeline: FramePipeline,
        prompts: PromptBuilder,
        encode: Callable[[Clip], Tensor],
        speakers: SpeakerPrompts,
        config: CsmConfig,
        cache: PrefixCache,
        saving: Iterator[None],
        report: Report | None = None,
        conversations: Conversations | None = None,
    ) -> None:
        """`prompts` are for as many positions as a slot of the pipeline has. `saving` writes the
        weights to disk, step by step. `report` is told what becomes of each clip, from any
        thread."""
        self._pipeline = pipeline
        self._prompts = prompts
        self._config = config
        self._cache = cache
        self._voices = VoicePrompts(encode, prompts, report)
        conversations = conversations or Conversations(ConversationConfig(), cache)
        self._replies = Replies(cache, config.context_seconds, conversations)
        self._usual = UsualVoices()
        self._speakers = speakers
        self._idle_work = IdleWork(pipeline, self._voices, cache, saving)
        self._pace = PrefillPace(self._mark if pipeline.device.type == "cuda" else None)
        self._warned = False  # of temperatures that cannot be had
        self.slots, self.ahead = pipeline.slots, pipeline.ahead

    def warm_up(self, progress: Callable[[str], None]) -> None:
        """Load what the first use of a device loads, and measure, before any sentence comes.

        Raises torch.OutOfMemoryError.
        """
        self._pipeline.capture(progress)
        short = self._prompts.build((), 0, "Hello.")
        for times in (1, 4, 8):  # kernels for few positions, more and many: first they are built
            self._pipeline.prefill(0, short.repeat(times, 1), seed=0)
        for prompt in (short, short.repeat(8, 1)):
            with self._pace.measured(len(prompt)):
                self._pipeline.prefill(0, prompt, seed=0)
        self._pipeline.start_sound(0)
        for _ in range(2):
            self._pipeline.launch([0])()
        self._pipeline.release(0)

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Encode these voices' clips, and prefill them in idle moments."""
        self._voices.prepare(voices)
        self._idle_work.add(voices)

    def prepare_speakers(self, speakers: Iterable[int]) -> None:
        """Let these speakers, without a clip, get voices that stay in idle moments."""
        for speaker in speakers:
            if self._speakers.lacks(speaker):
                self._idle_work.add_speaker(speaker, partial(self._reference, speaker))

    def idle(self) -> bool:
        self.prepare_speakers(self._speakers.rerolled())
        return self._idle_work.step()

    def is_prepared(self, say: Say) -> bool:
        return self._voices.is_ready(say.voice)

    def start(self, sentence: Sentence) -> None:
        """Make the prompt: the voice's, as much of the replies before and of this one as there is
        room for, the text.

        What is cached of its beginning goes into the slot. Raises EngineError.
        """
        self._idle_work.stop()
        say, prompts = sentence.say, self._prompts
        voice = self._voice(say)
        self._replies.begin(say, voice, prompts.room(voice, voice[:0]) // 2)
        self._recall(say)
        before, said = self._replies.context(say.reply)
        text = prompts.segment(Segment(speaker_of(say.voice), say.text))
        room = prompts.room(voice, text) - self.ahead
        sentence.max_frames = frame_limit(say.text, self._config.max_seconds, room)
        if room < sentence.max_frames and not say.voice.clips:
            voice = voice[:0]  # rather another voice than none
        sentence.ending = self._ending(sentence)
        sentence.seed = choose_seed(self._config.seed, len(said))
        sentence.prompt = prompts.fit(
            voice, (*before, *said), text, sentence.max_frames + self.ahead
        )
        sentence.positions = len(sentence.prompt)
        sentence.voice_positions, sentence.text_positions = len(voice), len(text)
        sentence.repeatable = len(voice) > 0 and not before
        cached = self._cache.longest_prefix(sentence.prompt)
        if cached is not None:
            self._pipeline.restore(sentence.slot, cached)
            sentence.prefilled = cached.shape[3]
        self._pipeline.start_sound(sentence.slot)
        if not self._pipeline.set_temperature(sentence.slot, say.voice.manner.temperature):
            self._warn_of_temperature()

    def prefill(self, sentence: Sentence, start: int, end: int) -> None:
        """Read these positions of the prompt. Raises EngineError if memory is short."""
        slot, tokens = sentence.slot, sentence.prompt[start:end]
        with self._pace.measured(end - start):
            self._with_room(lambda: self._pipeline.prefill(slot, tokens, sentence.seed, start))
        if start < sentence.voice_positions <= end:
            self._store(slot, sentence.prompt[: sentence.voice_positions])

    def launch(self, sentences: Sequence[Sentence]) -> Wait:
        """Start a frame of each. Raises EngineError if memory is short: with fewer it may do."""
        slots = [sentence.slot for sentence in sentences]
        handle = self._with_room(lambda: self._pipeline.launch(slots))
        return lambda: _frames(*handle())

    def read(self, sentence: Sentence, frame: Frame) -> tuple[list[bytes], bool]:
        """Take a frame; the frame of zeros has no sound.

        A sentence spoken to its end becomes context; one that was cut or stopped does not. Raises
        EngineError for what was made of a NaN: what sounds of it is chance.
        """
        if sentence.stale:
            sentence.stale -= 1
            return [], False
        if frame.is_broken:
            self._cache.clear()  # whatever it came from, it is not read again
            raise EngineError("its numbers went bad (NaN)")
        if frame.is_end:
            outcome = sentence.ending.end()
        else:
            assert frame.codes is not None
            sentence.codes.append(frame.codes)
            outcome = sentence.ending.frame(frame.pcm, frame.codes)
        if outcome.reason:
            self._say_fault(sentence, outcome)
        if outcome.then is Then.AGAIN:
            self._retry(sentence)
        elif outcome.then is Then.ENDED:
            self._remember(sentence)
        return outcome.sound, outcome.then in (Then.ENDED, Then.CUT)

    def release(self, sentence: Sentence) -> None:
        self._pipeline.release(sentence.slot)

    def end_reply(self, reply: int) -> None:
        following = self._replies.end(reply)
        if following is not None:
            self._idle_work.add_prompt(f"The context of the reply after {reply}", following)
        self._speakers.end_reply(reply)

    def step_seconds(self, n: int) -> float:
        return self._pipeline.step_seconds(n)

    def prefill_seconds(self, positions: int) -> float:
        return self._pace.seconds(positions)

    def _recall(self, say: Say) -> None:
        """Take what others said in the reply as what it said; what cannot be read is left out."""
        for said in say.said:
            try:
                codes = np.frombuffer(said.codes, _STORED).astype(np.int64)
                frames = torch.from_numpy(codes.reshape(-1, self._prompts.codebooks))
                segment = Segment(speaker_of(say.voice), said.text, frames)
                self._replies.recall(say.reply, self._prompts.segment(segment), len(frames))
            except ValueError as error:
                _LOGGER.warning("A sentence is no context for the next one: %s", error)

    def _voice(self, say: Say) -> Tensor:
        if say.voice.clips:
            return self._voices.prompt(say.voice)
        speaker = speaker_of(say.voice)
        self.prepare_speakers([speaker])
        return self._speakers.prompt(speaker, say.reply)

    def _reference(self, speaker: int) -> Making:
        return self._speakers.make(speaker, self._pipeline, IDLE_SLOT, self._config)

    def _warn_of_temperature(self) -> None:
        if not self._warned:
            _LOGGER.warning(
                "A preset's temperature has no effect: csm.temperature is 0 (or the checkpoint says"
                " so), so that the likeliest codes are always taken"
            )
        self._warned = True

    def _retry(self, sentence: Sentence) -> None:
        """Let another seed speak from the prompt's last position on. Frames in flight are those of
        the try before."""
        sentence.codes.clear()
        sentence.stale = sentence.in_flight
        sentence.seed = another_seed(sentence.seed)
        sentence.prefilled = sentence.positions - 1
        self._pipeline.start_sound(sentence.slot)

    def _ending(self, sentence: Sentence) -> Ending:
        usual = self._usual.of(sentence.say.voice)
        patient = sentence.deadline - sentence.advanced > _PATIENT_SECONDS
        return Ending(usual, sentence.say.text, sentence.max_frames, self._config.guard, patient)

    def _say_fault(self, sentence: Sentence, outcome: Outcome) -> None:
        again = outcome.then is Then.AGAIN
        _LOGGER.log(
            logging.INFO if again else logging.WARNING,
            "A sentence of %d characters went bad at its frame %d (%s) and %s",
            len(sentence.say.text),
            len(sentence.codes),
            outcome.reason,
            "is begun again with another seed" if again else "was cut off",
        )

    def _remember(self, sentence: Sentence) -> None:
        if sentence.codes:
            codes = torch.stack(sentence.codes)
            if sentence.repeatable:
                sentence.whole = True
                sentence.frames = codes.cpu().numpy().astype(_STORED).tobytes()
            frames = self._prompts.frames(codes)
            reply = sentence.say.reply
            parked = self._replies.add(reply, sentence.prompt, sentence.text_positions, frames)
            if parked is not None:
                self._store(sentence.slot, parked)

    def _mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._pipeline.device))
        return event

    def _store(self, slot: int, tokens: Tensor) -> None:
        self._cache.store(tokens, lambda n: self._pipeline.save(slot, n))

    def _with_room(self, work: Callable[[], _T]) -> _T:
        """Empty the cache where memory is short; if that is not enough, raise EngineError."""
        try:
            return work()
        except torch.OutOfMemoryError:
            self._cache.clear()
        torch.cuda.empty_cache()
        try:
            return work()
        except torch.OutOfMemoryError as error:
            raise EngineError("the GPU's memory is too full for this sentence") from error


def _frames(codes: Tensor, sound: Tensor) -> list[Frame]:
    samples = sound.numpy()
    pcm, size = to_pcm(samples), sound.shape[1] * SAMPLE_WIDTH
    chunks = (pcm[start : start + size] for start in range(0, len(pcm), size))
    broken = np.isnan(samples.sum(axis=1)).tolist()
    return [*map(Frame, chunks, is_end(codes).tolist(), broken, codes)]


def choose_seed(configured: int | None, said: int) -> int:
    """Return the configured one, plus one for each sentence of the reply that is its context."""
    return secrets.randbits(63) if configured is None else (configured + said) % 2**63


def another_seed(seed: int) -> int:
    """Return another of 63 bits, always the same for the same `seed`."""
    return (seed + _OTHER_BITS) % 2**63
