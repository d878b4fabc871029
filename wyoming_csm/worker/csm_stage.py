"""CSM on its stage: sentences in slots, a frame of codes for each, and those codes as sound."""

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME, to_pcm
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineError
from wyoming_csm.model.generator import FrameGenerator, is_end
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.frame_loop import Frame
from wyoming_csm.worker.protocol import Say

_LOGGER = logging.getLogger(__name__)

FRAMES_PER_SECOND = SAMPLE_RATE / SAMPLES_PER_FRAME
# Nobody speaks slower than this: what is longer is babble that found no end.
_LIMIT_SECONDS = 4.0
_LIMIT_SECONDS_PER_CHARACTER = 0.2


@dataclass
class _Sentence:
    say: Say
    limit: int  # frames
    codes: list[Tensor] = field(default_factory=list)  # each [codebooks]
    ended: bool = False


class CsmStage:
    """A `Stage` (see frame_loop) over the generator, the codec and the encoder of clips."""

    def __init__(
        self,
        generator: FrameGenerator,
        decoder: MimiDecoder,
        prompts: PromptBuilder,
        encode: Callable[[Clip], Tensor],
        config: CsmConfig,
    ) -> None:
        self._generator = generator
        self._decoder = decoder
        self._device = generator.codes.device
        self._sound = decoder.new_state(generator.slots, self._device)
        self._prompts = prompts
        self._config = config
        self._encode = encode
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="clips")
        self._clips: dict[Clip, tuple[_Stamp, Future[Tensor]]] = {}
        self._sentences: dict[int, _Sentence] = {}
        self._replies: dict[int, list[Segment]] = {}

    @property
    def slots(self) -> int:
        """Of the generator."""
        return self._generator.slots

    def warm_up(self) -> None:
        """Two frames for nobody: the first use of a device loads what every use needs."""
        self._generator.prefill(0, self._prompts.rows((), 0, "Hello."), seed=0)
        self._decoder.reset(self._sound, 0)
        for _ in range(2):
            self._make([0])
        self._generator.release(0)

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Encode these voices' clips behind the scenes, so that their first sentence is quick."""
        for voice in voices:
            for clip in voice.clips:
                self._encoded(clip)

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        """True once the voice's clips are codes."""
        for clip in say.voice.clips:
            future = self._encoded(clip)
            if not future.done():
                future.add_done_callback(lambda _: wake())
                return False
        return True

    def begin(self, slot: int, say: Say) -> None:
        """Voice prompt, as much of the reply as may be heard, the text. Raises EngineError."""
        speaker = _speaker(say.voice)
        voice = [Segment(speaker, clip.text, self._codes_of(clip)) for clip in say.voice.clips]
        limit = self._limit(say.text)
        segments = self._prompts.fit(
            voice, self._replies.get(say.reply, []), speaker, say.text, limit
        )
        rows = self._prompts.rows(segments, speaker, say.text)
        try:
            self._generator.prefill(slot, rows, self._seed(say))
        except torch.OutOfMemoryError as error:  # this sentence's fault, not the others'
            self._generator.release(slot)
            torch.cuda.empty_cache()
            raise EngineError("the GPU's memory is too full for this sentence") from error
        self._decoder.reset(self._sound, slot)
        self._sentences[slot] = _Sentence(say, limit)

    def step(self, active: list[int]) -> list[Frame]:
        """One frame of every active slot; the all-zero frame is no sound but the end."""
        codes, sound = self._make(active)
        return [
            self._frame(slot, row, samples)
            for slot, row, samples in zip(active, codes.cpu(), sound.cpu(), strict=True)
        ]

    def release(self, slot: int) -> None:
        """A sentence spoken to its end becomes context; one that was cut or left does not."""
        sentence = self._sentences.pop(slot)
        self._generator.release(slot)
        if sentence.ended and sentence.codes:
            said = self._replies.setdefault(sentence.say.reply, [])
            speaker = _speaker(sentence.say.voice)
            said.append(Segment(speaker, sentence.say.text, torch.stack(sentence.codes)))
            self._forget_old(said)

    def end_reply(self, reply: int) -> None:
        """Drop the reply's context."""
        self._replies.pop(reply, None)

    @torch.inference_mode()
    def _make(self, active: list[int]) -> tuple[Tensor, Tensor]:
        """Codes [active, codebooks] and samples [active, samples of a frame], on the device."""
        codes = self._generator.step(active)
        every = codes.new_zeros(self.slots, codes.shape[1])
        every[active] = codes
        speaks = torch.zeros(self.slots, dtype=torch.bool, device=self._device)
        speaks[active] = ~is_end(codes)
        return codes, self._decoder.step(every, self._sound, speaks)[active]

    def _frame(self, slot: int, codes: Tensor, samples: Tensor) -> Frame:
        """`codes` [codebooks], `samples` [samples of a frame], both on the host."""
        sentence = self._sentences[slot]
        if is_end(codes):
            sentence.ended = True
            return Frame(b"", last=True, ended=True)
        sentence.codes.append(codes)
        cut = len(sentence.codes) >= sentence.limit
        if cut:
            _LOGGER.warning(
                "A sentence of %d characters found no end in %.0f s and was cut",
                len(sentence.say.text),
                sentence.limit / FRAMES_PER_SECOND,
            )
        return Frame(to_pcm(samples.numpy()), last=cut)

    def _forget_old(self, said: list[Segment]) -> None:
        """Keep what fits into the configured seconds, the newest."""
        room = self._config.context_seconds * FRAMES_PER_SECOND
        kept = 0
        for segment in reversed(said):
            room -= 0 if segment.codes is None else len(segment.codes)
            if room < 0:
                break
            kept += 1
        del said[: len(said) - kept]

    def _limit(self, text: str) -> int:
        seconds = min(
            self._config.max_seconds, _LIMIT_SECONDS + _LIMIT_SECONDS_PER_CHARACTER * len(text)
        )
        return int(seconds * FRAMES_PER_SECOND)

    def _seed(self, say: Say) -> int:
        """The configured seed, plus one for each sentence of the reply that is its context."""
        if self._config.seed is None:
            return secrets.randbits(63)
        return (self._config.seed + len(self._replies.get(say.reply, []))) % 2**63

    def _encoded(self, clip: Clip) -> Future[Tensor]:
        """Of the recording as it is now: another may have taken its place while this ran."""
        stamp = _stamp(clip)
        known, future = self._clips.get(clip, (None, None))
        if future is None or stamp not in (None, known):
            future = self._encoder.submit(self._encode, clip)
            self._clips[clip] = stamp, future
        return future

    def _codes_of(self, clip: Clip) -> Tensor:
        """[frames, codebooks]. Raises EngineError, once: the next sentence tries again."""
        _, future = self._clips[clip]
        error = future.exception()
        if error is not None:
            del self._clips[clip]
            raise EngineError(f"the clip {clip.path} could not be used: {error}") from error
        return future.result()


_Stamp = tuple[int, int] | None  # size and time of change; None: there is no such file


def _stamp(clip: Clip) -> _Stamp:
    try:
        stat = os.stat(clip.path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _speaker(voice: Voice) -> int:
    return int(voice.speaker or 0)
