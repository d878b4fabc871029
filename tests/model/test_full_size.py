"""The real sizes: loads in one pass without a second copy, and speaks on the CPU."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.fixtures.random_csm import make_full_size_csm

# In a process of its own, whose memory is that of the load alone.
_SCRIPT = """
import json, re, sys, time
from pathlib import Path
import torch
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.worker.csm.load import load_pipeline

def peak():  # not getrusage: that remembers what the parent was before exec
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

torch.set_num_threads(1)  # two that share their cores with other tests wait for each other
before, started = peak(), time.monotonic()
folder = Path(sys.argv[1])
config = CsmConfig(slots=1, dtype="bfloat16")
loaded = load_pipeline(config, Checkpoint(folder), folder, torch.device("cpu"))
ready, after = time.monotonic(), peak()
model, pipeline = loaded.generator.model, loaded.pipeline
pipeline.prefill(0, loaded.prompts.build((), 0, "the light is on"), seed=0)
pipeline.start_sound(0)
frames = [pipeline.launch([0])() for _ in range(2)]
print(json.dumps({
    "before": before,
    "peak": after,
    "weights": sum(p.nbytes for part in (model, loaded.decoder) for p in part.parameters()),
    "parameters": sum(p.numel() for p in model.parameters()),
    "frames": [codes[0].tolist() for codes, _ in frames],
    "samples": [sound.shape[1] for _, sound in frames],
    "silent": [not sound.any().item() for _, sound in frames],
    "load_seconds": ready - started,
    "speak_seconds": time.monotonic() - ready,
}))
"""


@pytest.mark.weekly  # 30 s; test_cost.py has the sizes without any value
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_full_size_checkpoint_loads_and_speaks(tmp_path: Path) -> None:
    folder = make_full_size_csm(tmp_path / "csm", torch.bfloat16, sparse=True)
    try:
        out = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(folder)], check=True, capture_output=True, text=True
        )
    finally:
        shutil.rmtree(folder)  # up to 3.3 GB: pytest leaves the last three
    found = json.loads(out.stdout)
    frames = found.pop("frames")
    print(found)
    assert 1.61e9 < found["parameters"] < 1.62e9  # 65 M of them the folded table
    assert [len(frame) for frame in frames] == [32, 32]
    assert max(map(max, frames)) < 2048
    assert found["samples"] == [1920, 1920]
    assert found["silent"] == [False, False]
    # Interpreter, torch and a slot's state included: what the machine must have. PyTorch's CUDA
    # build takes a gigabyte by itself, which is not what is tested here.
    own = found["peak"] - (found["before"] if torch.version.cuda else 0)
    assert own <= 1.2 * found["weights"]
