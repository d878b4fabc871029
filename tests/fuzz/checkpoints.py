"""Checkpoints from outside: hostile headers of safetensors, hostile configurations."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.fuzz.mutation import any_json, any_object
from tests.fuzz.targets import Plain, Target, in_loop
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.adapter import Adapter
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.mimi.config import read_config

_LENGTH_BYTES = 8  # of the header of a safetensors file


def header(entries: object, body: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file, its header of whatever length is said."""
    text = json.dumps(entries).encode()
    said = len(text) if length is None else length
    return said.to_bytes(_LENGTH_BYTES, "little") + text + body


def entry(kind: str, shape: object, begin: object, end: object) -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


HEADERS = (
    header({"a": entry("F32", [2], 0, 8)}, bytes(8)),
    header({"a": entry("BF16", [2, 2], 0, 8), "__metadata__": {"format": "pt"}}, bytes(8)),
    header({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, bytes(12)),  # overlap
    header({"a": entry("F32", [2], -8, 0)}, bytes(8)),
    header({"a": entry("F32", [2**40], 0, 2**42)}, bytes(8)),
    header({"a": entry("F32", [2**32, 2**32], 0, 0)}),
    header({"a": entry("F64", [2], 0, 8)}, bytes(8)),
    header({"a": entry("F4", [2], 0, 1)}, bytes(1)),
    header({"a": entry("F32", [2], 0, 8)}, bytes(8), length=2**63),
    header({"a": entry("F32", [2], 0, 8)}, bytes(8), length=10**9),
    header({"lm_head.weight": entry("F32", [0], 0, 0)}),
    (2).to_bytes(_LENGTH_BYTES, "little") + b"\xff\xfe",
    (40_000).to_bytes(_LENGTH_BYTES, "little") + b'{"a":' * 8_000,
    b"",
    bytes(8),
)


def any_header(random: Random) -> bytes:
    """A file with any header, mostly with its own length and a body that fits."""
    kinds = ("F32", "BF16", "F16", "I8", "BOOL", "F8_E4M3", "U64", "x", 5)
    found: dict[str, Any] = any_object(random, ("__metadata__", "a"), 1)
    at = 0
    for name in random.sample(["a", "b", "lm_head.weight", "", "ü"], random.randint(0, 4)):
        size = random.choice((0, 4, 8, 64))
        shape = random.choice(([], [size // 4], [2, size // 8], [0, 5], any_json(random)))
        begin = at if random.random() < 0.8 else any_json(random, 0)
        end = at + size if random.random() < 0.8 else any_json(random, 0)
        found[name] = {"dtype": random.choice(kinds), "shape": shape, "data_offsets": [begin, end]}
        at += size
    length = None if random.random() < 0.9 else random.getrandbits(random.choice((8, 32, 64)))
    return header(found, bytes(at), length)


@contextmanager
def weights() -> Iterator[Plain]:
    """Weights of CSM, and of an adapter."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = make_tiny_csm(Path(folder, "tiny"), codebooks=4)
        adapter = Path(folder, "adapter")
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')

        def read(data: bytes) -> None:
            (tiny / "model.safetensors").write_bytes(data)
            (adapter / "adapter_model.safetensors").write_bytes(data)
            try:
                _load(tiny)
            finally:
                Adapter(adapter).check({}, "codec_model.", ())

        yield read


@contextmanager
def checkpoint() -> Iterator[Plain]:
    """The configuration of a checkpoint whose weights are whole."""
    with tempfile.TemporaryDirectory() as name:
        folder = make_tiny_csm(Path(name, "tiny"), codebooks=4)

        def read(data: bytes) -> None:
            (folder / "config.json").write_bytes(data)
            _load(folder)

        yield read


def _load(folder: Path) -> None:
    found = Checkpoint(folder)
    read_config(found.codec_config, found.sizes.codebooks)
    found.load(torch.float32, torch.device("cpu"))


def tiny_config() -> bytes:
    """Return the configuration that `checkpoint` is whole with."""
    with tempfile.TemporaryDirectory() as name:
        return (make_tiny_csm(Path(name), codebooks=4) / "config.json").read_bytes()


def checkpoint_targets() -> tuple[Target, ...]:
    """Make them."""
    return (
        Target(
            "weights", partial(in_loop, weights), HEADERS, (CheckpointError,),
            (b'"data_offsets":[', b'"shape":[', b'"F32"', b'"__metadata__":'), any_header,
            share=0.05, native=True,
        ),
        Target(
            "checkpoint", partial(in_loop, checkpoint), (tiny_config(),), (CheckpointError,),
            most_bytes=16_384, most_ms=1_000, share=0.01,
        ),
    )  # fmt: skip
