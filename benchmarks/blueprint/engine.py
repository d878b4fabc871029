"""The real engine in its real size on tensors without contents: a mix-up of devices raises."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks import models
from benchmarks.blueprint.watching import Watch
from benchmarks.models import FULL_SIZE
from wyoming_csm.model import pipeline as pipelines
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.cuda import CudaCapture
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.quantization.linear import QuantizedLinear
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.worker.csm.device import Precision, kind_of

SLOTS, POSITIONS = 4, 2048  # as a GPU with room gets them
_PROMPTS = (30, 300, 700)  # positions: a sentence, a voice's clip, both with a reply


@dataclass(frozen=True)
class Graph:
    """One captured graph. `what`: decode_frame, backbone_step or sound; launches are by kind."""

    what: str
    rows: int
    launched: Counter[str]
    attention: Counter[str]  # what computed it


@dataclass
class Found:
    """What compiling, capturing and speaking showed."""

    recompiled: list[str] = field(default_factory=list)  # parts, after `compile` was over
    graphs: list[Graph] = field(default_factory=list)
    around: int = 0  # launches of a frame beside its graphs
    uncompiled: int = 0  # launches of one row's codes and backbone step, without a compiler
    attention: dict[str, Counter[str]] = field(default_factory=dict)  # where nothing is captured


def run(types: Precision, watch: Watch, folder: Path, tell: Callable[[str], None]) -> Found:
    """Compile, capture, prefill, speak, move, save and restore slots, as the child does.

    `folder`: for the compiler's files.
    """
    device, found = torch.device("cuda:0"), Found()
    torch.backends.cuda.enable_cudnn_sdp(False)  # as the child process does
    with fakes(), torch.inference_mode(), watch.compiling():
        model, decoder = _model(types, device), _decoder(device)
        tell("a frame that is not compiled")
        with _counted(watch) as attention:
            _speak_plain(FrameGenerator(model, 1, POSITIONS, Sampling()))
        found.uncompiled = watch.launched.total()
        found.attention["a frame, not compiled"] = attention
        tell("compiling")
        generator = _Watched(model, watch)
        if not generator.compile(folder):
            raise SystemExit("the parts of a frame could not be compiled: see above")
        before = len(watch.compiled)
        with _graphs(watch, found):
            pipeline = FramePipeline(generator, decoder)
            pipeline.capture(tell)
        found.recompiled = [f"{again.part}, {again.rows}" for again in watch.compiled[before:]]
        tell("speaking")
        _speak(pipeline, watch, found)
    return found


@contextmanager
def fakes() -> Iterator[None]:
    """Make tensors of shapes, types and devices only, and pin nothing for real."""
    real = torch.Tensor.pin_memory
    torch.Tensor.pin_memory = lambda self: self  # type: ignore[method-assign,assignment,misc]
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    finally:
        torch.Tensor.pin_memory = real  # type: ignore[method-assign]


class _Watched(FrameGenerator):
    """Says how many rows it computes, before it does."""

    def __init__(self, model: CsmModel, watch: Watch) -> None:
        super().__init__(model, SLOTS, POSITIONS, Sampling())
        self._watch = watch

    def decode_frame(self, rows: int) -> None:
        self._watch.what, self._watch.rows = "decode_frame", rows
        super().decode_frame(rows)

    def backbone_step(self, rows: int, length: int) -> None:
        self._watch.what, self._watch.rows = "backbone_step", rows
        super().backbone_step(rows, length)


@contextmanager
def _graphs(watch: Watch, found: Found) -> Iterator[None]:
    """Count every graph that is captured."""

    class Counted(CudaCapture):
        def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
            def counted() -> None:  # for the warm-up, then for the graph itself
                watch.what = "sound"  # unless the generator says otherwise
                with _counted(watch):
                    run()

            replay = super().__call__(counted)
            graph = Graph(watch.what, watch.rows, watch.launched, watch.attention)
            found.graphs.append(graph)
            return replay

    pipelines.CudaCapture = Counted  # type: ignore[attr-defined]
    try:
        yield
    finally:
        pipelines.CudaCapture = CudaCapture  # type: ignore[attr-defined]


@contextmanager
def _counted(watch: Watch) -> Iterator[Counter[str]]:
    """Begin `watch.launched` and `watch.attention` anew, and give the latter."""
    watch.launched, watch.attention = Counter(), Counter()
    with watch.counting():
        yield watch.attention


def _speak_plain(generator: FrameGenerator) -> None:
    """Make one frame's codes and the backbone step behind them."""
    generator.decode_frame(1)
    generator.backbone_step(1, generator.lengths()[-2])


def _speak(pipeline: FramePipeline, watch: Watch, found: Found) -> None:
    """Do all that can be done to slots; frames are waited for one later, as on a GPU."""
    for slot, positions in enumerate(_PROMPTS):
        with _counted(watch) as attention:
            pipeline.prefill(slot, models.prompt(FULL_SIZE, positions), seed=slot)
        found.attention[f"prefill of {positions}"] = attention
        pipeline.prefill(slot, models.prompt(FULL_SIZE, 20), slot, positions)
        pipeline.start_sound(slot)
    saved = pipeline.save(2, 300)
    launched = [pipeline.launch([0, 1, 2])]
    with _counted(watch):
        launched.append(pipeline.launch([0, 1, 2]))
    found.around = watch.launched.total()
    for active in ([2], [0], [1, 2]):  # rows move, and are swapped
        launched.pop(0)()
        launched.append(pipeline.launch(active))
    while launched:
        launched.pop(0)()
    pipeline.release(0)
    pipeline.restore(0, saved)
    pipeline.prefill(0, models.prompt(FULL_SIZE, 30), 0, saved.shape[3])
    pipeline.launch([0])()


def _model(types: Precision, device: torch.device) -> CsmModel:
    """Make a model as `Checkpoint.load` does, with the text embedding on the host."""
    with torch.device("meta"):
        model = CsmModel(FULL_SIZE)
    for name, buffer in list(model.named_buffers()):
        to = types.compute if buffer.is_floating_point() else buffer.dtype
        _set(model, name, buffer.to(device, to))
    for name, module in list(model.named_modules()):
        kind = kind_of(types.depth if name.startswith("depth.") else types.backbone)
        if kind is not None and isinstance(module, nn.Linear):
            layer = QuantizedLinear(kind, module.out_features, module.in_features, device)
            layer.finalize(types.compute)
            _set(model, name, layer)
    for name, like in list(model.named_parameters()):
        where = torch.device("cpu") if name == "text_embedding.weight" else device
        new = torch.empty(like.shape, dtype=types.compute, device=where)
        _set(model, name, nn.Parameter(new, requires_grad=False))
    return model.eval()


def _decoder(device: torch.device) -> MimiDecoder:
    with device:
        return MimiDecoder(MimiConfig())


def _set(model: nn.Module, name: str, value: Any) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, value)
