"""Recorded voices as prompts: their clips are encoded behind the scenes, each recording once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from wyoming_csm.errors import EngineError
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.voices import Clip, Voice


class VoicePrompts:
    """Used from one thread; the encoder has its own."""

    def __init__(self, encode: Callable[[Clip], Tensor], prompts: PromptBuilder) -> None:
        """`encode` takes seconds, and gives codes [frames, codebooks]."""
        self._encode = encode
        self._prompts = prompts
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="clips")
        self._clips: dict[tuple[int, Clip], tuple[_Stamp, Future[Tensor]]] = {}

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Begin with these voices' clips, so that their first sentence is quick."""
        for voice in voices:
            for clip in voice.clips:
                self._prepared(speaker_of(voice), clip)

    def is_ready(self, voice: Voice, wake: Callable[[], None] | None = None) -> bool:
        """True once all clips are rows, or cannot be; else `wake` is called then, from any
        thread."""
        for clip in voice.clips:
            future = self._prepared(speaker_of(voice), clip)
            if not future.done():
                if wake is not None:
                    future.add_done_callback(lambda _: wake())
                return False
        return True

    def rows(self, voice: Voice) -> Tensor:
        """[positions, codebooks + 1] of a voice that is ready. Raises EngineError, once: the next
        sentence tries again."""
        speaker = speaker_of(voice)
        return self._prompts.join(self._rows_of(speaker, clip) for clip in voice.clips)

    def _prepared(self, speaker: int, clip: Clip) -> Future[Tensor]:
        """Of the recording as it is now: another may have taken its place while this ran."""
        stamp = _stamp(clip)
        known, future = self._clips.get((speaker, clip), (None, None))
        if future is None or stamp not in (None, known):
            future = self._encoder.submit(self._prepare, speaker, clip)
            self._clips[speaker, clip] = stamp, future
        return future

    def _prepare(self, speaker: int, clip: Clip) -> Tensor:
        return self._prompts.segment(Segment(speaker, clip.text, self._encode(clip)))

    def _rows_of(self, speaker: int, clip: Clip) -> Tensor:
        _, future = self._clips[speaker, clip]
        error = future.exception()
        if error is not None:
            del self._clips[speaker, clip]
            raise EngineError(f"the clip {clip.path} could not be used: {error}") from error
        return future.result()


def speaker_of(voice: Voice) -> int:
    """CSM's number for who speaks; a recorded voice's clips have the same."""
    return int(voice.speaker or 0)


_Stamp = tuple[int, int] | None  # size and time of change; None: there is no such file


def _stamp(clip: Clip) -> _Stamp:
    try:
        stat = os.stat(clip.path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
