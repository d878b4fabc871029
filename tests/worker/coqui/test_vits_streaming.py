"""VITS in chunks: the same sound as at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wyoming_csm.worker.coqui.vits_streaming import CHUNK_FRAMES, spans

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("frames", [1, CHUNK_FRAMES, 3 * CHUNK_FRAMES // 2, 559])
def test_spans_cover_all_frames_once(frames: int) -> None:
    found = list(spans(frames))
    assert [n for start, end in found for n in range(start, end)] == list(range(frames))
    assert all(end - start >= CHUNK_FRAMES // 2 or len(found) == 1 for start, end in found)


SCRIPT = """
import json, sys
from pathlib import Path
from tests.tiny_coqui import make_here
here = Path(sys.argv[1])
make_here(here, speakers=["ann", "bob"])
import numpy as np, torch
from TTS.utils.synthesizer import Synthesizer
from wyoming_csm.worker.coqui import vits_streaming
model = Synthesizer(
    tts_checkpoint=here / "model.pth", tts_config_path=here / "config.json"
).tts_model
text = "the kitchen light is on, the front door is locked, and it is warm outside"
speak = lambda: model.synthesize(text=text, speaker="bob")
torch.manual_seed(0)
whole = speak()["wav"]
found = {"rms": float(np.sqrt(np.mean(whole ** 2)))}
reach = vits_streaming.reach(model.args)
for name, frames in (("full", reach), ("short", reach - 8)):
    vits_streaming.reach = lambda args: frames
    torch.manual_seed(0)
    chunks = list(vits_streaming.in_chunks(model, speak))
    found[name] = float(np.abs(np.concatenate(chunks) - whole).max())
print(json.dumps({**found, "chunks": len(chunks)}))
"""


@pytest.mark.slow
def test_the_chunks_of_vits_are_the_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, check=True, cwd=ROOT
    )
    found = json.loads(done.stdout)
    assert found["chunks"] >= 4
    assert found["full"] < 1e-5 * found["rms"]
    assert found["short"] > 1e-5 * found["rms"]  # so the margin is needed, and is seen to be
