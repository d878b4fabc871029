"""What measures the engine: rivals that really do their work, counts, records, its table."""

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import counting, engine, models, record, suite, timing
from benchmarks.csm_streaming import BUFFERED, CsmStreaming
from benchmarks.fixtures.random_csm import make_tiny_csm
from benchmarks.plot import charts
from benchmarks.transformers_generate import Generate, load
from tests.worker.csm.runners import one_thread
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.sampling import Sampling

CPU = torch.device("cpu")
# torch's own, when its compiler is imported.
COMPILER = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
PART = {
    "device": "A Processor, 2 cores",
    "python": "3.12",
    "torch": "2.13",
    "transformers": "5.23",
    "threads": 1,
    "model": "full",
    "dtype": "bfloat16",
    "frame_ms_p50": 100.0,
    "first_frame_ms": 200.0,
    "share_of_floor": 0.5,
    "speedup_vs_transformers": 2.0,
    "frame_ms_by_batch": {"1": 100.0, "8": 200.0},
}


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint without codes that only the vocabulary has: the rivals do not know of those."""
    return make_tiny_csm(tmp_path_factory.mktemp("csm"), audio_vocabulary=128, codebook_size=128)


@pytest.fixture(scope="module")
def theirs(checkpoint: Path) -> Any:
    return load(checkpoint, torch.float32, CPU)


def test_the_loop_of_csm_streaming_makes_the_same_codes(checkpoint: Path, theirs: Any) -> None:
    """The likeliest of one: its every part, masks and caches too, is at work."""
    found = Checkpoint(checkpoint)
    prompt = models.prompt(found.sizes, 20)
    loop = CsmStreaming(theirs, temperature=0.9, top_k=1, compiled=False)
    for _ in range(2):  # nothing stays of the first time
        codes = torch.cat(list(loop.frames(prompt, 12)))
    greedy = Sampling(temperature=0.0, depth_temperature=0.0)
    ours = FrameGenerator(found.load(torch.float32, CPU), 1, 100, greedy)
    ours.prefill(0, prompt, seed=0)
    assert torch.equal(codes, torch.cat([ours.step([0]) for _ in range(12)]))


def test_the_loop_of_csm_streaming_draws_among_the_likeliest(theirs: Any) -> None:
    loop = CsmStreaming(theirs, temperature=0.9, top_k=3, compiled=False)
    logits = torch.arange(128.0)[None] / 9  # the likeliest draws most, the others now and then
    drawn = {int(loop.draw(logits)) for _ in range(200)}
    assert drawn == {125, 126, 127}


def test_its_codec_gets_twenty_frames(theirs: Any) -> None:
    loop = CsmStreaming(theirs, temperature=0.9, top_k=50, compiled=False)
    assert len(loop.decode([torch.zeros(1, 32, dtype=torch.long)] * BUFFERED)) == 20 * 1920


def test_host_reads_and_operations_are_counted() -> None:
    def frame() -> None:
        x = torch.ones(2, 2) @ torch.ones(2, 2)
        if x.view(-1)[0].item() and torch.any(x == 0):
            raise AssertionError

    # ones, ones, mm, eq, any; the view, the element and its reading are no work
    assert counting.count(frame)["products"] == 1
    assert counting.count(frame)["host_reads"] == 2


def test_each_frame_of_a_rival_costs_what_it_is_said_to(checkpoint: Path, theirs: Any) -> None:
    prompt = models.prompt(Checkpoint(checkpoint).sizes, 20)
    loop = CsmStreaming(theirs, temperature=0.9, top_k=50, compiled=False)
    one, two = (counting.count(partial(loop.speak, prompt, n)) for n in (1, 2))
    assert two["host_reads"] - one["host_reads"] == 2  # NaN, zeros
    assert two["ops"] > one["ops"] + 31


def test_times_of_transformers_are_one_for_each_frame(checkpoint: Path, theirs: Any) -> None:
    prompt = models.prompt(Checkpoint(checkpoint).sizes, 20)
    ends = Generate(theirs, temperature=0.9, top_k=50, compiled=False).speak(prompt, 3)
    assert len(ends) == 3
    assert ends == sorted(ends)


@COMPILER
def test_eager_is_eager_after_the_compiled_one_too(checkpoint: Path, theirs: Any) -> None:
    prompt = models.prompt(Checkpoint(checkpoint).sizes, 20)
    with torch.compiler.set_stance("force_eager"):
        Generate(theirs, temperature=0.9, top_k=50, compiled=True).speak(prompt, 1)
    assert theirs.depth_decoder.generation_config.cache_implementation == "static"
    Generate(theirs, temperature=0.9, top_k=50, compiled=False).speak(prompt, 1)
    assert theirs.depth_decoder.generation_config.cache_implementation is None


def test_a_record_is_found_again_and_has_a_chart(tmp_path: Path) -> None:
    path = record.write({"bf16": PART, "late": {"failed": "no time"}}, "script/bench", tmp_path)
    assert path.name.endswith("-a-processor-2-cores-engine.json")
    assert record.newest("gpu", tmp_path) is None
    found = record.newest("cpu", tmp_path)
    assert found is not None
    assert found["parts"]["late"]["failed"] == "no time"
    assert "| bf16, threads: 1 | 100.0 | 200 | 50 % | 2.0x | - |" in record.table(tmp_path)
    assert "No GPU has run this yet" in record.table(tmp_path)
    ET.parse(path.with_suffix(".svg"))
    assert "frame_ms_p50" in path.with_suffix(".md").read_text()


def test_a_gpu_comes_first(tmp_path: Path) -> None:
    record.write({"bf16": PART}, "script/bench", tmp_path)
    record.write({"bf16": PART | {"device": "NVIDIA H200", "on_gpu": True}}, "", tmp_path)
    table = record.table(tmp_path)
    assert "No GPU" not in table
    assert table.index("NVIDIA H200") < table.index("A Processor")


def test_threads_are_a_parts_and_not_the_hardwares() -> None:
    before = torch.get_num_threads()
    described = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        described.append(timing.describe(CPU))
    torch.set_num_threads(before)
    assert [part.pop("threads") for part in described] == [1, 2]
    assert described[0] == described[1]


def test_a_chart_has_every_point() -> None:
    drawing = ET.fromstring(charts({"a": {1: 10.0, 2: 12.0}, "b": {1: 5.0}}, "a & b"))
    assert len(drawing.findall("{*}circle")) == 2 * 3


def test_the_page_has_the_newest_numbers() -> None:
    page = record.PAGE.read_text(encoding="utf-8")
    assert record.with_table(page) == page, "run script/bench speed"


def test_what_fails_in_a_suite_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [
        suite.Step("good", ("echo", '{"model": "full", "dtype": "int8", "rtf": 1}')),
        suite.Step("bad", ("false",)),
        suite.Step("slow", ("sleep", "60"), seconds=15.1),
    ]
    suite.run(steps[:2], "", record=False)
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["rtf"] == 1
    assert "ended with 1" in printed["parts"]["bad"]["failed"]
    suite.run(steps[2:], "", record=False, seconds=1)
    assert "no time was left" in capsys.readouterr().out


def test_what_takes_too_long_is_ended_with_all_that_it_started() -> None:
    """The second process holds the pipe open as long as it lives."""
    began = time.monotonic()
    printed, status = suite.printed_by(("sh", "-c", "sleep 60 & echo begun; wait"), 0.5)
    assert (printed, status) == ("begun\n", None)
    assert time.monotonic() - began < 10


def test_where_nothing_was_measured_there_is_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OUT", str(tmp_path))
    suite.run([suite.Step("tests", ("false",), is_json=False)], "", record=True)
    assert "ended with 1" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@COMPILER
def test_the_engine_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing compiles here, so the rivals are measured as they are."""
    words = "engine --model tiny --device cpu --rounds 1 --frames 4 --positions 256 --batches 1,2"
    monkeypatch.setattr("sys.argv", [*words.split(), "--rivals", "all"])
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with torch._inductor.config.patch({"cpp.cxx": ("/there/is/none",)}):
        engine.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["host_reads_per_frame"] == 0
    assert found["frames_per_s_by_batch"].keys() == {"1", "2"}
    assert found["left_out"].keys() == {"transformers_compiled", "csm_streaming_compiled"}
    wanted = "device dtype rtf first_frame_ms frame_ms_p50 frame_ms_p99 ops_per_frame"
    wanted += " speedup_vs_transformers speedup_vs_csm_streaming"
    assert all(found[key] for key in wanted.split())
