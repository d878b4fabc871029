"""Codes and sound of slots in a pipeline equal each sentence alone, whatever moves meanwhile."""

import logging
import random
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.model.sentences import (
    FRAMES,
    GREEDY,
    POSITIONS,
    SAMPLED,
    SLOTS,
    Sentence,
    alone,
    crowd,
    prompt,
)
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.cuda import GraphRoom
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import load_decoder
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.sampling import Sampling


@pytest.fixture(scope="module")
def decoder(tiny_csm: Path) -> MimiDecoder:
    found = Checkpoint(tiny_csm)
    names = found.names(CODEC)
    tensors = [(name.removeprefix(CODEC), partial(found.tensor, name)) for name in names]
    return load_decoder(found.codec_config, tensors)


class Device:
    """Takes a byte of its memory for each graph, and replays one by plain calls."""

    def __init__(self, graphs: int) -> None:
        self.free = 1000
        self.room = GraphRoom(graphs, lambda: self.free)
        self.captures = self.capture, self.capture

    def capture(self, run: Callable[[], None]) -> Callable[[], None]:
        self.free -= 1
        return run


class ScriptedGenerator(FrameGenerator):
    """Makes the frames [slots, codebooks] of a script."""

    script: Iterator[Tensor]

    def decode_frame(self, rows: int) -> None:
        self.codes.copy_(next(self.script))


@pytest.fixture(scope="module")
def expected(model: CsmModel, decoder: MimiDecoder) -> Callable[[Sampling, int], Sentence]:
    """What `alone` says, made once."""

    @cache
    def say(sampling: Sampling, number: int) -> Sentence:
        return alone(FrameGenerator(model, 1, POSITIONS, sampling), decoder, number)

    return say


@pytest.mark.parametrize(
    ("sampling", "ahead", "graphs"),  # each with each of the others
    [(GREEDY, 0, False), (GREEDY, 1, True), (SAMPLED, 0, True), (SAMPLED, 1, False)],
    ids=["greedy", "greedy, ahead, few graphs", "sampled, few graphs", "sampled, ahead"],
)
def test_each_in_a_crowd_says_what_it_says_alone(
    model: CsmModel,
    decoder: MimiDecoder,
    expected: Callable[[Sampling, int], Sentence],
    sampling: Sampling,
    ahead: int,
    graphs: bool,
) -> None:
    generator = FrameGenerator(model, SLOTS, POSITIONS, sampling)
    pipeline = FramePipeline(generator, decoder, ahead)
    if graphs:  # two buckets of rows and one of lengths: most calls are served by larger ones
        device = Device(graphs=6)
        pipeline = FramePipeline(generator, decoder, ahead, device.room, device.captures)
        pipeline.capture(lambda line: None)
    said = list(crowd(pipeline, random.Random(ahead + 2 * graphs)))
    assert len(said) == 14
    for sentence in said:
        wanted = expected(sampling, sentence.number)
        n = sentence.frames
        assert torch.equal(torch.stack(sentence.codes), torch.stack(wanted.codes[:n]))
        sound, wanted_sound = torch.cat(sentence.sound), torch.cat(wanted.sound[:n])
        torch.testing.assert_close(sound, wanted_sound, rtol=0, atol=1e-5)


def test_those_who_speak_share_the_smallest_bucket(
    model: CsmModel, decoder: MimiDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    generator = FrameGenerator(model, 4, POSITIONS, GREEDY)
    monkeypatch.setattr(generator, "decode_frame", rows.append)
    pipeline = FramePipeline(generator, decoder)
    for slot in range(4):
        pipeline.prefill(slot, prompt(slot), 0)
    pipeline.launch([0, 1, 2, 3])()
    pipeline.launch([3, 1])()  # two others rest, their rows are taken
    pipeline.release(3)
    pipeline.launch([0])()
    pipeline.launch([0, 1, 2])()
    assert rows == [4, 2, 1, 3]


def test_what_is_saved_of_a_slot_starts_another(model: CsmModel, decoder: MimiDecoder) -> None:
    generator = FrameGenerator(model, 2, POSITIONS, SAMPLED)
    expected = alone(FrameGenerator(model, 1, POSITIONS, SAMPLED), decoder, 1)
    pipeline = FramePipeline(generator, decoder)
    pipeline.prefill(1, prompt(1), 5)
    pipeline.restore(0, pipeline.save(1, 12))
    pipeline.prefill(0, prompt(1)[12:], 1, start=12)
    made = [pipeline.launch([0])()[0][0] for _ in range(FRAMES)]
    assert torch.equal(torch.stack(made), torch.stack(expected.codes))


def test_the_frame_of_zeros_makes_no_sound(model: CsmModel, decoder: MimiDecoder) -> None:
    """The codec's state stays as it was before the end, without the host's looking."""
    script = torch.randint(1, 128, (3, 2, 8), generator=torch.Generator().manual_seed(0))
    script[1, 0] = 0
    generator = ScriptedGenerator(model, 2, POSITIONS, GREEDY)
    generator.script = iter(script)
    pipeline = FramePipeline(generator, decoder)
    for slot in range(2):
        pipeline.prefill(slot, prompt(slot), 0)
    sound = [pipeline.launch([0, 1])()[1] for _ in range(3)]
    state, both = decoder.new_state(2, "cpu"), torch.tensor([True, True])
    expected = [decoder.step(script[0], state, both)]
    for n in (1, 2):
        expected.append(decoder.step(script[n], state, torch.tensor([n == 2, True])))
    assert torch.equal(sound[2], expected[2])
    assert torch.equal(sound[1][1], expected[1][1])


def test_a_frame_stays_as_it_was_while_the_next_is_made(
    model: CsmModel, decoder: MimiDecoder
) -> None:
    pipeline = FramePipeline(FrameGenerator(model, 1, POSITIONS, GREEDY), decoder, ahead=1)
    pipeline.prefill(0, prompt(1), 1)
    first, second = pipeline.launch([0]), pipeline.launch([0])
    with pytest.raises(ValueError, match="waited"):
        pipeline.launch([0])
    codes, sound = first()
    before = codes.clone(), sound.clone()
    third = pipeline.launch([0])
    assert torch.equal(codes, before[0])
    assert torch.equal(sound, before[1])
    expected = alone(FrameGenerator(model, 1, POSITIONS, GREEDY), decoder, 1).codes[:3]
    assert torch.equal(
        torch.stack((codes[0], second()[0][0], third()[0][0])), torch.stack(expected)
    )


def test_a_slot_that_cannot_speak_leaves_the_others_as_they_are(
    model: CsmModel, decoder: MimiDecoder
) -> None:
    pipeline = FramePipeline(FrameGenerator(model, 2, POSITIONS, GREEDY), decoder)
    pipeline.prefill(0, prompt(1), 1)
    with pytest.raises(ValueError, match="no prompt"):
        pipeline.launch([0, 1])
    codes, _ = pipeline.launch([0])()
    expected = alone(FrameGenerator(model, 1, POSITIONS, GREEDY), decoder, 1)
    assert torch.equal(codes[0], expected.codes[0])


def test_a_frames_time_is_known_once_measured(model: CsmModel, decoder: MimiDecoder) -> None:
    """Measuring leaves no trace in slot or sound."""
    generator = FrameGenerator(model, 3, POSITIONS, GREEDY)
    pipeline = FramePipeline(generator, decoder)
    assert pipeline.step_seconds(1) == float("inf")
    pipeline.capture(lambda line: None)
    times = [pipeline.step_seconds(n) for n in (1, 2, 3)]
    assert all(0 < seconds < 5 for seconds in times)
    said = alone(generator, decoder, 3)
    fresh = alone(FrameGenerator(model, 3, POSITIONS, GREEDY), decoder, 3)
    assert torch.equal(torch.stack(said.codes), torch.stack(fresh.codes))
    assert torch.equal(torch.cat(said.sound), torch.cat(fresh.sound))


@pytest.mark.parametrize(
    ("graphs", "one", "two"),
    [(3, (4, 320), (4, 320)), (8, (1, 320), (2, 320)), (100, (1, 64), (2, 192))],
)
def test_graphs_for_which_room_is_short_are_left_out_from_the_finest_on(
    model: CsmModel,
    decoder: MimiDecoder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    graphs: int,
    one: tuple[int, int],
    two: tuple[int, int],
) -> None:
    """The frame that serves for all comes first, then one voice alone, then finer lengths.

    `one`: the rows and positions that are computed for one short prompt; `two`: for two, one of
    them long.
    """
    device, lines, computed = Device(graphs), list[str](), list[tuple[int, int]]()
    generator = FrameGenerator(model, 4, 300, GREEDY)
    step = generator.backbone_step

    def backbone_step(rows: int, length: int) -> None:
        computed.append((rows, length))
        step(rows, length)

    monkeypatch.setattr(generator, "backbone_step", backbone_step)
    pipeline = FramePipeline(generator, decoder, 0, device.room, device.captures)
    with caplog.at_level(logging.INFO):
        pipeline.capture(lines.append)
    assert len(lines) == 3
    assert generator.lengths() == [64, 128, 192, 256, 320]
    every = 3 * (2 + 5)
    left_out = max(0, every - graphs)
    assert (device.room.taken, device.room.left_out) == (min(graphs, every), left_out)
    assert (f"{left_out} sizes" in caplog.text) is (left_out > 0)
    pipeline.prefill(0, prompt(0), seed=0)
    pipeline.prefill(1, prompt(0).repeat(15, 1), seed=0)
    for active in ([0], [0, 1]):
        pipeline.launch(active)()
    assert computed[-2:] == [one, two]


def test_slots_whose_swap_failed_have_the_content_they_had(
    model: CsmModel, decoder: MimiDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = FrameGenerator(model, 2, POSITIONS, GREEDY)
    pipeline = FramePipeline(generator, decoder)
    for slot, n in enumerate((2, 5)):
        pipeline.prefill(slot, prompt(n), seed=n)
        pipeline.start_sound(slot)

    def no_memory(*_: object) -> None:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(KvCache, "save", no_memory)
        with pytest.raises(torch.OutOfMemoryError):
            pipeline.launch([1])
    for slot, n in enumerate((2, 5)):
        codes, _ = pipeline.launch([slot])()
        expected = alone(FrameGenerator(model, 1, POSITIONS, GREEDY), decoder, n)
        assert torch.equal(codes[0], expected.codes[0])
