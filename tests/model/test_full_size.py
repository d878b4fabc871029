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
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.model.weights import Checkpoint

def peak():  # not getrusage: that remembers what the parent was before exec
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

before, started = peak(), time.monotonic()
checkpoint = Checkpoint(Path(sys.argv[1]))
model = checkpoint.load(torch.bfloat16, torch.device("cpu"))
loaded, after = time.monotonic(), peak()
rows = PromptBuilder.of(checkpoint).rows([], 0, "the light is on")
generator = FrameGenerator(model, 1, 64, Sampling(0.9, 50, 0.9, 50))
generator.prefill(0, rows, seed=0)
frames = [generator.step([0])[0].tolist() for _ in range(2)]
print(json.dumps({
    "before": before,
    "peak": after,
    "weights": sum(p.nbytes for p in model.parameters()),
    "parameters": sum(p.numel() for p in model.parameters()),
    "frames": frames,
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
    assert 1.55e9 < found["parameters"] < 1.56e9
    assert [len(frame) for frame in frames] == [32, 32]
    assert max(map(max, frames)) < 2048
    # Interpreter and torch included: what the machine must have.
    assert found["peak"] <= 1.2 * found["weights"]
