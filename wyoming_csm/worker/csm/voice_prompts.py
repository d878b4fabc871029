"""Recorded voices as prompts: their clips are encoded behind the scenes, each recording once."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Timer

from torch import Tensor

from wyoming_csm.errors import EngineError
from wyoming_csm.model.prompt import PromptBuilder, Segment
from wyoming_csm.voices import Clip, Voice

_LOGGER = logging.getLogger(__name__)

MOST_CLIPS = 2_000  # in memory, some 30 kB for ten seconds; of 200 voices, ten for each
AGAIN_SECONDS = 5.0  # after a look at a disk that did not answer

Report = Callable[[Clip, str], None]  # why a clip cannot be used; "": it can


class VoicePrompts:
    """Prompts of voices, used from one thread; the encoder has its own."""

    def __init__(
        self, encode: Callable[[Clip], Tensor], prompts: PromptBuilder, report: Report | None = None
    ) -> None:
        """`encode` takes seconds, and gives codes [frames, codebooks]; it raises TimeoutError where
        the clip's disk does not answer. `report` is called in the encoder's thread."""
        self._encode = encode
        self._report = report
        self._prompts = prompts
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="clips")
        self._clips: dict[tuple[int, Clip], Future[Tensor]] = {}
        self._unanswered: set[tuple[int, Clip]] = set()  # to be tried again by themselves

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Begin with these voices' clips, so that their first sentence is quick; what failed
        before is tried again."""
        for voice in voices:
            for clip in voice.clips:
                self._prepared(speaker_of(voice), clip, again=True)
        for oldest in list(self._clips)[: max(0, len(self._clips) - MOST_CLIPS)]:
            del self._clips[oldest]  # of a recording that changed or went, or made anew when needed

    def is_ready(self, voice: Voice) -> bool:
        """True once all clips are encoded, or cannot be; else that begins, and is reported."""
        return all(self._prepared(speaker_of(voice), clip).done() for clip in voice.clips)

    def prompt(self, voice: Voice) -> Tensor:
        """Return the prompt [positions, codebooks + 1] of a voice that is ready.

        Raises EngineError, once: the next sentence tries again.
        """
        found = []
        for clip in voice.clips:
            future = self._clips[speaker_of(voice), clip]
            if (error := future.exception()) is not None:
                del self._clips[speaker_of(voice), clip]
                raise EngineError(f"the clip {clip.path} could not be used: {error}") from error
            found.append(future.result())
        return self._prompts.join(found)

    def _prepared(self, speaker: int, clip: Clip, again: bool = False) -> Future[Tensor]:
        """Encode the recording, or `again` if that failed. One that changed is another clip: who
        asks has looked at its file, and this thread must not, for a disk may hang."""
        future = self._clips.get((speaker, clip))
        failed = future is not None and future.done() and future.exception() is not None
        if future is None or (again and failed):
            future = self._encoder.submit(self._prepare, speaker, clip)
            self._clips[speaker, clip] = future
            future.add_done_callback(lambda done: self._tell(speaker, clip, done))
        return future

    def _tell(self, speaker: int, clip: Clip, done: Future[Tensor]) -> None:
        # once for each try: other voices speak then
        error = done.exception()
        fault = "" if error is None else " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, TimeoutError):  # the disk's own warning says it
            self._try_again(speaker, clip)
        elif fault:
            _LOGGER.warning("The clip %s cannot be used: %s", clip.path, fault)
        if self._report is not None:
            self._report(clip, fault)

    def _try_again(self, speaker: int, clip: Clip) -> None:
        def again() -> None:
            self._unanswered.discard((speaker, clip))
            self._prepared(speaker, clip, again=True)

        if (speaker, clip) not in self._unanswered:
            self._unanswered.add((speaker, clip))
            timer = Timer(AGAIN_SECONDS, again)
            timer.daemon = True
            timer.start()

    def _prepare(self, speaker: int, clip: Clip) -> Tensor:
        return self._prompts.segment(Segment(speaker, clip.text, self._encode(clip)))


def speaker_of(voice: Voice) -> int:
    """Return CSM's number of the speaker; a recorded voice's clips have the same."""
    return int(voice.speaker or 0)
