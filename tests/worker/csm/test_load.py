"""CSM's child until it is ready: what is loaded, stored and told, and how it is refused."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import msgspec
import pytest
import torch

from tests.worker.csm.runners import CPU, SPEAKER, Driver
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable, PromptTooLong
from wyoming_csm.model.checkpoint import load, quantized_cache
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.checkpoint.quantized_cache import WeightsCache
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.quantization import onednn
from wyoming_csm.worker.csm import load as loading
from wyoming_csm.worker.csm.load import load_runner
from wyoming_csm.worker.csm.runner import CsmRunner
from wyoming_csm.worker.pipe import Child
from wyoming_csm.worker.protocol import Configure, FromChild, Identified, Ready, Say, Starting

pytestmark = pytest.mark.usefixtures("thread")


class IsReady(Exception):
    """Ready was said: the loop would go on for ever."""


class Recorder(Child):
    """Notes what the child says until it is ready."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), io.BytesIO(), lambda: None)
        self.said: list[FromChild] = []

    def send(self, message: FromChild) -> None:
        self.said.append(message)
        if isinstance(message, Ready):
            raise IsReady


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's disk has left."""
    monkeypatch.setattr(load, "FREE_BYTES", 0)


@pytest.fixture
def stored_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where weights stay as they are; on a CPU they are stored at once."""
    monkeypatch.setattr(WeightsCache, "save", lambda *_: None)


def configure(checkpoint: Path, data: Path, **settings: object) -> Configure:
    wanted = {"checkpoint": str(checkpoint), "device": "cpu", **settings}
    config = msgspec.to_builtins(msgspec.convert(wanted, CsmConfig))
    speakers = str(data / "speakers")
    return Configure("csm", config, str(data), str(data), "INFO", speakers_dir=speakers)


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_quantised_weights_are_stored_and_a_runner_has_the_size_that_was_set(
    checkpoint: Path, tmp_path: Path, dtype: str
) -> None:
    wanted = {"dtype": dtype, "slots": 2, "context_positions": 200, "max_seconds": 1, "seed": 1}
    config = msgspec.convert(wanted, CsmConfig)
    first = load_runner(config, Checkpoint(checkpoint), tmp_path, CPU)
    assert first.slots == 2
    frames = Driver(first).speak(Say(1, 1, "", "Hello.", SPEAKER))
    assert len(frames) == 12
    (stored,) = (tmp_path / "weights").iterdir()
    made = stored.stat().st_ino
    second = Driver(load_runner(config, Checkpoint(checkpoint), tmp_path, CPU))
    again = second.speak(Say(1, 1, "", "Hello.", SPEAKER))
    assert [frame.pcm for frame in again] == [frame.pcm for frame in frames]
    assert stored.stat().st_ino == made, "read, not made again"
    with pytest.raises(PromptTooLong):
        Driver(first).start(Say(2, 2, "", "The light is on. " * 60, SPEAKER))


@pytest.mark.usefixtures("stored_later")
def test_weights_of_a_gpu_are_stored_while_nobody_speaks(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantized_cache, "CHUNK_BYTES", 10_000)
    config = CsmConfig(dtype="float16", max_seconds=1, seed=1)
    runner = load_runner(config, Checkpoint(checkpoint), tmp_path, CPU)
    say = Say(1, 1, "", "Hello.", SPEAKER)
    frames = Driver(runner).speak(say)
    assert not (tmp_path / "weights").exists()
    while runner.idle():
        pass  # the speaker makes its reference first
    gives_up = time.monotonic() + 10
    while not [*(tmp_path / "weights").glob("*.safetensors")]:
        assert time.monotonic() < gives_up
        time.sleep(0.01)
    monkeypatch.setattr(Checkpoint, "merged", None)
    again = Driver(load_runner(config, Checkpoint(checkpoint), tmp_path, CPU)).speak(say)
    assert [frame.pcm for frame in again] == [frame.pcm for frame in frames]


@pytest.mark.usefixtures("stored_later")
def test_packed_weights_are_never_stored(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start would take them for plain ones: what was not stored at once is not later."""
    monkeypatch.setattr(onednn, "LEAST", 1)
    config = CsmConfig(dtype="bfloat16")
    loaded = loading.load_pipeline(config, Checkpoint(checkpoint), tmp_path, CPU)
    assert list(loaded.saving) == []
    assert not (tmp_path / "weights").exists()


@pytest.mark.usefixtures("stored_later")
def test_a_sentence_comes_before_what_is_stored(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks: SimpleQueue[None] = SimpleQueue()
    written: SimpleQueue[None] = SimpleQueue()

    def slowly(*__: object) -> Iterator[None]:
        for _ in range(3):
            chunks.get(timeout=30)
            written.put(None)
            yield

    monkeypatch.setattr(WeightsCache, "write", slowly)
    runner = load_runner(
        CsmConfig(dtype="float16", max_seconds=1), Checkpoint(checkpoint), tmp_path, CPU
    )
    runner.idle()
    driver = Driver(runner)
    sentence = driver.start(Say(1, 1, "", "Hello.", SPEAKER))
    for _ in range(3):
        chunks.put(None)
    written.get(timeout=30)  # the one that was begun
    driver.step(sentence)
    assert written.empty()
    driver.release(sentence)
    while runner.idle():
        pass  # the speaker makes its reference first
    for _ in range(2):
        written.get(timeout=30)


def test_a_child_tells_its_way_to_readiness(checkpoint: Path, tmp_path: Path) -> None:
    child = Recorder()
    with pytest.raises(IsReady):
        loading.run(
            child, configure(checkpoint, tmp_path, dtype="int8", depth_dtype="int4", slots=2)
        )
    identified, *steps, ready = child.said
    assert isinstance(identified, Identified)
    assert steps[0] == Starting(f"loading {checkpoint} to cpu")
    assert isinstance(ready, Ready)
    assert ready.detail == "cpu, int8 (depth decoder int4)"
    assert ready.slots in (1, 2), "what this machine holds in real time"


def test_a_started_child_has_left_cudnn_out_of_attention(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Hopper on torch would choose it, and it plans for each new length of a prompt."""
    monkeypatch.setattr(CsmRunner, "warm_up", lambda self, progress: None)
    torch.backends.cuda.enable_cudnn_sdp(True)
    with pytest.raises(IsReady):
        loading.run(Recorder(), configure(checkpoint, tmp_path))
    assert not torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("seconds", "slots"), [(0.03, 2), (0.07, 1)])
def test_only_slots_that_are_held_in_real_time_are_offered(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, slots: int
) -> None:
    measured: list[CsmRunner] = []
    monkeypatch.setattr(CsmRunner, "warm_up", lambda self, progress: measured.append(self))
    monkeypatch.setattr(CsmRunner, "step_seconds", lambda self, n: seconds * n)
    child = Recorder()
    with pytest.raises(IsReady):
        loading.run(child, configure(checkpoint, tmp_path, slots=2))
    ready = child.said[-1]
    assert isinstance(ready, Ready)
    assert measured
    assert ready.slots == slots


def test_too_little_memory_is_said_before_anything_is_loaded(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "free_bytes", lambda device: 100_000_000)
    monkeypatch.setattr(Checkpoint, "load", None)
    with pytest.raises(EngineUnavailable, match=r"cpu has 0\.1 GB free"):
        loading.run(Recorder(), configure(checkpoint, tmp_path))


def test_memory_that_ran_out_after_all_is_told_in_numbers(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(loading, "FrameGenerator", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (200_000_000, 8_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3_100_000_000)
    with pytest.raises(EngineUnavailable) as refused:
        loading.run(Recorder(), configure(checkpoint, tmp_path))
    assert refused.value.reason == (
        "the memory of cpu ran out: 0.2 GB of 8.0 GB are free now, CSM took 3.1 GB"
    )
    assert "csm.slots" in refused.value.cure


def test_it_compiles_if_told_to_and_stores_what_was_compiled(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(FrameGenerator, "compile", lambda self, folder: folders.append(folder))
    told: list[str] = []
    load_runner(CsmConfig(compile=True), Checkpoint(checkpoint), tmp_path, CPU, told.append)
    assert folders == [tmp_path / "compiled" / "cpu"]
    assert told == ["compiling, which takes minutes the first time"]
    load_runner(CsmConfig(), Checkpoint(checkpoint), tmp_path, CPU, told.append)
    assert len(folders) == 1
