"""VITS in chunks: the same sound as at once."""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from wyoming_csm.audio import Samples
from wyoming_csm.worker.coqui.vits_streaming import FIRST, LEAST, MOST, in_chunks

ROOT = Path(__file__).parents[3]
HOP, RATE = 256, 22_050


def chunks_of(frames: int, seconds: float = 0.0, margin: int = 12) -> Sequence[Samples]:
    """Return the chunks of a layout whose samples are their own numbers, where a frame of a window
    takes so many seconds."""
    clock, windows = [0.0], []

    def decode(start: int, end: int) -> Samples:
        clock[0] += (end - start) * seconds
        windows.append((start, end))
        return np.arange(start * HOP, end * HOP, dtype=np.float32)

    return [*in_chunks(frames, margin, RATE, decode, lambda: clock[0])]


@pytest.mark.parametrize("frames", [1, FIRST, FIRST * 3 // 2, 200, 2_000])
@pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.005, 0.05])
def test_chunks_are_all_samples_once_and_in_order(frames: int, seconds: float) -> None:
    sound = np.concatenate(chunks_of(frames, seconds))
    np.testing.assert_array_equal(sound, np.arange(frames * HOP))


def test_the_first_is_short_and_later_ones_are_as_long_as_the_machine_is_quick() -> None:
    for seconds, longest in ((0.0, MOST), (0.0005, MOST), (0.05, LEAST)):
        sizes = [len(chunk) // HOP for chunk in chunks_of(2_000, seconds)]
        assert sizes[0] == FIRST
        assert max(sizes[1:-1]) == longest


@pytest.mark.parametrize("real_time", [0.02, 0.1, 0.25])
def test_each_is_made_while_the_one_before_it_is_played(real_time: float) -> None:
    """On machines that take this share of a sound's length to decode it."""
    played, at = 0.0, 0.0
    each = real_time * HOP / RATE
    chunks = chunks_of(1_000, each)
    for n, chunk in zip(count(), chunks, strict=False):
        at += (len(chunk) // HOP + (24 if 0 < n < len(chunks) - 1 else 12)) * each
        assert n == 0 or at <= played
        played = (at if n == 0 else played) + len(chunk) / RATE


SCRIPT = """
import json, sys
from pathlib import Path
from tests.tiny_coqui import make_here
here = Path(sys.argv[1])
make_here(here, speakers=["ann", "bob"])
import numpy as np, torch
from TTS.utils.synthesizer import Synthesizer
from wyoming_csm.worker.coqui import model as coqui, vits_streaming
vits = Synthesizer(
    tts_checkpoint=here / "model.pth", tts_config_path=here / "config.json"
).tts_model
text = "the kitchen light is on, the front door is locked, and it is warm outside"
speak = lambda: vits.synthesize(text=text, speaker="bob")
torch.manual_seed(0)
whole = speak()["wav"]
found = {"rms": float(np.sqrt(np.mean(whole ** 2)))}
reach = vits_streaming.reach(vits.args)
for name, frames in (("full", reach), ("short", reach - 8)):
    coqui.reach = lambda args: frames
    torch.manual_seed(0)
    chunks = list(coqui.speak_vits(vits, 22050, speak))
    found[name] = float(np.abs(np.concatenate(chunks) - whole).max())
print(json.dumps({**found, "chunks": len(chunks)}))
"""


@pytest.mark.slow
def test_the_chunks_of_vits_are_the_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, check=True, cwd=ROOT
    )
    found = json.loads(done.stdout)
    assert found["chunks"] >= 3
    assert found["full"] < 1e-5 * found["rms"]
    assert found["short"] > 1e-5 * found["rms"]  # so the margin is needed, and is seen to be
