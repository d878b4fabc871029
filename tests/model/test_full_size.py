"""The real sizes: loads in one pass without a second copy, and speaks on the CPU."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.tiny_csm import make_full_size_csm

# In a process of its own, whose memory is that of the load alone.
_SCRIPT = """
import json, re, sys, time
from pathlib import Path
import torch
from wyoming_csm.config import CsmConfig
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.load import load_runner
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.protocol import Say

def peak():  # not getrusage: that remembers what the parent was before exec
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

before, started = peak(), time.monotonic()
folder = Path(sys.argv[1])
runner = load_runner(CsmConfig(slots=1, dtype="bfloat16"), folder, folder, torch.device("cpu"))
loaded, after = time.monotonic(), peak()
speaker = Voice(name="speaker_0", language="en", description="", engine="csm", speaker="0")
sentence = Sentence(Say(1, 1, "", "the light is on", speaker), deadline=0.0, slot=0)
runner.start(sentence)
pipeline = runner._pipeline
model, codec = pipeline._generator.model, pipeline._decoder
frames, sound = [], []
for start in range(0, sentence.positions, 64):
    runner.prefill(sentence, start, min(start + 64, sentence.positions))
for _ in range(2):
    (frame,) = runner.launch([sentence])()
    sound.append(frame.pcm)
    frames.append(frame.codes.tolist())
print(json.dumps({
    "before": before,
    "peak": after,
    "weights": sum(p.nbytes for part in (model, codec) for p in part.parameters()),
    "parameters": sum(p.numel() for p in model.parameters()),
    "frames": frames,
    "bytes": [len(pcm) for pcm in sound],
    "silent": [not any(pcm) for pcm in sound],
    "load_seconds": loaded - started,
    "speak_seconds": time.monotonic() - loaded,
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_full_size_checkpoint_loads_and_speaks(tmp_path: Path) -> None:
    folder = make_full_size_csm(tmp_path / "csm", torch.bfloat16)
    try:
        out = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(folder)], check=True, capture_output=True, text=True
        )
    finally:
        shutil.rmtree(folder)  # 3.3 GB: pytest would keep the last three
    found = json.loads(out.stdout)
    frames = found.pop("frames")
    print(found)
    assert 1.61e9 < found["parameters"] < 1.62e9  # 65 M of them the folded table
    assert [len(frame) for frame in frames] == [32, 32]
    assert max(map(max, frames)) < 2048
    assert found["bytes"] == [2 * 1920] * 2
    assert found["silent"] == [False, False]
    # Interpreter, torch and a slot's state included: what the machine must have. PyTorch's CUDA
    # build takes a gigabyte by itself, which is not what is tested here.
    own = found["peak"] - (found["before"] if torch.version.cuda else 0)
    assert own <= 1.2 * found["weights"]
