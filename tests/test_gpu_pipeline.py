"""On a CUDA GPU: graphs say what plain calls say, allocate nothing, and the host waits once."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.fixtures.random_csm import make_tiny_csm
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.cuda import GraphRoom
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import load_decoder
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.sampling import Sampling

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]
SYNC_MODE = pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
SLOTS = 32
POSITIONS = 400
FRAMES = 200
SAMPLED = Sampling(0.9, 50, 0.9, 50)
GREEDY = Sampling(temperature=0.0, depth_temperature=0.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint(make_tiny_csm(tmp_path_factory.mktemp("csm")))


@pytest.fixture(scope="module")
def model(checkpoint: Checkpoint) -> CsmModel:
    return checkpoint.load(torch.float32, torch.device("cuda"))


@pytest.fixture(scope="module")
def decoder(checkpoint: Checkpoint) -> MimiDecoder:
    names = checkpoint.names(CODEC)
    tensors = [(name.removeprefix(CODEC), partial(checkpoint.tensor, name)) for name in names]
    return load_decoder(checkpoint.codec_config, tensors, "cuda")


def prompt(number: int) -> Tensor:
    """Return tokens [20 to 110 positions, codebooks + 1], as good as any."""
    generator = torch.Generator().manual_seed(number)
    tokens = torch.randint(128, (20 + number * 37 % 91, 33), generator=generator)
    tokens[:, -1] = -1
    return tokens


def begin(pipeline: FramePipeline, slots: int) -> None:
    for slot in range(slots):
        pipeline.release(slot)
        pipeline.prefill(slot, prompt(slot), seed=slot)
        pipeline.start_sound(slot)


def speak(pipeline: FramePipeline, slots: int) -> tuple[Tensor, Tensor]:
    """Codes [FRAMES, slots, codebooks] and samples, a frame always launched ahead."""
    begin(pipeline, slots)
    active = list(range(slots))
    launched: list[FrameHandle] = []
    made = []
    for _ in range(FRAMES):
        launched.append(pipeline.launch(active))
        if len(launched) > pipeline.ahead:
            made.append(launched.pop(0)())
    made += [frame() for frame in launched]
    codes, sound = zip(*made, strict=True)
    return torch.stack(codes), torch.stack(sound)


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_graphs_say_what_plain_calls_say(
    model: CsmModel, decoder: MimiDecoder, sampling: Sampling
) -> None:
    """Token for token over 200 frames, in every bucket."""
    plain = FramePipeline(FrameGenerator(model, SLOTS, POSITIONS, sampling), decoder)
    graphed = FramePipeline(FrameGenerator(model, SLOTS, POSITIONS, sampling), decoder)
    graphed.capture(lambda line: None)
    for slots in (1, 2, 4, 8, 16, 32):
        codes, sound = speak(plain, slots)
        again, sound_again = speak(graphed, slots)
        assert torch.equal(again, codes), slots
        torch.testing.assert_close(sound_again, sound, rtol=0, atol=1e-4)
        for slot in range(slots):
            plain.release(slot)
            graphed.release(slot)


def test_a_crowd_says_what_each_says_alone(model: CsmModel, decoder: MimiDecoder) -> None:
    """Slots that leave make others move while frames are in flight."""
    pipeline = FramePipeline(FrameGenerator(model, 4, POSITIONS, GREEDY), decoder)
    pipeline.capture(lambda line: None)
    alone = FramePipeline(FrameGenerator(model, 1, POSITIONS, GREEDY), decoder)
    begin(pipeline, 4)
    made: list[list[Tensor]] = [[] for _ in range(4)]
    launched: list[tuple[FrameHandle, list[int]]] = []
    for n in range(60):
        active = [slot for slot in range(4) if n < (20, 40, 60, 30)[slot]]
        if n % 3 == 1:
            active = active[-1:]
        launched.append((pipeline.launch(active), active))
        for slot in range(4):
            if n + 1 == (20, 40, 60, 30)[slot]:
                pipeline.release(slot)
        if len(launched) > pipeline.ahead:
            frame, slots = launched.pop(0)
            for slot, samples in zip(slots, frame()[1], strict=True):
                made[slot].append(samples)
    for frame, slots in launched:
        for slot, samples in zip(slots, frame()[1], strict=True):
            made[slot].append(samples)
    for slot in range(4):
        alone.release(0)
        alone.prefill(0, prompt(slot), seed=slot)
        alone.start_sound(0)
        expected = [alone.launch([0])()[1][0] for _ in made[slot]]
        torch.testing.assert_close(
            torch.stack(made[slot]), torch.stack(expected), rtol=0, atol=1e-4
        )


@contextmanager
def counted_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The host's waits for an event; any other way of waiting is an error."""
    waits: list[str] = []
    real = torch.cuda.Event.synchronize

    def synchronize(event: Any) -> None:
        waits.append("event")
        real(event)

    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda.Event, "synchronize", synchronize)
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode("default")


@SYNC_MODE
def test_a_frame_allocates_nothing_and_is_waited_for_once(
    model: CsmModel, decoder: MimiDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = FramePipeline(FrameGenerator(model, 4, POSITIONS, SAMPLED), decoder)
    pipeline.capture(lambda line: None)
    begin(pipeline, 4)
    for slots in ([0, 1, 2, 3], [0, 1, 2], [0]):
        in_flight = pipeline.launch(slots)
        torch.cuda.synchronize()
        before = torch.cuda.memory_stats()["allocation.all.allocated"]
        with counted_waits(monkeypatch) as waits:
            for _ in range(20):
                following = pipeline.launch(slots)
                in_flight()
                in_flight = following
        assert len(waits) == 20
        assert torch.cuda.memory_stats()["allocation.all.allocated"] == before
        in_flight()


@SYNC_MODE
@pytest.mark.parametrize("text_on_host", [False, True])
def test_a_prefill_never_makes_the_host_wait(
    checkpoint: Checkpoint, decoder: MimiDecoder, text_on_host: bool
) -> None:
    """A prefill beside others' frames must not stop the host."""
    model = checkpoint.load(torch.float32, torch.device("cuda"), text_on_host=text_on_host)
    pipeline = FramePipeline(FrameGenerator(model, 2, POSITIONS, SAMPLED), decoder)
    begin(pipeline, 2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        pipeline.release(1)
        pipeline.prefill(1, prompt(3)[:15], seed=1)
        pipeline.prefill(1, prompt(3)[15:], seed=1, start=15)
        saved = pipeline.save(1, 15)
        pipeline.restore(1, saved)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_measured_times_grow_with_the_bucket_little(model: CsmModel, decoder: MimiDecoder) -> None:
    pipeline = FramePipeline(FrameGenerator(model, 4, POSITIONS, SAMPLED), decoder)
    lines: list[str] = []
    pipeline.capture(lines.append)
    assert len(lines) == 3
    assert 0 < pipeline.step_seconds(1) < 0.08
    assert pipeline.step_seconds(3) == pipeline.step_seconds(4) < 0.08


def test_graphs_stay_within_their_room(model: CsmModel, decoder: MimiDecoder) -> None:
    """What is left out is served by larger ones, which say the same."""

    def free() -> int:
        return torch.cuda.mem_get_info()[0]

    def captured(room: GraphRoom) -> FramePipeline:
        generator = FrameGenerator(model, 4, POSITIONS, GREEDY)
        pipeline = FramePipeline(generator, decoder, room=room)
        pipeline.capture(lambda line: None)
        return pipeline

    before, enough, none = free(), GraphRoom(2**40, free), GraphRoom(0, free)
    whole = captured(enough)
    assert enough.left_out == 0
    print(f"all graphs: {enough.taken / 1e6:.0f} MB of {before / 1e6:.0f} MB that were free")
    few = captured(none)
    assert none.left_out > 20
    for slots in (1, 3):
        for again, expected in zip(speak(few, slots), speak(whole, slots), strict=True):
            torch.testing.assert_close(again, expected, rtol=0, atol=1e-4)
