"""A sentence with words in letters that its voice does not know: another voice speaks those."""

import logging
from collections.abc import Callable, Iterator

import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm, without_silence
from wyoming_csm.text.scripts import Run, runs, script_of

# Makes the sound of a text as 24 kHz mono s16le.
Say = Callable[[str], Iterator[bytes]]

_QUIET = 0.02  # of the loudest sample
_LEAD_SECONDS, _END_SECONDS = 0.02, 0.05  # of silence at a joint: as between words
_STOP_SECONDS = 0.25  # after a comma or a stop
_MOST_PARTS = 12  # each may take 0.15 s; the rest of a sentence with more is said by one voice
_STOPS = frozenset(".,;:!?…،؛。、，！？")  # noqa: RUF001


class LeftOut:
    """Warns of letters that nobody here can say: once of each voice and script."""

    def __init__(self, logger: logging.Logger, more: str = "") -> None:
        """Take what logs it, and `more` to say of what becomes of them."""
        self._logger, self._more = logger, more
        self._told: set[tuple[str, str]] = set()

    def tell(self, name: str, letters: str) -> None:
        """Say that this voice, or model, leaves these letters out."""
        for script in sorted(set(map(script_of, letters))):
            if (name, script) not in self._told:
                line = "%s leaves out %s letters that it does not know%s"
                self._logger.warning(line, name, script.title() or "some", self._more)
            self._told.add((name, script))


def say_each(
    text: str,
    unknown: Callable[[str], str],
    voice: Say,
    other: Callable[[Run], Say | None],
    left_out: Callable[[str], None],
) -> Iterator[bytes]:
    """Make the sound of a text by the `voice`, and of each run of words with letters that are
    `unknown` to it by what `other` finds for it; where that is None, by the voice, too, and
    `left_out` is told these letters.

    A text for the voice alone comes as that makes it, any other run by run. Raises what they raise.
    """

    def own(words: str) -> Iterator[bytes]:
        if letters := unknown(words):
            left_out(letters)
        return voice(words)

    parts: list[tuple[Say, str]] = []
    for run in runs(text, unknown):
        say = (other(run) if run.strange else None) or own
        last = parts[-1][0] if parts else None
        if last is say or (last not in (None, own) and len(parts) >= _MOST_PARTS):
            parts[-1] = parts[-1][0], parts[-1][1] + run.text
        else:
            parts.append((say, run.text))
    if len(parts) == 1:
        yield from parts[0][0](text)
        return
    level = 0.0  # of the voice's words
    for number, (say, words) in enumerate(parts, 1):
        samples = _trimmed(
            from_pcm(b"".join(say(words))),
            begins=number == 1,
            ends=number == len(parts),
            stops=words.rstrip()[-1:] in _STOPS,
        )
        loud = _level(samples)
        if say is own:
            level = loud or level
        elif level and loud:  # as loud as the words before
            samples *= min(level / loud, 1 / float(np.abs(samples).max()))
        yield to_pcm(samples)


def _trimmed(samples: Samples, *, begins: bool, ends: bool, stops: bool) -> Samples:
    """Cut silence where other words stand beside these."""
    whole = len(samples) / SAMPLE_RATE
    lead = whole if begins else _LEAD_SECONDS
    end = whole if ends else _STOP_SECONDS if stops else _END_SECONDS
    quiet = _QUIET * float(np.abs(samples).max(initial=0.0))
    return without_silence(samples, SAMPLE_RATE, quiet, lead, end)


def _level(samples: Samples) -> float:
    """Return how loud the loud samples are; 0.0 if there are none."""
    sizes = np.abs(samples)
    loud = samples[sizes > 0.1 * sizes.max(initial=0.0)]
    return float(np.sqrt(np.mean(loud**2))) if len(loud) else 0.0
