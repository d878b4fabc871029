"""Memory that fits: what is reckoned is what is allocated, and the plan stays inside the room."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
import transformers
from torch import Tensor

from benchmarks.fixtures.random_csm import make_tiny_csm
from benchmarks.models import FULL_SIZE
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.mimi.config import MimiConfig, read_config
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import load_decoder
from wyoming_csm.model.quantization.linear import QuantizedLinear
from wyoming_csm.worker.csm import memory
from wyoming_csm.worker.csm.device import Precision, choose_precision, kind_of
from wyoming_csm.worker.csm.memory import (
    WORKING_BYTES,
    Needs,
    Plan,
    graph_node_bytes,
    memory_gauge,
    plan,
)

CPU = torch.device("cpu")
POSITIONS = 2048


def held(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def full_size(kind: str, depth: str | None = None, text_on_host: bool = True) -> Needs:
    found = transformers.CsmConfig(codec_config=transformers.MimiConfig(num_quantizers=32))
    config = found.to_dict()
    settings = msgspec.convert({"dtype": kind, "depth_dtype": depth}, CsmConfig)
    precision = choose_precision(settings, CPU)
    sizes, codec = CsmSizes.from_config(config), read_config(config["codec_config"])
    return Needs(sizes, codec, precision, text_on_host)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint(make_tiny_csm(tmp_path_factory.mktemp("csm")))


@pytest.mark.parametrize("text_on_host", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "fp8", "int4"])
def test_weights_are_what_a_load_allocates(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, dtype: str, text_on_host: bool
) -> None:
    # Only a CPU's product for int4 wants zero points, which take some bytes more.
    monkeypatch.setattr(QuantizedLinear, "finalize", lambda self, dtype: None)
    precision = choose_precision(msgspec.convert({"dtype": dtype}, CsmConfig), CPU)
    codec = checkpoint.codec_config
    tensors = [
        (name.removeprefix(CODEC), lambda name=name: checkpoint.tensor(name))
        for name in checkpoint.names(CODEC)
    ]
    decoder = load_decoder(codec, tensors)
    backbone, depth = kind_of(precision.backbone), kind_of(precision.depth)
    model = checkpoint.load(precision.compute, CPU, backbone=backbone, depth=depth)
    parts = (*model.named_parameters(), *model.named_buffers())
    on_device = [t for name, t in parts if not (text_on_host and name == "text_embedding.weight")]
    needs = Needs(checkpoint.sizes, read_config(codec), precision, text_on_host)
    assert needs.weights == held((*on_device, *decoder.parameters(), *decoder.buffers()))


def test_a_slot_is_what_its_caches_and_the_codec_allocate(checkpoint: Checkpoint) -> None:
    sizes, codec = checkpoint.sizes, read_config(checkpoint.codec_config)
    precision = Precision("bfloat16", "bfloat16", torch.bfloat16)
    allocated: list[Tensor] = [*MimiDecoder(codec).new_state(3, CPU).tensors()]
    for part, positions in ((sizes.backbone, 1216), (sizes.depth, sizes.codebooks)):
        cache = KvCache.allocate(part, 3, positions, torch.bfloat16, CPU)
        allocated += cache.layers
    assert 3 * Needs(sizes, codec, precision, True).slot(1200) == held(allocated)


def test_the_real_size() -> None:
    """Counted by hand from the sizes: CSM-1B's backbone, tables, depth decoder, heads; Mimi."""
    backbone = 16 * (2048 * (2048 + 2 * 512 + 2048) + 3 * 2048 * 8192)
    depth = 4 * (1024 * (1024 + 2 * 256 + 1024) + 3 * 1024 * 8192) + 2048 * 1024
    heads = 31 * 1024 * 2048
    tables = 32 * 2051 * 2048 + 31 * 2051 * 1024
    text = 128_256 * 2048
    mimi = held(
        (d := MimiDecoder(full_size("bfloat16").codec)).parameters()  # 39.9 M in float32
    ) + held(d.buffers())
    small = 500_000 * 4  # norms and rotary tables
    linear = backbone + depth + heads + 2048 * 2048
    for needs, expected in (
        (full_size("bfloat16"), 2 * (linear + tables) + mimi),
        (full_size("bfloat16", text_on_host=False), 2 * (linear + tables + text) + mimi),
        (full_size("int8"), linear + 2 * tables + mimi),
        (full_size("float32"), 4 * (linear + tables) + mimi),
    ):
        assert expected < needs.weights < expected * 1.01 + small
    slot = full_size("bfloat16").slot(POSITIONS)
    assert 32 * 1024 * (POSITIONS + 64) < slot < 32 * 1024 * (POSITIONS + 64) + 10e6


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 3.35e9), ("int8", 2.2e9)])
def test_four_slots_leave_room_for_the_driver(dtype: str, most: float) -> None:
    """The whole process is to take 4.0 and 2.8 GB, the driver's and the libraries' part too."""
    assert full_size(dtype).all(4, POSITIONS) - WORKING_BYTES < most


def planned(needs: Needs, free: float | None, **settings: object) -> Plan:
    """With a memory share of 1: what is free is the room."""
    config = msgspec.convert(
        {"gpu_memory_share": 1.0, "prompt_cache_mb": 100, **settings}, CsmConfig
    )
    return plan(config, needs, None if free is None else int(free), "cuda:0")


CACHE = 100 * 2**20


def test_a_cpu_has_room_enough() -> None:
    needs = full_size("float32")
    assert planned(needs, None) == Plan(1, POSITIONS, CACHE, needs.all(1, POSITIONS))
    assert planned(needs, None, slots=9, context_positions=700).slots == 9


def test_a_cpu_tells_nothing_of_a_gpu() -> None:
    assert memory_gauge(CPU)() is None


def test_cached_prompts_shrink_before_slots_and_slots_before_positions() -> None:
    needs = full_size("bfloat16")
    all_of_it = needs.all(4, POSITIONS)
    assert planned(needs, all_of_it + CACHE) == Plan(4, POSITIONS, CACHE, all_of_it)
    assert planned(needs, all_of_it + 5) == Plan(4, POSITIONS, 5, all_of_it)
    assert planned(needs, all_of_it - 1).slots == 3
    assert planned(needs, needs.all(1, POSITIONS)) == Plan(1, POSITIONS, 0, needs.all(1, POSITIONS))
    assert planned(needs, needs.all(1, POSITIONS) - 1).positions == 1024
    assert planned(needs, needs.all(1, 512)).positions == 512


def test_graphs_shrink_after_most_cached_prompts_and_before_slots() -> None:
    """An old driver takes 64 KB for each of a frame's kernels, in 45 graphs."""
    needs = replace(full_size("bfloat16"), node_bytes=65_536)
    every, least = needs.graphs(4, POSITIONS), needs.least_graphs
    assert 0.8e9 < every < 0.9e9
    assert 0.1e9 < least < 0.15e9
    needed, few = needs.all(4, POSITIONS), 64 * 2**20
    room = needed + every - least
    assert planned(needs, room + CACHE) == Plan(4, POSITIONS, CACHE, needed, every)
    assert planned(needs, room + few) == Plan(4, POSITIONS, few, needed, every)
    assert planned(needs, room) == Plan(4, POSITIONS, few, needed, every - few)
    assert planned(needs, needed + few) == Plan(4, POSITIONS, few, needed, least)
    assert planned(needs, needed) == Plan(4, POSITIONS, 0, needed, least)
    assert planned(needs, needed - 1).slots == 3


@pytest.mark.parametrize("node_bytes", [16_384, 65_536])
def test_a_card_of_6_gb_serves_four_at_once_with_prompts_cached(node_bytes: int) -> None:
    """Its desktop and the driver have 1.2 GB; whatever the driver takes for graphs."""
    needs = replace(full_size("float16"), node_bytes=node_bytes)
    found = planned(needs, 6.44e9 - 1.2e9, gpu_memory_share=0.9, prompt_cache_mb=512)
    assert found.slots == 4
    assert found.graphs == needs.graphs(4, POSITIONS)
    assert found.prompt_cache > 200e6


def test_no_more_than_the_share_is_planned() -> None:
    needs = full_size("bfloat16")
    free = needs.all(4, POSITIONS) / 0.5
    assert planned(needs, free + 2, gpu_memory_share=0.5).slots == 4
    assert planned(needs, free - 2, gpu_memory_share=0.5).slots == 3


def test_what_is_configured_is_not_shrunk() -> None:
    needs = full_size("bfloat16")
    room = needs.all(2, POSITIONS)
    assert planned(needs, room, slots=2, context_positions=POSITIONS) == Plan(2, POSITIONS, 0, room)
    with pytest.raises(EngineUnavailable, match=r"slots 3 of 2048 positions needs 3\.5 GB"):
        planned(needs, room, slots=3, context_positions=POSITIONS)


def refused(needs: Needs, free: float, **settings: object) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as error:
        planned(needs, free, **settings)
    return error.value


def test_what_would_fit_is_told() -> None:
    needs = full_size("bfloat16")
    two = needs.all(2, POSITIONS)
    assert refused(needs, two, slots=8, context_positions=POSITIONS).cure.startswith(
        "csm.slots: 2 would fit, or csm.dtype: int8 needs"
    )
    short = refused(needs, needs.all(1, 1024), slots=1, context_positions=POSITIONS)
    assert short.cure.startswith("csm.context_positions: null would fit, or csm.dtype: int8 needs")
    table = full_size("bfloat16", text_on_host=False)
    assert refused(table, two).cure.startswith("csm.text_table_on_host: true would fit, or")
    small = refused(needs, 2.4e9)
    assert small.reason == (
        "cuda:0 has 2.4 GB free and csm.gpu_memory_share lets it take 2.4 GB of them: csm.dtype"
        " bfloat16 with csm.slots 1 of 512 positions needs 3.3 GB"
    )
    assert small.cure.startswith("csm.dtype: int8 needs 2.1 GB, or csm.dtype: int4 needs 1.6 GB")
    assert refused(needs, 1.8e9).cure.startswith("csm.dtype: int4 needs 1.6 GB, or free some")
    assert refused(needs, 1e9).cure == "free some (nvidia-smi shows what takes it)"
    assert "int8" not in refused(full_size("fp8"), 2.0e9).cure, "it takes as much"


def test_positions_that_the_model_has_not() -> None:
    error = refused(full_size("bfloat16"), 80e9, context_positions=4096)
    assert error.reason == "csm.context_positions is 4096, but the model has 2048"


def test_the_depth_decoder_has_its_own_type() -> None:
    mixed, plain = full_size("bfloat16", "int8"), full_size("bfloat16")
    eight = replace(plain, precision=Precision("int8", "int8", torch.bfloat16))
    assert eight.weights < mixed.weights < plain.weights
    depth = 4 * (1024 * (1024 + 2 * 256 + 1024) + 3 * 1024 * 8192) + 31 * 1024 * 2048
    saved = plain.weights - mixed.weights
    assert 0.97 * depth < saved < depth + 2048 * 1024


def test_the_page_says_what_is_reckoned() -> None:
    page = (Path(__file__).parents[3] / "docs/tuning.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([\d.]+) GB \| ([\d.]+) GB \|", page, re.M)
    told = {kind: words for kinds, *words in lines for kind in re.findall(r"\w+", kinds)}
    assert set(told) == {"bfloat16", "float16", "int8", "fp8", "int4"}
    for kind, words in told.items():
        needs = replace(full_size(kind), node_bytes=16_384)
        whole = [
            needs.all(n, POSITIONS) - needs.least_graphs + needs.graphs(n, POSITIONS)
            for n in (1, 4)
        ]
        assert [f"{size / 1e9:.1f}" for size in whole] == list(words)
    needs = replace(full_size("bfloat16"), node_bytes=16_384)
    own, one, four = needs.position * POSITIONS, *(needs.graphs(n, POSITIONS) for n in (1, 4))
    slot = (
        f"Each slot holds {needs.slot(POSITIONS) / 1e6:.0f} MB in 16 bits: {own / 1e6:.0f} MB are"
    )
    assert slot in page
    assert f"take {one / 1e9:.2f} GB for 1 slot and {four / 1e9:.2f} GB for 4" in page


def test_nodes_are_about_those_that_were_counted() -> None:
    """1 402 kernels a frame of one row in generated code, and 290 of the codec; 45 graphs."""
    counted = Needs(
        FULL_SIZE,
        MimiConfig(),
        Precision("float16", "float16", torch.half),
        False,
        compiled=True,
        node_bytes=1,
    )
    plain = replace(counted, compiled=False)
    assert 1_402 + 290 < counted.least_graphs < 1.2 * (1_402 + 290)
    assert 12_000 < counted.graphs(4, 2048) < 14_000
    assert plain.graphs(4, 2048) > 1.5 * counted.graphs(4, 2048)
    assert counted.graphs(1, 512) < counted.graphs(1, 2048) < counted.graphs(4, 2048)


@pytest.mark.parametrize(
    ("version", "size"), [((11, 8), 65_536), ((12, 4), 65_536), ((12, 8), 16_384), (None, 65_536)]
)
def test_an_old_driver_or_an_unknown_one_takes_the_most(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int] | None, size: int
) -> None:
    monkeypatch.setattr(memory, "driver_cuda", lambda: version)
    assert graph_node_bytes(torch.device("cuda:0")) == size
    assert graph_node_bytes(torch.device("cpu")) == 0
