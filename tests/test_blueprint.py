"""The parts of `script/bench blueprint` that need no CUDA build: counting, reading, the table."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.blueprint import generated
from benchmarks.blueprint.__main__ import Wanted, wanted_of, write
from benchmarks.blueprint.cards import CARDS
from benchmarks.blueprint.cubin import Usage, least, parsed
from benchmarks.blueprint.table import table
from benchmarks.blueprint.watching import Watch

ROOT = Path(__file__).parent.parent
CODE = """
from torch._inductor.select_algorithm import extern_kernels
aten = torch.ops.aten
multiply = torch.ops.wyoming_csm.multiply(1)

triton_poi_fused_add_0 = async_compile.triton('triton_poi_fused_add_0', '''
import triton
    other.run(x)
''', device_str='cuda')

class Runner:
    def __init__(self, partitions):
        self.before.run(partitions)

    def call(self, args):
        arg0_1, arg1_1 = args
        args.clear()
        with torch.cuda._DeviceGuard(0):
            buf0 = empty_strided_cuda((1, 1536), (1536, 1), torch.bfloat16)
            # Topologically Sorted Source Nodes: [x], Original ATen: [aten.add]
            # triton_poi_fused_add_0.run(arg0_1)

            raw_stream0 = get_raw_stream(0)
            triton_poi_fused_add_0.run(arg0_1, buf0, 1024, stream=raw_stream0)
            extern_kernels.mm(buf0, reinterpret_tensor(arg1_1, (1, 2), (1, 1), 0), out=buf1)
            buf2 = torch.ops.wyoming_csm.multiply.default(buf0, arg3_1, arg4_1)
            buf3 = torch.ops.aten._scaled_dot_product_cudnn_attention.default(buf0, buf1)
            buf9 = torch.ops.aten.topk.default(buf8, 50, -1, True, True)
            assert_size_stride(buf10, (1, 50), (50, 1), 'torch.ops.aten.topk.default')
            triton_poi_fused_add_0.run(arg0_1, buf0, 1024, stream=raw_stream0)
        return (buf9, )

runner = Runner(partitions=[])
triton_poi_fused_add_0.run(1)
call = runner.call
"""
SAID = """
Resource usage:
 Common:
  GLOBAL:0
 Function _dot_bytes:
  REG:255 STACK:184 SHARED:1024 LOCAL:0 CONSTANT[0]:416 TEXTURE:0 SURFACE:0 SAMPLER:0
"""


def test_launches_are_those_of_the_call_alone() -> None:
    assert generated.launches(CODE) == {"triton": 2, "products": 2, "attention": 1, "other": 1}
    assert generated.attention(CODE) == {"cudnn": 1}
    assert generated.attention(CODE.replace("_cudnn_", "_efficient_")) == {"efficient": 1}


def test_code_of_another_form_is_said() -> None:
    with pytest.raises(ValueError, match="another version of PyTorch"):
        generated.launches(CODE.replace("def call", "def run"))


def test_kernels_are_found_in_generated_code() -> None:
    found = generated.kernels(CODE)
    assert list(found) == ["triton_poi_fused_add_0"]
    assert found["triton_poi_fused_add_0"].split() == ["import", "triton", "other.run(x)"]


def test_what_a_kernel_takes_is_read() -> None:
    assert parsed(SAID, 2048) == Usage(registers=255, stack=184, shared=3072)
    for said in ("", SAID + SAID):
        with pytest.raises(ValueError, match="unpack"):
            parsed(said, 0)


def test_of_several_shapes_the_one_that_spills_least_stands() -> None:
    few, many, spilling = Usage(20, 0, 4096), Usage(200, 0, 0), Usage(16, 8, 0)
    assert least([many, spilling, few]) == few


def test_what_a_gpu_would_launch_is_counted() -> None:
    watch = Watch()
    with FakeTensorMode(), torch.inference_mode():
        x, host = torch.empty(4, 4, device="cuda"), torch.empty(4, 4)
        with watch.counting():
            F.rms_norm(x, (4,))  # one kernel there, though its shapes are computed in six steps
            x.view(2, 8).t().clone()
            torch.matmul(x, x)
            host + host
            torch.empty_like(x)
        x + x
    assert watch.launched == {"eager": 3}
    assert not watch.attention


def test_who_computes_attention_is_counted() -> None:
    watch = Watch()
    with FakeTensorMode(), torch.inference_mode(), watch.counting():
        torch.ops.aten._scaled_dot_product_flash_attention(
            *[torch.empty(1, 2, 8, 16, device="cuda", dtype=torch.float16)] * 3
        )
    assert watch.attention == {"flash": 1}
    assert watch.launched == {"eager": 1}


def found(**changed: Any) -> dict[str, Any]:
    kernels = {
        "built": 9, "spill": 1, "stack_bytes": 8, "registers": 64, "shared_bytes": 512,
    }  # fmt: skip
    card = {
        "capability": "sm_90",
        "weights": "bfloat16",
        "launches_a_frame": 1705,
        "launches_a_frame_of_4": 1710,
        "launches": {"start, one row": 56, "step, one row": 49, "backbone, one row": 179},
        "launches_codec": 280,
        "launches_not_compiled": 2182,
        "attention": {
            "prefill of 30": ["cudnn"], "prefill of 300": ["efficient"], "backbone_step, captured": [],
        },
        "graphs": 45,
        "nodes": 12517,
        "compilations": 8,
        "recompiled_later": ["backbone, 4", "backbone, 1"],
        "kernels": kernels,
        "own_kernels": kernels | {"tensor_cores": 90},
    }  # fmt: skip
    return card | changed


def test_the_table_has_a_column_for_each_card() -> None:
    int8 = found(weights="int8", launches_a_frame=1714)
    del int8["own_kernels"]
    failed = {"capability": "sm_75", "weights": "auto", "failed": "timed out"}
    lines = table([found(), int8, failed]).splitlines()
    rows = {line[:32].strip(): line[32:].split() for line in lines[2:-1]}
    assert lines[0].split() == ["sm_90", "sm_90", "sm_75"]
    assert lines[1].split() == ["bfloat16", "int8", "auto"]
    assert rows["launches a frame (codes)"] == ["1705", "1714", "-"]
    assert rows["of prompts"] == ["cudnn+efficient", "cudnn+efficient", "-"]
    assert rows["of the backbone"] == ["-", "-", "-"]
    assert rows["of them late, in a capture"] == ["2", "2", "-"]
    assert rows["with tensor cores"] == ["90", "-", "-"]
    assert lines[-1] == "sm_75 auto: timed out"
    assert len({len(line) for line in lines[:-1]}) == 1


def test_a_record_is_written_for_machines_and_people(tmp_path: Path) -> None:
    record = {"date": "2026-11-27", "versions": {"torch": "2.13.0"}, "cards": [found()]}
    path = write(record, "blueprint", tmp_path)
    assert path.name == "2026-11-27-blueprint.json"
    assert json.loads(path.read_text()) == record
    assert "    launches a frame (codes)" in path.with_suffix(".md").read_text()


def test_the_cards_are_those_that_pytorch_has_code_for() -> None:
    assert list(CARDS) == [75, 80, 86, 89, 90, 100, 120]
    assert CARDS[120].macros()["CARD_MEMORY"] == "(32ull << 30)"


@pytest.mark.skipif(torch.version.cuda is not None, reason="PyTorch is a CUDA build")
def test_without_a_cuda_build_it_says_what_is_needed() -> None:
    words = [sys.executable, "-m", "benchmarks.blueprint"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no CUDA build" in done.stderr
    assert "WYOMING_CSM_BLUEPRINT_PYTHON" in done.stderr


def test_cards_are_asked_for_by_capability_and_type() -> None:
    assert wanted_of("90,75:int8,90:int4") == [
        Wanted(90, "auto", own_kernels=True),
        Wanted(75, "int8", own_kernels=True),
        Wanted(90, "int4", own_kernels=False),
    ]
    with pytest.raises(ValueError, match="no card is '70'"):
        wanted_of("70")
