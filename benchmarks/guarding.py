"""The guard on speech: how much of it is cut, how late it is, what a frame costs; and what is done
with sound that goes wrong after it.

Run with `python -m benchmarks.guarding [FOLDER]`: Pico's voices, and the recordings (*.wav) of a
folder, each with its words beside it (*.txt), grouped by what their names begin with up to a `-`.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME, Samples, from_pcm, read_clip, to_pcm
from wyoming_csm.worker.csm.cost import FRAME_SECONDS
from wyoming_csm.worker.csm.ending import Ending, Then
from wyoming_csm.worker.csm.usual import Usual, frame_limit
from wyoming_csm.worker.system.pico import Pico

VOICES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT")
_ROOMS = ("kitchen", "bathroom", "living room", "hallway", "garage", "attic")
_DONE = (("light", "turned on"), ("heating", "set to nineteen degrees"), ("window", "left open"))
# What speech has that is nearest to going wrong: words that come again, long vowels, pauses, speed.
TEXTS = (
    "Yes.",
    "Done!",
    "No, no, no, no, no!",
    "Ha ha ha ha, that is very funny.",
    "Beep, beep, beep, beep.",
    "Aaah, that feels good.",
    "Mmmm, delicious.",
    "Wait... what was that?",
    "The code is alpha, bravo, seven, seven, seven, zero.",
    "N A S A, E S A and C E R N.",
    "A long, long, long, long time ago there was a king.",
    "She sells sea shells by the sea shore.",
    "Attention, attention, the water in the cellar is rising!",
    "Red. Green. Blue.",
    "Well, I do not know; perhaps, and only perhaps, it will work tomorrow.",
    "Your list has milk, bread, butter, eggs, cheese, tomatoes, onions, garlic, rice, and coffee.",
    "The energy price falls at two in the morning, and the car is charged then, so that it is full"
    " when you leave at seven.",
    *(f"The {t} in the {r} was {d}." for r, (t, d) in product(_ROOMS, _DONE)),
)
_FRAME_BYTES = 2 * SAMPLES_PER_FRAME
_MOST_SECONDS = 90.0
_ENDLESS = 400  # frames
_ROOM = 1_000  # frames that a slot has room for


@dataclass
class Speech:
    """A sentence as frames of 80 ms, s16le."""

    voice: str
    text: str
    frames: list[bytes]


@dataclass
class Run:
    """What came of a sentence."""

    sent: list[bytes] = field(default_factory=list)
    then: Then = Then.MORE
    reason: str = ""
    tries: int = 1
    late: Counter[int] = field(default_factory=Counter)  # frames that waited, by how many did
    seconds: list[float] = field(default_factory=list)  # of each frame


def frames_of(pcm: bytes) -> list[bytes]:
    """Cut s16le into frames; the last is filled up with silence."""
    whole = pcm + bytes(-len(pcm) % _FRAME_BYTES)
    return [whole[i : i + _FRAME_BYTES] for i in range(0, len(whole), _FRAME_BYTES)]


def pico(voices: tuple[str, ...] = VOICES, texts: tuple[str, ...] = TEXTS) -> Iterator[Speech]:
    """Speak all texts in all voices."""
    speaker = Pico()
    for voice, text in product(voices, texts):
        yield Speech(voice, text, frames_of(b"".join(speaker.say(text, voice))))


def recorded(folder: Path) -> Iterator[Speech]:
    """Read a folder's recordings."""
    for path in sorted(folder.glob("*.wav")):
        words = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        yield Speech(path.stem.split("-")[0], words, frames_of(to_pcm(read_clip(path))))


def run(usual: Usual, text: str, tries: list[list[bytes]]) -> Run:
    """Guard a sentence whose tries are these frames, each ended by the frame of zeros."""
    ending = Ending(usual, text, frame_limit(text, _MOST_SECONDS, _ROOM), "sound")
    found = Run()
    frames = iter(tries[0])
    while found.then not in (Then.ENDED, Then.CUT):
        frame = next(frames, None)
        begun = time.perf_counter()
        outcome = ending.end() if frame is None else ending.frame(frame)
        found.seconds.append(time.perf_counter() - begun)
        found.sent += outcome.sound
        found.then, found.reason = outcome.then, outcome.reason or found.reason
        if outcome.then is Then.AGAIN:
            frames = iter(tries[min(found.tries, len(tries) - 1)])
            found.tries += 1
        elif frame is not None:
            found.late[0 if outcome.sound else 1] += 1
    return found


def went_wrong(good: list[bytes]) -> dict[str, list[bytes]]:
    """Return what may follow after good speech, or instead of it, for ever."""
    rng = np.random.default_rng(1)
    time_of = np.arange(_ENDLESS * SAMPLES_PER_FRAME) / SAMPLE_RATE
    middle = good[len(good) // 3 :]
    noise = rng.normal(0, 0.1, len(time_of))
    hum: Samples = (0.2 * np.sin(2 * np.pi * 110 * time_of)).astype(np.float32)
    return {
        "silence": frames_of(bytes(_ENDLESS * _FRAME_BYTES)),
        "noise": frames_of(to_pcm(noise)),
        "hum": frames_of(to_pcm(hum)),
        "loud noise": frames_of(to_pcm(10 * noise)),
        "a frame again": middle[:1] * _ENDLESS,
        "a word again": _noisy(middle[:5] * (_ENDLESS // 5), rng),
        "babble": [frame for _ in range(_ENDLESS) for frame in _shuffled(good, rng)][:_ENDLESS],
    }


def _noisy(frames: list[bytes], rng: np.random.Generator) -> list[bytes]:
    """Let no two frames be the same to the bit."""
    return [to_pcm(from_pcm(f) + rng.normal(0, 0.002, SAMPLES_PER_FRAME)) for f in frames]


def _shuffled(frames: list[bytes], rng: np.random.Generator) -> list[bytes]:
    return [frames[i] for i in rng.permutation(len(frames))]


def main(folder: str = "") -> None:
    """Print what became of the speech, then of what goes wrong."""
    speech = [*pico(), *(recorded(Path(folder)) if folder else ())]
    usual: dict[str, Usual] = {}
    runs = [run(usual.setdefault(one.voice, Usual()), one.text, [one.frames]) for one in speech]
    changed = [
        (one.voice, one.text, found.reason)
        for one, found in zip(speech, runs, strict=True)
        if found.sent != one.frames or found.then is not Then.ENDED
    ]
    took = [seconds for found in runs for seconds in found.seconds]
    late = sum((found.late for found in runs), Counter[int]())
    print(
        f"{len(speech)} sentences of {len(usual)} voices, {sum(late.values())} frames: "
        f"{len(changed)} cut or changed, {late[1] / late.total():.1%} of the frames waited, "
        f"{np.median(took) * 1e6:.0f} us a frame"
    )
    for line in changed:
        print("changed:", *line)
    good = next(one for one in speech if one.text.startswith("The light"))
    print_wrong(good, lambda: Usual(), "new voice")
    print_wrong(good, lambda: usual[good.voice], "known voice")


def print_wrong(good: Speech, usual: Callable[[], Usual], whose: str) -> None:
    """Print the seconds that are sent of what follows good speech, and of what is there alone."""
    for name, wrong in went_wrong(good.frames).items():
        after = run(usual(), good.text, [good.frames + wrong])
        alone = run(usual(), good.text, [wrong, wrong, good.frames])
        rest = (len(after.sent) - len(good.frames)) * FRAME_SECONDS
        print(
            f"{whose}, {name}: after speech {rest:.1f} s of it ({after.reason}); alone"
            f" {alone.tries} tries, {len(alone.sent) * FRAME_SECONDS:.1f} s sent ({alone.reason})"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
